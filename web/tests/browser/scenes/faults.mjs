// The connection goes away, and comes back: nothing is lost, nothing is there twice.

import {
  befriend, idOf, loseAnswers, nameOf, openChat, person, say, sees, signIn, signUp, synced, texts, until,
} from '../people.mjs';

const link = (someone, state) =>
  until(`${someone.name} is ${state}`, async () => {
    const now = await someone.page.evaluate(() => document.documentElement.dataset.link);
    return (state === 'away' ? now !== 'online' : now === state) || now;
  });

/** Each has all, once, and both in the same order. */
async function agree(people, expected) {
  for (const someone of people) {
    await until(`${someone.name} has each message once`, async () => {
      const shown = await texts(someone);
      return JSON.stringify([...shown].sort()) === JSON.stringify([...expected].sort()) || shown;
    });
  }
  const [one, two] = await Promise.all(people.map(texts));
  if (JSON.stringify(one) !== JSON.stringify(two)) throw new Error(`not the same order: ${JSON.stringify([one, two])}`);
  return one;
}

function inTheirOrder(all, someone) {
  const own = all.filter((text) => text.startsWith(`${someone.name} `)).map((text) => Number(text.split(' ')[1]));
  if (own.some((n, index) => index > 0 && n <= own[index - 1])) throw new Error(`${someone.name}: ${own}`);
}

export async function a_gateway_dies_in_between(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'));
  await signUp(world, ada);
  await signUp(world, bob);
  await befriend(ada, bob);
  await say(ada, `${ada.name} 0`);
  await openChat(bob, ada.name);
  await sees(bob, `${ada.name} 0`);
  const expected = [`${ada.name} 0`];
  const both = async (from, to) => {
    for (let n = from; n < to; n += 1) {
      for (const someone of [ada, bob]) {
        await say(someone, `${someone.name} ${n}`);
        expected.push(`${someone.name} ${n}`);
      }
    }
  };

  await both(1, 4);
  await world.fault('down');
  await link(ada, 'away');
  await link(bob, 'away');
  await both(4, 8);
  // What was written while nobody was there survives that the page is closed.
  await ada.page.waitForSelector('.message[data-state="waiting"]');
  await world.fault('up');
  await link(ada, 'online');
  await link(bob, 'online');
  await both(8, 10);
  const all = await agree([ada, bob], expected);
  for (const someone of [ada, bob]) inTheirOrder(all, someone);

  // The same once more, and Ada's page is gone in between: what she wrote is kept.
  await world.fault('down');
  await link(ada, 'away');
  await both(10, 13);
  await until('three of hers wait', async () => {
    const waiting = await ada.page.locator('.message.mine[data-state="waiting"]').count();
    return waiting === 3 || waiting;
  });
  const url = ada.page.url();
  await ada.page.goto('about:blank');
  await world.fault('up');
  await ada.page.goto(url);
  await synced(ada);
  await link(bob, 'online');
  for (const someone of [ada, bob]) inTheirOrder(await agree([ada, bob], expected), someone);
}

/** Two gateways behind one address. Each of them dies once, so that it is everybody's turn. */
export async function one_of_two_gateways_dies(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'), { size: { width: 390, height: 844 }, phone: true });
  await signUp(world, ada);
  await signUp(world, bob);
  await befriend(ada, bob);
  await say(ada, `${ada.name} 0`);
  await openChat(bob, ada.name);
  const expected = [`${ada.name} 0`];
  let said = 0;
  const both = async (count) => {
    for (let n = 0; n < count; n += 1) {
      said += 1;
      for (const someone of [ada, bob]) {
        await say(someone, `${someone.name} ${said}`);
        expected.push(`${someone.name} ${said}`);
      }
    }
  };
  for (const gateway of [1, 2]) {
    await both(2);
    // While it dies they talk on, and the other takes them.
    await Promise.all([world.fault(`kill-${gateway}`), both(4)]);
    for (const someone of [ada, bob]) await link(someone, 'online');
    await both(2);
    await agree([ada, bob], expected);
    await world.fault(`start-${gateway}`);
  }
  const all = await agree([ada, bob], expected);
  for (const someone of [ada, bob]) inTheirOrder(all, someone);
  await until('all of it was read', async () => (await ada.page.locator('.message.mine:not([data-state="read"])').count()) === 0);
}

