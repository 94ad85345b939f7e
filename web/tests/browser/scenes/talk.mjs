// Two people talk, and more of them in a group.

import {
  api, befriend, becomes, idOf, nameOf, openChat, openPair, person, say, sees, signUp, texts, tokenOf, until,
} from '../people.mjs';

export async function two_browsers_chat(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'));
  await signUp(world, ada);
  await signUp(world, bob);
  await befriend(ada, bob);
  await say(ada, 'hello bob');
  await becomes(ada, 'hello bob', 'delivered');

  // Bob is told without looking, and Ada is told when he looks.
  await until('one unread message', async () => {
    const item = bob.page.locator('.row-link', { hasText: ada.name });
    return (await item.count()) === 1 && (await item.getAttribute('data-unread')) === '1';
  });
  await until('the title counts', async () => (await bob.page.title()) === '(1) MPIM');
  await openChat(bob, ada.name);
  await sees(bob, 'hello bob');
  await becomes(ada, 'hello bob', 'read');
  await until('nothing is unread', async () => (await bob.page.title()) === 'MPIM');

  // While he writes she sees that, and then what he wrote.
  await bob.page.locator('.composer textarea').pressSequentially('I am');
  await ada.page.waitForSelector('.chat-sub .typing');
  await say(bob, 'I am here\nin two lines');
  await sees(ada, 'I am here\nin two lines');
  await ada.page.waitForSelector('.chat-sub .typing', { state: 'detached' });
  await becomes(bob, 'I am here', 'read');

  // Who is there.
  await ada.page.waitForSelector('.chat-head .dot.status-1');
  await bob.page.context().close();
  await ada.page.waitForSelector('.chat-head .dot.status-0');

  // After a reload everything stands where it stood.
  const before = await texts(ada);
  await ada.page.reload();
  await until('the same after a reload', async () => {
    const now = await texts(ada);
    return JSON.stringify(now) === JSON.stringify(before) || now;
  });
}

export async function a_group_talks(world) {
  const people = [];
  for (const name of ['ada', 'bob', 'cleo']) {
    const someone = await person(world, nameOf(name));
    await signUp(world, someone);
    people.push(someone);
  }
  const [first, ...others] = people;
  for (const other of others) await befriend(first, other);
  const crew = nameOf('crew ');
  await first.page.goto(`${world.base}#/groups`);
  await first.page.locator('.list-head button').last().click();
  await first.page.fill('#field-name', crew);
  await first.page.fill('#field-description', 'for a test');
  await first.page.locator('dialog button[type=submit]').click();

  // The invitation is a message with a link that opens what it says.
  for (const other of others) await first.page.locator(`dialog button[aria-label$="${other.name}"]`).click();
  await first.page.keyboard.press('Escape');
  for (const other of others) {
    await openChat(other, first.name);
    await other.page.locator('.message .text a').click();
    await other.page.locator('dialog button[type=submit]').click();
    await other.page.waitForSelector('.chat[data-session^="grp_"]');
  }
  await say(first, 'welcome');
  for (const other of others) {
    await sees(other, 'welcome');
    await say(other, `from ${other.name}`);
  }
  for (const someone of people) {
    await until(`${someone.name} has all three`, async () => (await texts(someone)).length === 3 || texts(someone));
  }
  const [one, two, three] = await Promise.all(people.map(texts));
  if (JSON.stringify(one) !== JSON.stringify(two) || JSON.stringify(two) !== JSON.stringify(three)) {
    throw new Error(`not the same order: ${JSON.stringify([one, two, three])}`);
  }
  await until('everybody has read it', async () =>
    (await first.page.locator('.message.mine').last().getAttribute('data-state')) === 'read');
  const members = await first.page.locator('.chat-sub').textContent();
  if (!members.includes('3 members')) throw new Error(`members: ${members}`);
}

/** What the server refuses stays with its author, who sends it again or lets it be. */
export async function a_refused_message_stays_with_its_author(world) {
  const ada = await person(world, nameOf('ada'));
  const bob = await person(world, nameOf('bob'));
  await signUp(world, ada);
  await signUp(world, bob);
  const [token, id] = [await tokenOf(bob), await idOf(ada)];
  await api(world, 'PUT', `/api/blocked/${id}`, undefined, token);
  await openPair(world, ada, bob);
  await say(ada, 'first');
  await say(ada, 'second');
  await becomes(ada, 'first', 'failed');
  await becomes(ada, 'second', 'failed');
  await api(world, 'DELETE', `/api/blocked/${id}`, undefined, token);
  const of = (text) => ada.page.locator('.message.mine', { hasText: text });
  await of('second').locator('.refused button').last().click();
  await until('it is gone', async () => (await of('second').count()) === 0);
  // It is still there for who loads the page again.
  await ada.page.reload();
  await becomes(ada, 'first', 'failed');
  await of('first').locator('.refused button').first().click();
  await becomes(ada, 'first', 'delivered');
  await openPair(world, bob, ada);
  await sees(bob, 'first');
  if ((await texts(bob)).length !== 1) throw new Error(`Bob sees ${await texts(bob)}`);
}

/** What people write is text: never markup, never a script, never another line. */
export async function text_is_only_text(world) {
  const ada = await person(world, nameOf('ada'));
  await signUp(world, ada);
  await ada.page.locator('.list-head button').last().click();
  await ada.page.locator('dialog .row-link').last().click();
  const nasty = [
    '<img src=x onerror="document.title=\'gone\'">', '<script>document.title="gone"</script>', '${1 + 1} {{1 + 1}} &lt;b&gt;',
    'javascript:alert(1)', '</li></ul><h1>gone', 'a\u202Eb\u0000c',
  ];
  for (const text of nasty) await say(ada, text);
  await until('all of it stands there as it was written', async () => {
    const shown = await texts(ada);
    return nasty.slice(0, 5).every((text) => shown.includes(text)) || shown;
  });
  const made = await ada.page.locator('.message img, .message script, .message h1, .message a').count();
  if (made > 0) throw new Error('text became markup');

  // Nor is what they call their groups, wherever it stands.
  await ada.page.goto(`${world.base}#/groups`);
  await ada.page.locator('.list-head button').last().click();
  const name = nameOf('<img src=x onerror=alert()> ');
  await ada.page.fill('#field-name', name);
  await ada.page.fill('#field-description', '<script>document.title="gone"</script>');
  await ada.page.locator('dialog button[type=submit]').click();
  await ada.page.waitForSelector('dialog .invite-link');
  await ada.page.keyboard.press('Escape');
  await until('its name stands above it', async () => (await ada.page.locator('.chat-name').textContent()) === name);
  const inserted = await ada.page.locator('#app img, #app script').count();
  if (inserted > 0 || (await ada.page.title()) !== 'MPIM') throw new Error('a name became markup');
}
