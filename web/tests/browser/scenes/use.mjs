// Telephones, keyboards, long histories.

import {
  api, befriend, idOf, nameOf, openChat, person, register, say, sees, signIn, signUp, synced, until,
} from '../people.mjs';

export async function a_telephone_shows_one_pane(world) {
  const ada = await person(world, nameOf('ada'), { size: { width: 390, height: 844 }, phone: true });
  const bob = await person(world, nameOf('bob'));
  await signUp(world, bob);
  await signUp(world, ada);
  await befriend(ada, bob);
  await say(ada, 'hello from a telephone, in a line that is long enough to be broken into several of them');
  await ada.page.waitForSelector('.message.mine[data-state="delivered"]');
  const isShown = (selector) => ada.page.locator(selector).isVisible();
  if (await isShown('.list-pane')) throw new Error('two panes');
  if (await isShown('.rail')) throw new Error('the sections stand below a conversation');
  await fits(ada);
  await ada.page.locator('.chat-back').tap();
  await ada.page.waitForSelector('.list-pane', { state: 'visible' });
  if (await isShown('.main-pane')) throw new Error('two panes');
  for (const section of ['friends', 'groups', 'devices', 'settings', 'chats']) {
    await ada.page.locator(`.rail-item[href="#/${section}"]`).tap();
    await ada.page.waitForSelector(`.shell[data-section="${section}"]`);
    await fits(ada);
  }
  const small = await ada.page.locator('button:visible, .rail-item:visible').evaluateAll((all) =>
    all.map((one) => one.getBoundingClientRect()).filter(({ height }) => height < 36).length);
  if (small > 0) throw new Error(`${small} buttons are too small for a finger`);
}

async function fits({ page }) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) throw new Error(`${page.url()} is ${over} px too wide`);
}

/** Everything that follows the log-in without a mouse. */
export async function a_keyboard_is_enough(world) {
  const bob = await person(world, nameOf('bob'));
  await signUp(world, bob);
  const ada = await person(world, nameOf('ada'));
  const { page } = ada;
  const { keyboard } = page;
  const focused = (selector) =>
    until(`the focus is on ${selector}`, () => page.evaluate((wanted) =>
      document.activeElement?.matches(wanted) || document.activeElement?.outerHTML.slice(0, 120), selector));
  const tabTo = async (selector) => {
    for (let n = 0; n < 40; n += 1) {
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
      await keyboard.press('Tab');
    }
    throw new Error(`Tab does not reach ${selector}`);
  };

  await page.goto(world.base);
  await focused('#field-username');
  await tabTo('.login-switch button');
  await keyboard.press('Enter');
  await focused('#field-username');
  await keyboard.type(ada.name);
  await keyboard.press('Tab');
  await keyboard.type('correct horse');
  await keyboard.press('Enter');
  await synced(ada);

  await page.locator('body').press('Tab');
  await focused('.skip');
  await tabTo('.empty-actions .primary');
  await keyboard.press('Enter');
  await focused('#field-name');
  await keyboard.type(bob.name);
  await keyboard.press('Enter');
  await focused('.composer textarea');
  await keyboard.type('first');
  await keyboard.press('Shift+Enter');
  await keyboard.type('second line');
  await keyboard.press('Enter');
  await sees(ada, 'first\nsecond line');

  // Back to where one was, and there again.
  await keyboard.press('Escape');
  await focused('.row-link[data-session]');
  await keyboard.press('Enter');
  await focused('.composer textarea');
  await keyboard.press('Control+k');
  await focused('#find');
  await keyboard.type(bob.name.slice(0, 5));
  await keyboard.press('ArrowDown');
  await focused('.row-link[data-session]');
  await keyboard.press('Enter');
  await focused('.composer textarea');

  // Through the messages.
  await keyboard.press('Shift+Tab');
  await focused('.history');
  await keyboard.press('End');
  await focused('.message.mine');

  // A dialog keeps the focus, and gives it back.
  await tabTo('.chat-head .icon-button[aria-label="Details"]');
  await keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  for (let n = 0; n < 12; n += 1) {
    await keyboard.press('Tab');
    const inside = await page.evaluate(() =>
      document.activeElement === document.body || document.activeElement.closest('dialog') !== null);
    if (!inside) throw new Error('the focus left the dialog');
  }
  await keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await focused('.chat-head .icon-button[aria-label="Details"]');
}

