import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lost, Refusal } from '../../core/errors.js';
import { createLock } from '../../core/lock.js';
import { createSession } from '../../core/session.js';
import { fakeClock, fakeSessions, fakeStorage, settle } from './fakes.mjs';

/** A browser without locks of its own; `window()` opens another window of it. */
function browser() {
  let time = 1_000_000_000;
  const now = () => time;
  const storage = fakeStorage();
  const server = fakeSessions(now);
  let windows = 0;
  const window = () => {
    const seen = { others: 0 };
    const id = `window ${++windows}`;
    const lock = createLock('lock', { locks: undefined, storage, now, id, setTimeout: (what) => setImmediate(what) });
    const session = createSession({ storage, now, lock, fetch: server.fetch, random: () => 'abc123', onOther: () => { seen.others += 1; } });
    return { session, seen };
  };
  return { window, server, storage, pass: (ms) => { time += ms; } };
}

const posted = ({ asked }) => asked.map(([url]) => url);

test('signing in asks for a cookie and names the device, and one token serves until it ends', async () => {
  const { window, server } = browser();
  const { session } = window();
  await session.signIn('ada', 'secret');
  assert.deepEqual(server.asked[0].slice(0, 2), ['/api/login', { username: 'ada', password: 'secret', device: 'web:abc123', cookie: true }]);
  assert.equal(await session.token(), await session.token());
  assert.deepEqual(posted(server), ['/api/login']);
});

test('a window that is loaded anew refreshes nothing while the token is good', async () => {
  const { window, server, pass } = browser();
  await window().session.signIn('ada', 'secret');
  assert.equal((await window().session.current()).username, 'ada');
  assert.equal(server.refreshes(), 0);
  pass(880_000);
  assert.equal(await window().session.token(), 'ada 2');
});

test('of all windows one refreshes, and the others get the same token', async () => {
  const { window, server, pass } = browser();
  const windows = [window(), window(), window()];
  await windows[0].session.signIn('ada', 'secret');
  pass(900_000);
  const tokens = await Promise.all(windows.flatMap(({ session }) => [session.token(), session.token()]));
  assert.deepEqual([...new Set(tokens)], ['ada 2']);
  assert.equal(server.refreshes(), 1);
});

test('a token that was refused is not used again, and one that is newer is', async () => {
  const { window, server } = browser();
  const [one, two] = [window(), window()];
  await one.session.signIn('ada', 'secret');
  const old = await two.session.token();
  one.session.renew(old);
  assert.equal(await one.session.token(), 'ada 2');
  two.session.renew(old);
  assert.equal(await two.session.token(), 'ada 2');
  assert.equal(server.refreshes(), 1);
});

test('a window never gets the token of somebody else', async () => {
  const { window } = browser();
  const [ada, bob] = [window(), window()];
  await ada.session.signIn('ada', 'secret');
  assert.equal(await ada.session.token(), 'ada 1');
  await bob.session.signIn('bob', 'secret');
  await assert.rejects(ada.session.token(), Lost);
  assert.deepEqual([ada.seen.others, bob.seen.others], [1, 0]);
  // It has followed, and is the other's now.
  assert.equal((await ada.session.current()).username, 'bob');
});

test('a refresh that gives somebody else’s session is no answer either', async () => {
  const { window, server, pass } = browser();
  const { session, seen } = window();
  await session.signIn('ada', 'secret');
  server.cookie = 'bob';
  pass(900_000);
  await assert.rejects(session.token(), Lost);
  assert.equal(seen.others, 1);
});

test('a window hears that the others have left, or are somebody else', async () => {
  const { window } = browser();
  const [one, two] = [window(), window()];
  await one.session.signIn('ada', 'secret');
  await two.session.current();
  two.session.changed();
  assert.equal(two.seen.others, 0);
  await one.session.signOut(false);
  two.session.changed();
  assert.equal(two.seen.others, 1);
  two.session.changed();
  assert.equal(two.seen.others, 1, 'once');
});

