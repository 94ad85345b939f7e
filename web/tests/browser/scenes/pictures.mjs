// Pictures of the client for the documents: people who have something to say to each other. Made
// last, on names that nobody else uses.

import { befriend, becomes, openChat, person, say, sees, signUp, synced } from '../people.mjs';

const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

export async function pictures(world) {
  const shot = async ({ page }, name) => {
    await page.locator('.toast').first().waitFor({ state: 'detached' });
    await page.screenshot({ path: `${world.pictures}/${name}.png` });
  };
  const mira = await person(world, 'Mira', { size: DESK });
  await mira.page.goto(world.base);
  await mira.page.waitForSelector('.login');
  await shot(mira, 'sign-in');
  await signUp(world, mira);
  await shot(mira, 'empty');

  const others = {};
  for (const [name, options] of [['Jonas', { theme: 'dark' }], ['Yuki', { phone: true, size: PHONE }], ['Xiaoyu', { lang: 'zh' }]]) {
    others[name] = await person(world, name, { size: DESK, ...options });
    await signUp(world, others[name]);
    await befriend(mira, others[name]);
  }
  const { Jonas: jonas, Yuki: yuki, Xiaoyu: xiaoyu } = others;
  await befriend(xiaoyu, yuki);
  await say(xiaoyu, '周六去爬山吗？');

  const group = 'Saturday hike';
  await mira.page.goto(`${world.base}#/groups`);
  await mira.page.locator('.list-head button').last().click();
  await mira.page.fill('#field-name', group);
  await mira.page.fill('#field-description', 'Meet at the station, 8:10');
  await mira.page.locator('dialog button[type=submit]').click();
  for (const { name } of [jonas, yuki, xiaoyu]) await mira.page.locator(`dialog button[aria-label$="${name}"]`).click();
  await shot(mira, 'invite');
  await mira.page.keyboard.press('Escape');
  for (const someone of [jonas, yuki, xiaoyu]) {
    await openChat(someone, mira.name);
    await someone.page.locator('.message .text a').click();
    await someone.page.locator('dialog button[type=submit]').click();
    await someone.page.waitForSelector('.chat[data-session^="grp_"]');
  }
  const round = async (someone, text) => {
    await say(someone, text);
    for (const other of [mira, jonas, yuki, xiaoyu]) await sees(other, text);
  };
  await round(mira, 'Morning! Shall we take the ridge or the lake path on Saturday?');
  await round(jonas, 'Ridge, if the weather holds.');
  await round(jonas, 'Forecast says sun until four: https://example.org/forecast');
  await round(xiaoyu, '我带热茶和包子，谁带地图？');
  await round(yuki, 'I have the map, and a spare rain jacket for whoever forgets theirs again 😄');
  await round(mira, 'That was one time.');
  await round(yuki, '⛰️🥾');
  await round(mira, 'Ridge it is then. Train leaves 8:24 from platform 3, be there ten minutes earlier.');
  await becomes(mira, 'Ridge it is then', 'read');
  await shot(mira, 'group-light');
  await shot(jonas, 'group-dark');
  await shot(yuki, 'phone');
  await shot(xiaoyu, 'chinese');

  // Two of them, while one writes; and what waits in the other's list.
  await openChat(mira, 'Jonas');
  await openChat(jonas, 'Mira');
  await say(jonas, 'Can you bring the small stove?');
  await sees(mira, 'Can you bring the small stove?');
  await say(mira, 'Sure. Gas is nearly empty though, I will get a new one on Friday.');
  await becomes(mira, 'Sure.', 'read');
  await say(yuki, 'I am on the 7:55 already, see you there');
  await xiaoyu.page.goto(`${world.base}#/chats`);
  await openChat(xiaoyu, 'Yuki');
  await say(xiaoyu, '明天见！');
  await jonas.page.locator('.composer textarea').pressSequentially('Perfect, I will ');
  await mira.page.waitForSelector('.chat-sub .typing');
  await mira.page.waitForSelector('.row-link[data-unread="1"]');
  await mira.page.screenshot({ path: `${world.pictures}/chat-light.png` });
  await shot(jonas, 'chat-dark');
  await yuki.page.locator('.chat-back').tap();
  await shot(yuki, 'phone-list');

  for (const [someone, section] of [[mira, 'friends'], [jonas, 'devices'], [mira, 'settings'], [xiaoyu, 'settings']]) {
    await someone.page.goto(`${world.base}#/${section}`);
    await synced(someone);
    if (section === 'devices') await someone.page.waitForSelector('.card.device');
    await shot(someone, `${section}-${someone.name.toLowerCase()}`);
  }
  await yuki.page.locator('.rail-item[href="#/settings"]').tap();
  await shot(yuki, 'phone-settings');
  const lin = await person(world, 'lin', { size: PHONE, phone: true, lang: 'zh', theme: 'dark' });
  await lin.page.goto(world.base);
  await lin.page.waitForSelector('.login');
  await shot(lin, 'phone-sign-in');
}