/** Older messages come as one scrolls, and what one looks at stays where it is. */
export async function a_long_history_keeps_its_place(world) {
  const COUNT = 150;
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  const writer = await register(world, nameOf('writer'));
  const to = await idOf(ada);
  for (let n = 1; n <= COUNT; n += 1) {
    await api(world, 'POST', '/api/messages', { to_user_id: to, content: `message ${n}` }, writer.token);
  }
  // A page that has seen none of it.
  await ada.page.reload();
  await synced(ada);
  await until('many are unread', async () =>
    (await ada.page.locator('.row-link[data-session] .badge span').first().textContent()) === '99+');
  await openChat(ada, writer.username);
  await sees(ada, `message ${COUNT}`);

  const history = ada.page.locator('.history');
  for (let round = 0; round < 20; round += 1) {
    const first = await ada.page.locator('.message').first().getAttribute('data-seq');
    if (first === '1') break;
    // The first message that is wholly in sight, and where.
    const seen = await history.evaluate((box) => {
      box.scrollTop = 150;
      const top = box.getBoundingClientRect().top;
      const message = [...box.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().top >= top);
      return { seq: message.dataset.seq, y: message.getBoundingClientRect().top };
    });
    await until('earlier messages', async () =>
      Number(await ada.page.locator('.message').first().getAttribute('data-seq')) < Number(first));
    await until('the place is kept', async () => {
      const y = await ada.page.locator(`.message[data-seq="${seen.seq}"]`).evaluate((one) => one.getBoundingClientRect().top);
      return Math.abs(y - seen.y) < 40 || [seen.y, y];
    });
  }
  const seqs = await ada.page.locator('.message').evaluateAll((all) => all.map((one) => Number(one.dataset.seq)));
  if (seqs.length !== COUNT || seqs.some((seq, index) => seq !== index + 1)) throw new Error(`history: ${seqs}`);
  // However much of it was there before anybody scrolled.
  await history.evaluate((box) => { box.scrollTop = 0; });
  await ada.page.locator('.jump').click();
  await until('at the end', () => history.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 5));
}

/** What is drawn follows where the reader is at that moment, not where an event has seen them last. */
export async function a_reader_is_not_thrown_back(world) {
  const COUNT = 40;
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  const writer = await register(world, nameOf('writer'));
  const to = await idOf(ada);
  const write = (content) => api(world, 'POST', '/api/messages', { to_user_id: to, content }, writer.token);
  for (let n = 1; n <= COUNT; n += 1) await write(`message ${n}`);
  await openChat(ada, writer.username);
  await sees(ada, `message ${COUNT}`);
  await ada.page.locator('.jump').click();
  await ada.page.locator('.jump').waitFor({ state: 'detached' });
  // Up and down again before anything is drawn: the button that leads to the end is not needed.
  const history = ada.page.locator('.history');
  const needed = await history.evaluate(async (box) => {
    for (const top of [0, box.scrollHeight]) {
      box.scrollTop = top;
      box.dispatchEvent(new Event('scroll'));
    }
    for (let n = 0; n < 10; n += 1) await Promise.resolve();
    return document.querySelector('.jump') !== null;
  });
  if (needed) throw new Error('at the end, and a button to go there');
  // Down, and on up before what that asked for is drawn.
  const top = await history.evaluate(async (box) => {
    const drawn = async () => { for (let n = 0; n < 10; n += 1) await Promise.resolve(); };
    for (const [place, wait] of [[0, drawn], [box.scrollHeight, () => {}]]) {
      box.scrollTop = place;
      box.dispatchEvent(new Event('scroll'));
      await wait();
    }
    box.scrollTop = 100;
    await drawn();
    return box.scrollTop;
  });
  if (top !== 100) throw new Error(`thrown to ${top}`);
  await ada.page.locator('.jump').waitFor();
  // Nor by what comes meanwhile.
  await write('one more');
  await sees(ada, 'one more');
  const now = await history.evaluate((box) => box.scrollTop);
  if (now !== 100) throw new Error(`thrown to ${now}`);
}

/** What is unread begins where it can be seen, and is read once its end was; whoever writes sees what they wrote. */
export async function a_reader_goes_on_where_they_stopped(world) {
  const COUNT = 30;
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  const writer = await register(world, nameOf('writer'));
  const to = await idOf(ada);
  const write = (content) => api(world, 'POST', '/api/messages', { to_user_id: to, content }, writer.token);
  const more = async (from) => {
    for (let n = from; n < from + COUNT; n += 1) await write(`message ${n}`);
  };
  const unread = (count) => until(`${count} are unread`, async () => {
    const now = await ada.page.locator('.row-link[data-session]').first().getAttribute('data-unread');
    return now === String(count) || now;
  });
  const isInSight = (selector) => ada.page.locator(selector).last().evaluate((one) => {
    const [{ top, bottom }, box] = [one, one.closest('.history')].map((each) => each.getBoundingClientRect());
    return top >= box.top && bottom <= box.bottom;
  });
  await more(0);
  await unread(COUNT);
  await openChat(ada, writer.username);
  await ada.page.locator('.jump').click();
  await unread(0);
  await ada.page.goto(`${world.base}#/chats`);
  await ada.page.waitForSelector('.chat', { state: 'detached' });
  await more(COUNT);
  await unread(COUNT);
  await openChat(ada, writer.username);
  await until('where it begins is in sight', () => isInSight('.unread-line'));
  if (await isInSight('.message')) throw new Error('the end is in sight, too');
  if (!(await isInSight(`.message[data-seq="${COUNT + 1}"]`))) throw new Error('the line stands elsewhere');
  // What is in sight is read, and nothing else.
  const end = COUNT * 2;
  const { inSight } = await ada.page.locator('.history').evaluate((box) => {
    const below = box.getBoundingClientRect().bottom + 1;
    const all = [...box.querySelectorAll('.message')].filter((one) => one.getBoundingClientRect().bottom <= below);
    return { inSight: Number(all.at(-1).dataset.seq) };
  });
  await unread(end - inSight);
  await say(ada, 'hers');
  await until('what she wrote is in sight', async () => (await sees(ada, 'hers'), isInSight('.message.mine')));
  await unread(0);
}

