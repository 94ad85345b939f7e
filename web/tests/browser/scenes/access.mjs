// What a screen reader needs, and colours that can be read: axe-core on every view, in both themes
// and both languages.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { api, befriend, nameOf, openChat, person, say, sees, signUp, synced, tokenOf } from '../people.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function check({ page }, where) {
  // The page's policy lets no script in from outside; the debugger's is not bound by it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${where}: ${id}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`));
  if (found.length) throw new Error(found.join('\n'));
}

export async function every_view_is_accessible(world) {
  const bob = await person(world, nameOf('bob'));
  await signUp(world, bob);
  const bobs = await tokenOf(bob);
  const { group_id: crew } = await api(world, 'POST', '/api/groups', { name: nameOf('crew '), description: 'for a test' }, bobs);
  for (const [theme, lang, size] of [
    ['light', 'en', [1280, 800]], ['dark', 'en', [1280, 800]], ['light', 'zh', [1280, 800]], ['dark', 'zh', [390, 844]],
  ]) {
    const ada = await person(world, nameOf('ada'), { theme, lang, size: { width: size[0], height: size[1] } });
    const { page } = ada;
    const where = (view) => `${view} ${theme} ${lang}`;
    await page.goto(world.base);
    await page.waitForSelector('.login');
    await check(ada, where('login'));
    await signUp(world, ada);
    await check(ada, where('empty'));
    await befriend(ada, bob);
    await say(ada, 'hello https://example.com/');
    await say(ada, '👋');
    await openChat(bob, ada.name);
    await say(bob, 'hello');
    await sees(ada, 'hello');
    await check(ada, where('chat'));
    await page.locator('.chat-head .icon-button').last().click();
    await page.waitForSelector('dialog[open]');
    await check(ada, where('person'));
    await page.keyboard.press('Escape');
    await api(world, 'PUT', `/api/groups/${crew}/members/me`, undefined, await tokenOf(ada));
    await page.goto(`${world.base}#/chats/grp_${crew}`);
    await api(world, 'POST', '/api/messages', { group_id: crew, content: 'to all' }, bobs);
    await sees(ada, 'to all');
    await check(ada, where('group'));
    await page.locator('.message.faced .face').click();
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Escape');
    await page.locator('.chat-head .icon-button').last().click();
    await page.waitForSelector('dialog[open] .row-link');
    await check(ada, where('members'));
    await page.keyboard.press('Escape');
    for (const section of ['chats', 'friends', 'groups', 'devices', 'settings']) {
      await page.goto(`${world.base}#/${section}`);
      await page.waitForSelector(`.shell[data-section="${section}"]`);
      if (section === 'devices') await page.waitForSelector('.card.device');
      await check(ada, where(section));
    }
    await page.goto(`${world.base}#/groups`);
    await page.locator('.list-head button').last().click();
    await page.waitForSelector('dialog[open]');
    await check(ada, where('create a group'));
    await page.reload();
    await synced(ada);
    const second = { page: await ada.context.newPage() };
    await second.page.goto(world.base);
    await synced(second);
    await page.waitForSelector('[role=alertdialog]');
    await check(ada, where('used in another window'));
    await ada.context.close();
  }
}
