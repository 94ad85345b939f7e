import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from '../../core/client.js';
import { translator } from '../../core/i18n.js';
import { createLock } from '../../core/lock.js';
import { memoryDisk } from '../../core/outbox.js';
import { fakeClock, fakeSessions, fakeStorage, fakeWebSocket, settle } from './fakes.mjs';

const PAIR = 'c2c_1_2';

/** A browser, and windows of it that the test opens. */
function browser() {
  const clock = fakeClock();
  const storage = fakeStorage();
  const server = fakeSessions(clock.now);
  const disks = new Map();
  const diskOf = async (me) => disks.get(me) ?? disks.set(me, memoryDisk()).get(me);

  function open({ hidden = false } = {}) {
    const sockets = fakeWebSocket();
    const page = { hidden, location: { protocol: 'http:', host: 'host' }, isHidden: () => page.hidden };
    const { setTimeout, clearTimeout, now } = clock;
    const lock = createLock('lock', { locks: { request: (_, work) => work() } });
    const client = createClient({
      t: () => translator('en'), page, storage, diskOf, setTimeout, random: () => 0.5,
      parts: {
        session: { fetch: server.fetch, now, lock },
        socket: { WebSocket: sockets.Fake, setTimeout, clearTimeout, now, random: () => 0.5 },
      },
    });
    const state = () => client.store.get();
    /** The gateway lets it in, and has nothing to tell. */
    const letIn = async (userId) => {
      await settle();
      sockets.latest().open();
      await settle();
      sockets.latest().answer(1001, 1002, { code: 0, data: { user_id: userId, username: '', nickname: '' } });
      await settle();
    };
    const sent = (type) => sockets.opened.flatMap((socket) => socket.sent).filter((one) => one.type === type);
    return { client, act: client.actions, state, sockets, letIn, sent, page };
  }
  return { clock, storage, server, disks, open };
}

test('what the gateway leaves out of its answer is not forgotten', async () => {
  const { open } = browser();
  const { act, letIn, state } = open();
  await act.signIn('ada', 'secret');
  await letIn(1);
  assert.deepEqual([state().phase, state().me.username, state().link.state], ['in', 'ada', 'online']);
});

test('when somebody else signs in in another window, this one becomes theirs and sends nothing of before', async () => {
  const { open, disks } = browser();
  const [one, two] = [open(), open()];
  await one.act.signIn('ada', 'secret');
  await one.letIn(1);
  one.sockets.latest().end(1006);
  await one.act.send(PAIR, { user: 2 }, 'only Ada says this');
  assert.equal(one.state().conversations[PAIR].pending.length, 1);
  await two.act.signIn('bob', 'secret');
  one.act.shared();
  await settle();
  assert.equal(one.state().me.username, 'bob');
  assert.deepEqual(one.state().conversations, {});
  one.act.takeOver();
  await one.letIn(2);
  assert.deepEqual(one.sent(2001), []);
  assert.equal((await disks.get(1).all()).length, 1, 'it waits for Ada');
});

test('a window that did not hear of it does not become the other by its next connection', async () => {
  const { open, clock } = browser();
  const [one, two] = [open(), open()];
  await one.act.signIn('ada', 'secret');
  await one.letIn(1);
  await two.act.signIn('bob', 'secret');
  one.sockets.latest().end(1006);
  await one.act.send(PAIR, { user: 2 }, 'only Ada says this');
  one.act.takeOver();
  await clock.pass(1_000);
  await one.letIn(2);
  assert.equal(one.state().me.username, 'bob');
  assert.deepEqual(one.sent(2001), []);
});

test('a gateway that lets in as somebody else is left', async () => {
  const { open } = browser();
  const { act, letIn, state, sockets } = open();
  await act.signIn('ada', 'secret');
  await letIn(2);
  assert.deepEqual([state().phase, sockets.latest().closed], ['out', true]);
});