/** A group that is left open for days does not fill the page. */
export async function a_busy_conversation_stays_light(world) {
  const [COUNT, AT_ONCE, NODES_MAX] = [900, 20, 620];
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  const writer = await register(world, nameOf('writer'));
  const to = await idOf(ada);
  const write = (n) => api(world, 'POST', '/api/messages', { to_user_id: to, content: `message ${n}` }, writer.token);
  await write(0);
  await openChat(ada, writer.username);
  for (let n = 1; n < COUNT; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => write(n + index)));
  await write('the last');
  await sees(ada, 'message the last');
  const nodes = await ada.page.locator('.message').count();
  if (nodes > NODES_MAX) throw new Error(`${nodes} messages are drawn`);
  const box = ada.page.locator('.history');
  await until('at the end', () => box.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight < 5));
}

/** Where one is signed in, and how that ends: one device, and all of them. */
export async function devices_are_shown_and_put_out(world) {
  const name = nameOf('ada');
  const [ada, phone, third] = [await person(world, name), await person(world, name), await person(world, name)];
  await signUp(world, ada);
  for (const other of [phone, third]) {
    await other.page.goto(world.base);
    await signIn(world, other);
  }
  const device = await phone.page.evaluate(() => `web:${localStorage.getItem('mpim.device')}`);
  await ada.page.goto(`${world.base}#/devices`);
  await until('three devices', async () => {
    const shown = await ada.page.locator('.card.device').count();
    return shown === 3 || shown;
  });
  await ada.page.locator(`.card.device[data-device="${device}"] button`).click();
  await ada.page.locator('dialog .danger').click();
  await phone.page.waitForSelector('.login');
  await until('two devices', async () => (await ada.page.locator('.card.device').count()) === 2);
  await phone.page.reload();
  await phone.page.waitForSelector('.login');

  await ada.page.goto(`${world.base}#/settings`);
  await ada.page.locator('.card-actions .danger').click();
  await ada.page.locator('dialog .danger').click();
  for (const { page } of [ada, third]) await page.waitForSelector('.login');
  await signIn(world, ada);
}

/** Settings: the language, the password, and being signed out. */
export async function settings_change_what_they_say(world) {
  const ada = await person(world, nameOf('ada'));
  const { page } = ada;
  await signUp(world, ada);
  await page.goto(`${world.base}#/settings`);
  await page.locator('input[name=language][value=zh]').check({ force: true });
  await until('Chinese', async () => (await page.locator('h1').textContent()) === '设置');
  await page.locator('input[name=theme][value=dark]').check({ force: true });
  await ada.context.grantPermissions(['notifications']);
  await page.locator('input[name=notices][value=yes]').check({ force: true });
  await page.waitForSelector('input[name=notices][value=yes]:checked');
  await page.reload();
  await synced(ada);
  await until('still Chinese', async () => (await page.locator('h1').textContent()) === '设置');
  const theme = await page.evaluate(() => [document.documentElement.dataset.theme, document.documentElement.lang].join());
  if (theme !== 'dark,zh-CN') throw new Error(theme);
  await page.waitForSelector('input[name=notices][value=yes]:checked');
  await page.fill('#field-old', 'wrong horse');
  await page.fill('#field-fresh', 'another horse');
  await page.locator('.card .form button[type=submit]').click();
  await page.waitForSelector('.form-error:not(:empty)');
  await page.fill('#field-old', 'correct horse');
  await page.locator('.card .form button[type=submit]').click();
  await page.waitForSelector('.toast.done');
  await page.locator('.card-actions button').first().click();
  await page.waitForSelector('.login');
  await page.reload();
  await page.waitForSelector('.login');
  await page.fill('#field-username', ada.name);
  await page.fill('#field-password', 'another horse');
  await page.locator('.login-card button[type=submit]').click();
  await synced(ada);
}
