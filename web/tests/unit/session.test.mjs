import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lost, Refusal } from '../../core/errors.js';
import { createSession } from '../../core/session.js';

function fixture({ answers = [] } = {}) {
  const kept = new Map();
  const asked = [];
  let time = 1_000_000;
  let underWay = 0;
  const session = createSession({
    storage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) },
    now: () => time,
    locks: undefined,
    random: () => 'abc123',
    async fetch(url, { body, headers }) {
      asked.push([url, JSON.parse(body), headers.authorization]);
      underWay += 1;
      assert.equal(underWay, 1, 'one at a time');
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      const answer = answers.shift() ?? granted(time);
      if (answer instanceof Error) throw answer;
      return { ok: answer.code === 0, json: async () => answer };
    },
  });
  return { session, asked, answers, kept, pass: (ms) => { time += ms; } };
}

let tokens = 0;
const granted = (time) => ({
  code: 0, data: { user_id: 1, username: 'ada', token: `token ${++tokens}`, expire_time: (time + 900_000) / 1000 },
});

test('signing in asks for a cookie, names the device, and keeps the token in memory alone', async () => {
  const { session, asked, kept } = fixture();
  await session.signIn('ada', 'secret');
  assert.deepEqual(asked[0].slice(0, 2), ['/api/login', { username: 'ada', password: 'secret', device: 'web:abc123', cookie: true }]);
  assert.ok(![...kept.values()].some((value) => value.includes('token')));
  assert.equal(await session.token(), await session.token());
  assert.equal(asked.length, 1);
});

test('everybody who needs a token while one is fetched gets the same', async () => {
  const { session, asked } = fixture();
  const [one, two, three] = await Promise.all([session.token(), session.token(), session.token()]);
  assert.ok(one === two && two === three);
  assert.equal(asked.length, 1);
});

test('a token is renewed before it runs out, and when it was refused', async () => {
  const { session, asked, pass } = fixture();
  const first = await session.token();
  pass(860_000);
  assert.equal(await session.token(), first);
  pass(15_000);
  assert.notEqual(await session.token(), first);
  session.renew();
  await session.token();
  assert.equal(asked.filter(([path]) => path === '/api/refresh').length, 3);
});

test('a refresh that is refused forgets, one that is lost does not', async () => {
  const { session, answers } = fixture();
  await session.signIn('ada', 'secret');
  session.renew();
  answers.push(new TypeError('network'));
  await assert.rejects(session.token(), Lost);
  assert.equal(session.wasSignedIn(), true);
  answers.push({ code: 5003, message: 'unavailable, try again' });
  await assert.rejects(session.token(), Refusal);
  assert.equal(session.wasSignedIn(), true);
  answers.push({ code: 1004, message: 'invalid token' });
  await assert.rejects(session.token(), (error) => error instanceof Refusal && error.code === 1004);
  assert.equal(session.wasSignedIn(), false);
});

test('signing out forgets, whatever the server says', async () => {
  const { session, answers, asked } = fixture();
  await session.signIn('ada', 'secret');
  answers.push(new TypeError('network'));
  await assert.rejects(session.signOut(true), Lost);
  assert.deepEqual([asked.at(-1)[0], asked.at(-1)[1]], ['/api/logout', { everywhere: true }]);
  assert.match(asked.at(-1)[2], /^Bearer token/);
  assert.equal(session.wasSignedIn(), false);
});