test('signing out ends the connection first, takes the other windows along, and leaves nothing on the disk', async () => {
  const { open, disks, server } = browser();
  const [one, two] = [open(), open()];
  await one.act.signIn('ada', 'secret');
  await one.letIn(1);
  await two.act.boot();
  one.sockets.latest().end(1006);
  await one.act.send(PAIR, { user: 2 }, 'never sent');
  await one.act.signOut();
  two.act.shared();
  await settle();
  assert.deepEqual([one.state().phase, two.state().phase], ['out', 'out']);
  assert.deepEqual(one.state().toasts, []);
  assert.deepEqual(await disks.get(1).all(), []);
  assert.equal(server.cookie, null);
  // And where somebody signs in again, they are in both.
  await two.act.signIn('bob', 'secret');
  one.act.shared();
  await settle();
  assert.equal(one.state().me.username, 'bob');
});

test('a page that loads while nobody is there comes later and later, and says so', async () => {
  const { open, server, clock, storage } = browser();
  server.cookie = 'ada';
  storage.setItem('mpim.session', JSON.stringify({ user_id: 1, token: 'old', until: 0 }));
  const { act, state, letIn } = open();
  const tries = () => server.refreshes();
  server.failures.push(...Array.from({ length: 4 }, () => new TypeError('network')), { code: 5003, message: 'slow down', retry_after_ms: 20_000 });
  await act.boot();
  assert.deepEqual([state().phase, state().late, tries()], ['starting', true, 1]);
  for (const pause of [375, 750, 1500, 3000]) {
    const soFar = tries();
    await clock.pass(pause - 1);
    assert.equal(tries(), soFar, `not before ${pause}`);
    await clock.pass(1);
    assert.equal(tries(), soFar + 1);
  }
  await clock.pass(19_999);
  assert.equal(tries(), 5, 'the server said when');
  await clock.pass(1);
  await letIn(1);
  assert.equal(state().link.state, 'online');
});

test('a window that nobody looks at does not take the connection from another', async () => {
  const { open, clock } = browser();
  const [one, two] = [open(), open({ hidden: true })];
  await one.act.signIn('ada', 'secret');
  await one.letIn(1);
  await two.act.boot();
  assert.deepEqual([two.state().link.state, two.sockets.opened.length], ['elsewhere', 0]);
  // Nor does one whose connection was lost, when its user has gone on in another.
  two.act.takeOver();
  await two.letIn(1);
  one.sockets.latest().end(1006);
  await clock.pass(60_000);
  assert.deepEqual([one.state().link.state, one.sockets.opened.length], ['elsewhere', 1]);
  // The one that has it goes away: who is looked at then has it.
  two.act.hide();
  one.act.refresh();
  await one.letIn(1);
  assert.equal(one.state().link.state, 'online');
});

test('a disk that fails keeps nobody out', async () => {
  const { open, disks } = browser();
  disks.set(1, { all: async () => { throw new Error('closed'); } });
  const { act, letIn, state } = open();
  await act.signIn('ada', 'secret');
  await letIn(1);
  assert.equal(state().link.state, 'online');
});

test('a device that was put out is not shown, though its connection is open for a moment more', async () => {
  const { open } = browser();
  const { act, letIn, state, sockets } = open();
  await act.signIn('ada', 'secret');
  await letIn(1);
  const devices = ['web:here', 'web:there'].map((name) => ({ name, online: true, current: name === 'web:here' }));
  const answer = async (op, data) => {
    await settle();
    const { id, body } = sockets.latest().sent.at(-1);
    assert.equal(body.op, op);
    sockets.latest().say({ type: 4002, id, body: { op, code: 0, data } });
    await settle();
  };
  act.devices();
  await answer('devices', { devices });
  act.revoke('web:there');
  await answer('revoke_device', {});
  assert.deepEqual(state().devices.map((one) => one.name), ['web:here']);
});
