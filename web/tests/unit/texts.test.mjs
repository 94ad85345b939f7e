import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { explain, languages, pick, translator } from '../../core/i18n.js';
import { Lost, Refusal } from '../../core/errors.js';
import { parse } from '../../core/router.js';
import { day, dayOf, short } from '../../core/time.js';

const web = fileURLToPath(new URL('../..', import.meta.url));
const places = (text) => [...new Set(Object.values(typeof text === 'string' ? { text } : text).flatMap((one) => one.match(/\{\w+\}/g) ?? []))].sort();
const sources = ['.', 'core', 'views'].flatMap((folder) =>
  readdirSync(join(web, folder)).filter((name) => name.endsWith('.js')).map((name) => readFileSync(join(web, folder, name), 'utf8')));

test('every language has the same texts, with the same places to fill in', () => {
  const { en, ...others } = languages;
  for (const [name, texts] of Object.entries(others)) {
    assert.deepEqual(Object.keys(texts), Object.keys(en), name);
    for (const key of Object.keys(en)) assert.deepEqual(places(texts[key]), places(en[key]), `${name} ${key}`);
  }
});

test('every text that a view asks for is there, and every text is asked for', () => {
  const code = sources.join('\n');
  const asked = [...code.matchAll(/\bt\(\)?\(?'([\w.]+)'/g), ...code.matchAll(/'((?:friends|groups|devices|settings|error|login)\.[\w.]+)'/g)].map((m) => m[1]);
  for (const key of asked) assert.ok(key in languages.en || key.endsWith('_') || key.endsWith('.'), `no text: ${key}`);
  // Those that are put together: `status.${n}`.
  const built = [...code.matchAll(/[`']([a-z]+\.(?:[a-z]+_)?)(?:\$\{|')/g)].map((m) => m[1]);
  for (const key of Object.keys(languages.en)) {
    const used = code.includes(`'${key}'`) || built.some((start) => key.startsWith(start));
    assert.ok(used || /^(error|login)\./.test(key), `nobody asks for ${key}`);
  }
});

test('a number decides where it does', () => {
  const en = translator('en');
  const zh = translator('zh');
  assert.equal(en('chat.members', { n: 1 }), '1 member');
  assert.equal(en('chat.members', { n: 2 }), '2 members');
  assert.equal(zh('chat.members', { n: 2 }), '2 位成员');
});

test('what is filled in is not looked at again', () => {
  assert.equal(translator('en')('chats.draft', { text: '{text}' }), 'Draft: {text}');
});

test('the language is the first that is there', () => {
  assert.equal(pick(['fr-FR', 'zh-TW', 'en']), 'zh');
  assert.equal(pick(['fr']), 'en');
  assert.equal(pick([]), 'en');
});

test('what went wrong is said in the user’s words', () => {
  const t = translator('en');
  assert.equal(explain(t, new Lost()), t('error.lost'));
  assert.equal(explain(t, new Refusal({ code: 1002, message: 'auth bad cred' })), t('error.auth_bad_cred'));
  assert.equal(explain(t, new Refusal({ code: 5003, message: 'something new' })), t('error.5003'));
  assert.equal(explain(t, new Refusal({ code: 7, message: 'odd' })), t('error.words', { words: 'odd' }));
  const busy = new Refusal({ code: 5003, message: 'auth too many attempts', retry_after_ms: 3200 });
  assert.equal(explain(t, busy), 'Please try again in 4 seconds.');
});

test('an address says what is shown, and an odd one shows the chats', () => {
  assert.deepEqual(parse('#/chats/c2c_1_2'), { section: 'chats', sessionId: 'c2c_1_2' });
  assert.deepEqual(parse('#/chats/grp_1'), { section: 'chats', sessionId: 'grp_1' });
  assert.deepEqual(parse('#/groups/join/7'), { section: 'groups', join: 7 });
  for (const odd of ['', '#', '#/', '#/nowhere', '#/chats/<b>']) assert.deepEqual(parse(odd), { section: 'chats' });
  assert.deepEqual(parse('#/groups/join/7x'), { section: 'groups' });
});

test('days are named from here', () => {
  const t = translator('en');
  const noon = new Date(2026, 4, 20, 12).getTime();
  const before = (days) => new Date(2026, 4, 20 - days, 9, 5).getTime();
  assert.equal(day('en', before(0), noon, t), 'Today');
  assert.equal(day('en', before(1), noon, t), 'Yesterday');
  assert.equal(short('en', before(0), noon, t), '09:05');
  assert.equal(short('en', before(1), noon, t), 'Yesterday');
  assert.equal(short('en', before(3), noon, t), 'Sun');
  assert.equal(short('en', before(30), noon, t), 'Apr 20');
  assert.equal(dayOf(before(0)), dayOf(noon));
});

test('nothing writes markup or runs text', () => {
  for (const source of sources) {
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function/);
  }
  const page = readFileSync(join(web, 'index.html'), 'utf8');
  assert.doesNotMatch(page, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
});