test('how long a token is good is measured by the server’s clock', async () => {
  const { window, server, pass } = browser();
  server.ahead = -3_600_000;
  const { session } = window();
  await session.signIn('ada', 'secret');
  pass(800_000);
  await session.token();
  assert.equal(server.refreshes(), 0);
  pass(80_000);
  await session.token();
  assert.equal(server.refreshes(), 1);
});

test('a refresh that is refused forgets, one that is lost does not', async () => {
  const { window, server, pass } = browser();
  const { session } = window();
  await session.signIn('ada', 'secret');
  pass(900_000);
  server.failures.push(new TypeError('network'));
  await assert.rejects(session.token(), Lost);
  assert.equal(session.wasSignedIn(), true);
  server.failures.push({ code: 5003, message: 'unavailable, try again' });
  await assert.rejects(session.token(), Refusal);
  assert.equal(session.wasSignedIn(), true);
  server.failures.push({ code: 1004, message: 'invalid token' });
  await assert.rejects(session.token(), (error) => error instanceof Refusal && error.code === 1004);
  assert.equal(session.wasSignedIn(), false);
});

test('signing out that the server did not hear is made up for', async () => {
  const { window, server } = browser();
  const { session } = window();
  await session.signIn('ada', 'secret');
  server.failures.push(new TypeError('network'));
  await session.signOut(true);
  assert.equal(session.wasSignedIn(), false);
  assert.equal(server.cookie, 'ada');
  await window().session.settle();
  assert.deepEqual(posted(server), ['/api/login', '/api/logout', '/api/logout']);
  assert.deepEqual([server.asked[1][1], server.asked[2][1]], [{ everywhere: true }, { everywhere: true }]);
  assert.equal(server.cookie, null);
  await window().session.settle();
  assert.equal(server.asked.length, 3);
});

test('a password is changed under the lock, and its answer is the session', async () => {
  const { window, server } = browser();
  const { session } = window();
  await session.signIn('ada', 'secret');
  await session.changePassword('secret', 'better');
  assert.deepEqual(server.asked[1], ['/api/password', { old: 'secret', new: 'better', cookie: true }, 'Bearer ada 1']);
  assert.equal(await session.token(), 'ada 2');
});

test('a lease is one’s at a time, also when two write it at once, and ends with a window that died', async () => {
  const clock = fakeClock();
  const storage = fakeStorage();
  const events = [];
  // What a window writes is seen by another a moment later.
  const seenBy = {};
  const late = (id) => ({
    getItem: (key) => (seenBy[id] === undefined ? storage.getItem(key) : seenBy[id]),
    setItem(key, value) {
      for (const other of ['one', 'two']) if (other !== id) seenBy[other] ??= storage.getItem(key);
      storage.setItem(key, value);
      clock.setTimeout(() => { for (const other in seenBy) delete seenBy[other]; }, 30);
    },
    removeItem: storage.removeItem,
  });
  const lock = (id) => createLock('lease', { locks: undefined, storage: late(id), id, now: clock.now, setTimeout: clock.setTimeout });
  const [one, two] = [lock('one'), lock('two')];
  const work = (name) => async () => {
    events.push(`${name} begins`);
    await new Promise((resolve) => clock.setTimeout(resolve, 1_000));
    events.push(`${name} ends`);
    return name;
  };
  const both = Promise.all([one(work('one')), two(work('two')), one(async () => { throw new Error('no'); }).catch(() => 'failed')]);
  await settle();
  await clock.pass(10_000);
  assert.deepEqual(await both, ['one', 'two', 'failed']);
  assert.deepEqual(events.map((event) => event.split(' ')[1]), ['begins', 'ends', 'begins', 'ends']);

  storage.setItem('lease', JSON.stringify({ id: 'a window that is gone', until: clock.now() + 30_000 }));
  let done = false;
  one(async () => { done = true; });
  await clock.pass(29_000);
  assert.equal(done, false);
  await clock.pass(2_000);
  assert.equal(done, true);
});

test('where the browser has locks, they are used', async () => {
  const asked = [];
  const lock = createLock('name', { locks: { request: async (name, work) => { asked.push(name); return work(); } } });
  assert.equal(await lock(async () => 7), 7);
  assert.deepEqual(asked, ['name']);
});
