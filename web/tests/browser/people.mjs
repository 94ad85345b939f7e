// Somebody with a browser: what they do on the page, and what they see. Waits for conditions, never
// for time.

import { randomBytes } from 'node:crypto';
import { chromium } from 'playwright-core';

const PASSWORD = 'correct horse';
/** Far longer than anything takes: also on a machine that others keep busy. */
const WAIT_MS = 60_000;

// Without the flags on background networking each start looks up hosts that a closed network lacks.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--font-render-hinting=none',
];

export async function openBrowser(executablePath) {
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A name that nobody has on this server yet. */
export const nameOf = (name) => `${name}${randomBytes(3).toString('hex')}`;

export async function until(what, condition, { ms = WAIT_MS } = {}) {
  const by = Date.now() + ms;
  for (let last; ;) {
    last = await condition();
    if (last === true) return;
    if (Date.now() > by) throw new Error(`not in time: ${what}; last seen: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A browser of their own: {page, name, …}. */
export async function person(world, name, { size = { width: 1280, height: 800 }, lang = 'en', theme = 'light', phone = false } = {}) {
  const context = await world.browser.newContext({
    viewport: size, locale: lang === 'zh' ? 'zh-CN' : 'en-GB', colorScheme: theme, timezoneId: 'UTC', hasTouch: phone, isMobile: phone,
    deviceScaleFactor: phone ? 2 : 1, reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(WAIT_MS);
  const page = await context.newPage();
  const someone = { name, page, context, complaints: [] };
  page.on('pageerror', (error) => someone.complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // A connection that is cut and a password that is wrong are told to the console by the browser itself.
    const expected = /WebSocket connection|WebSocket is already in CLOS|ERR_|Failed to load resource/.test(text);
    if (['error', 'warning'].includes(message.type()) && !expected) someone.complaints.push(`console: ${text}`);
  });
  world.people.push(someone);
  return someone;
}

export async function signUp(world, someone) {
  const { page } = someone;
  await page.goto(world.base);
  await page.locator('.login-switch button').click();
  await page.fill('#field-username', someone.name);
  await page.fill('#field-password', PASSWORD);
  await page.locator('.login-card button[type=submit]').click();
  await synced(someone);
}

export async function signIn(world, someone) {
  const { page } = someone;
  await page.fill('#field-username', someone.name);
  await page.fill('#field-password', PASSWORD);
  await page.locator('.login-card button[type=submit]').click();
  await synced(someone);
}

export const synced = ({ page }) => page.waitForSelector('html[data-link="online"][data-synced="true"]', { state: 'attached' });

export async function befriend(someone, other) {
  const { page } = someone;
  await page.goto(`${page.url().split('#')[0]}#/friends`);
  await page.locator('.list-head button').last().click();
  await page.fill('#field-name', other.name);
  await page.locator('dialog button[type=submit]').click();
  await page.waitForSelector('.chat .composer textarea');
}

export async function openChat(someone, name) {
  const { page } = someone;
  await page.goto(`${page.url().split('#')[0]}#/chats`);
  const named = page.locator('.row-name').filter({ hasText: new RegExp(`^${name}$`) });
  await page.locator('.row-link').filter({ has: named }).first().click();
  await page.waitForSelector('.chat .composer textarea');
}

export async function say({ page }, text) {
  await page.fill('.composer textarea', text);
  await page.press('.composer textarea', 'Enter');
}

/** The texts of the open conversation, in order. */
export const texts = ({ page }) => page.locator('.message .text').allTextContents();

export const sees = (someone, text) =>
  until(`${someone.name} sees “${text}”`, async () => (await texts(someone)).includes(text) || (await texts(someone)).slice(-5));

/** What became of one's own message. */
export const stateOf = ({ page }, text) =>
  page.locator('.message.mine', { hasText: text }).last().getAttribute('data-state');

export const becomes = (someone, text, state) =>
  until(`“${text}” is ${state}`, async () => {
    const now = await stateOf(someone, text);
    return now === state || now;
  });

const sessionOf = ({ page }) => page.evaluate(() => JSON.parse(localStorage.getItem('mpim.session')));

/** Who this is for the server, and the token that shows it. */
export const idOf = async (someone) => (await sessionOf(someone)).user_id;
export const tokenOf = async (someone) => (await sessionOf(someone)).token;

/** Opens the conversation with somebody who need not be a friend. */
export async function openPair(world, someone, other) {
  const [one, two] = [await idOf(someone), await idOf(other)].sort((a, b) => a - b);
  await someone.page.goto(`${world.base}#/chats/c2c_${one}_${two}`);
  await someone.page.waitForSelector('.chat .composer textarea');
}

/**
 * From the next page on, of what this browser sends so many messages reach the server and their answers
 * do not come: the connection is lost instead.
 */
export async function loseAnswers({ page }, count) {
  const SENT = 2003;
  let left = count;
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const { type, id } = JSON.parse(text);
      if (type !== SENT || id === undefined || left === 0) return socket.send(text);
      left -= 1;
      server.close();
      return socket.close({ code: 4999 });
    });
  });
}

/** Requests of the HTTP interface, as a program would make them. */
export async function api(world, method, path, body, token) {
  const response = await fetch(new URL(path, world.base), {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (answer.code !== 0) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer.data;
}

export const register = (world, name) =>
  api(world, 'POST', '/api/register', { username: name, password: PASSWORD, device: 'bot:test' });
