// The connection goes away, and comes back: nothing is lost, nothing is there twice.

import { befriend, nameOf, openChat, person, say, sees, signUp, synced, texts, until } from '../people.mjs';

const link = (someone, state) =>
  until(`${someone.name} is ${state}`, async () => {
    const now = await someone.page.evaluate(() => document.documentElement.dataset.link);
    return (state === 'away' ? now !== 'online' : now === state) || now;
  }, { ms: 40_000 });

/** Each has all, once, and both in the same order. */
async function agree(people, expected) {
  for (const someone of people) {
    await until(`${someone.name} has each message once`, async () => {
      const shown = await texts(someone);
      return JSON.stringify([...shown].sort()) === JSON.stringify([...expected].sort()) || shown;
    }, { ms: 40_000 });
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

  // The same once more, and Ada's page is new in between.
  await world.fault('down');
  await link(ada, 'away');
  await both(10, 13);
  await world.fault('up');
  await ada.page.reload();
  await synced(ada);
  await link(bob, 'online');
  for (const someone of [ada, bob]) inTheirOrder(await agree([ada, bob], expected), someone);
}

/** Only where the driver can: messages are stored, and their answers never come. */
export async function answers_are_lost(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'));
  await signUp(world, ada);
  await signUp(world, bob);
  await befriend(ada, bob);
  if (!(await world.fault('lose-answers'))) return 'the driver cannot lose answers';
  const expected = [];
  for (let n = 0; n < 4; n += 1) {
    await say(ada, `${ada.name} ${n}`);
    expected.push(`${ada.name} ${n}`);
  }
  await openChat(bob, ada.name);
  inTheirOrder(await agree([ada, bob], expected), ada);
  await until('nothing waits any more', async () => (await ada.page.locator('[data-state="sending"], [data-state="waiting"]').count()) === 0);
  return undefined;
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