/** Messages are stored, and their answers never come. */
export async function answers_are_lost(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'));
  await loseAnswers(ada, 3);
  await signUp(world, ada);
  await signUp(world, bob);
  await befriend(ada, bob);
  const expected = [];
  for (let n = 0; n < 4; n += 1) {
    await say(ada, `${ada.name} ${n}`);
    expected.push(`${ada.name} ${n}`);
  }
  await openChat(bob, ada.name);
  inTheirOrder(await agree([ada, bob], expected), ada);
  await until('nothing waits any more', async () => (await ada.page.locator('[data-state="sending"], [data-state="waiting"]').count()) === 0);
}

/** Whoever looks at a page of this browser sees who is signed in now, and nobody says another's words. */
export async function two_windows_never_are_two_people(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = nameOf('bob');
  await signUp(world, ada);
  const id = await idOf(ada);
  const second = { name: 'the second window', page: await ada.context.newPage() };
  await second.page.goto(`${world.base}#/settings`);
  await synced(second);
  await ada.page.waitForSelector('[role=alertdialog]');
  // She signs out in one, and so she does in the other.
  await second.page.locator('.card-actions button').first().click();
  await second.page.waitForSelector('.login');
  await ada.page.waitForSelector('.login');
  // Somebody else signs up in one: the other is theirs, and none of hers is left in it.
  await signUp(world, { name: bob, page: second.page });
  await ada.page.waitForSelector('.shell');
  await ada.page.locator('[role=alertdialog] button').click();
  await synced(ada);
  await ada.page.goto(`${world.base}#/settings`);
  await until('the name is the other’s', async () => (await ada.page.locator('.profile .row-name').textContent()) === bob);
  if ((await idOf(ada)) === id) throw new Error('still the first user');
  await signOutAndIn(world, ada);
}

async function signOutAndIn(world, someone) {
  await someone.page.locator('.card-actions button').first().click();
  await someone.page.waitForSelector('.login');
  await signIn(world, someone);
}

/** Loading a page twice in a row, or having the answer of a refresh lost, signs nobody out. */
export async function a_page_may_be_loaded_again_at_any_moment(world) {
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  // As if the token were old: each page has to refresh.
  await ada.page.addInitScript(() => {
    const session = localStorage.getItem('mpim.session');
    if (session) localStorage.setItem('mpim.session', JSON.stringify({ ...JSON.parse(session), until: 0 }));
  });
  for (let n = 0; n < 3; n += 1) {
    const asked = ada.page.waitForRequest(/\/api\/refresh/);
    await ada.page.reload({ waitUntil: 'commit' });
    await asked;
  }
  await synced(ada);
  // The server has given the next one, and this page never hears of it.
  let lost = 0;
  await ada.page.route(/\/api\/refresh/, async (route) => {
    if (lost > 0) return route.continue();
    lost += 1;
    const before = await ada.context.cookies(world.base);
    const answer = await ada.context.request.post(route.request().url(), { data: {} });
    if (!answer.ok()) throw new Error(`refused: ${answer.status()}`);
    await ada.context.addCookies(before);
    return route.abort();
  });
  await ada.page.reload();
  await synced(ada);
  if (lost !== 1) throw new Error('no answer was lost');
}

/** A device is in one window at a time, and its user says in which. */
export async function another_window_takes_over(world) {
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  const second = { name: `${ada.name}'s second window`, page: await ada.context.newPage() };
  await second.page.goto(world.base);
  await synced(second);
  await ada.page.waitForSelector('[role=alertdialog]');
  await ada.page.locator('[role=alertdialog] button').click();
  await synced(ada);
  await second.page.waitForSelector('[role=alertdialog]');
}
