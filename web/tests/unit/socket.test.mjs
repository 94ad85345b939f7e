import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lost, Refusal } from '../../core/errors.js';
import { afterClose, createSocket, pauseMs } from '../../core/socket.js';
import { fakeClock, fakeWebSocket, settle } from './fakes.mjs';

function connection(overrides = {}) {
  const clock = fakeClock();
  const sockets = fakeWebSocket();
  const seen = { links: [], pushes: [], logins: 0, outs: 0, renewed: 0 };
  const socket = createSocket({
    url: 'ws://host/ws',
    token: async () => 'token',
    renew: (token) => {
      seen.renewed += 1;
      assert.equal(token, 'token');
    },
    client: { platform: 'web', device_id: 'a' },
    onPush: (type, body) => seen.pushes.push([type, body]),
    onLink: (link) => seen.links.push(link.state),
    onLogin: () => void (seen.logins += 1),
    onOut: () => void (seen.outs += 1),
    WebSocket: sockets.Fake,
    random: () => 0.5,
    ...clock,
    ...overrides,
  });
  const logIn = async () => {
    await settle();
    sockets.latest().open();
    await settle();
    sockets.latest().answer(1001, 1002, { code: 0, data: { user_id: 7 } });
    await settle();
  };
  return { clock, sockets, seen, socket, logIn };
}

test('it logs in with the token, and says so', async () => {
  const { sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  const { type, body } = sockets.latest().sent[0];
  assert.deepEqual([type, body.auth_type, body.token, body.acks], [1001, 'token', 'token', true]);
  assert.equal(sockets.latest().url, 'ws://host/ws');
  assert.deepEqual(seen.links, ['connecting', 'online']);
  assert.equal(seen.logins, 1);
});

test('an answer finds its request by id, whatever the order', async () => {
  const { sockets, socket, logIn } = connection();
  socket.start();
  await logIn();
  const one = socket.request(3002, {});
  const two = socket.request(3004, {});
  const [first, second] = sockets.latest().sent.slice(-2);
  sockets.latest().say({ type: 3005, id: second.id, body: { code: 0, data: 'two' } });
  sockets.latest().say({ type: 3003, id: first.id, body: { code: 0, data: 'one' } });
  assert.equal((await one).data, 'one');
  assert.equal((await two).data, 'two');
});

test('a code that is not 0 is a refusal, in whatever type it comes', async () => {
  const { sockets, socket, logIn } = connection();
  socket.start();
  await logIn();
  const sending = socket.request(2001, {});
  sockets.latest().answer(2001, 9001, { code: 5003, message: 'slow down', retry_after_ms: 70 });
  await assert.rejects(sending, (error) => error instanceof Refusal && error.passes && error.retryAfterMs === 70);
});

test('a push is passed on, and an answer that nobody waits for is not', async () => {
  const { sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  sockets.latest().say({ type: 2001, body: { seq: 1 } });
  sockets.latest().say({ type: 2003, body: { code: 0, kind: 'sent' } });
  sockets.latest().say({ type: 2003, id: 'old', body: { code: 0, kind: 'sent' } });
  sockets.latest().onmessage({ data: 'no json' });
  assert.deepEqual(seen.pushes, [[2001, { seq: 1 }]]);
});

test('whoever waits when the connection is lost hears that it is', async () => {
  const { sockets, socket, logIn } = connection();
  socket.start();
  await logIn();
  const waiting = socket.request(2001, {});
  sockets.latest().end(1006);
  await assert.rejects(waiting, Lost);
  await assert.rejects(socket.request(2001, {}), Lost);
});

test('it comes back after a pause that grows, and is small again after a good connection', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  sockets.latest().end(1006);
  assert.equal(seen.links.at(-1), 'waiting');
  for (const pause of [375, 750, 1500]) {
    const before = sockets.opened.length;
    await clock.pass(pause - 1);
    assert.equal(sockets.opened.length, before, `not before ${pause}`);
    await clock.pass(1);
    assert.equal(sockets.opened.length, before + 1);
    sockets.latest().end(1006);
  }
  await clock.pass(3_000);
  await logIn();
  await clock.pass(10_000);
  sockets.latest().end(1006);
  const before = sockets.opened.length;
  await clock.pass(375);
  assert.equal(sockets.opened.length, before + 1);
});

test('what a closed connection still says is not heard', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  const old = sockets.latest();
  old.end(1006);
  await clock.pass(500);
  old.say({ type: 2001, body: { seq: 9 } });
  old.end(4002);
  assert.deepEqual(seen.pushes, []);
  assert.equal(seen.outs, 0);
});

test('a heartbeat that is not answered ends the connection', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  await clock.pass(30_000);
  assert.equal(sockets.latest().sent.at(-1).type, 9002);
  sockets.latest().answer(9002, 9003, {});
  await settle();
  await clock.pass(30_000);
  assert.equal(seen.links.at(-1), 'online');
  await clock.pass(10_000);
  assert.equal(seen.links.at(-1), 'waiting');
  assert.equal(sockets.opened[0].closed, true);
});

test('a device that is used elsewhere waits until its user wants it here', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  sockets.latest().end(4001);
  assert.equal(seen.links.at(-1), 'elsewhere');
  await clock.pass(60_000);
  assert.equal(sockets.opened.length, 1);
  socket.hurry();
  await settle();
  assert.equal(sockets.opened.length, 1);
  socket.start();
  await logIn();
  assert.equal(seen.links.at(-1), 'online');
});

test('a token that is no good is renewed once; a fresh one that is refused is the end', async () => {
  const { clock, sockets, seen, socket } = connection();
  const refused = async () => {
    await settle();
    sockets.latest().open();
    await settle();
    sockets.latest().answer(1001, 1002, { code: 1005, message: 'token expired' });
    await settle();
  };
  socket.start();
  await refused();
  assert.equal(seen.renewed, 1);
  await clock.pass(0);
  await refused();
  assert.equal(seen.outs, 1);
  await clock.pass(60_000);
  assert.equal(sockets.opened.length, 2);
});

test('a refresh that is refused signs out, one that is lost is tried again', async () => {
  const answers = [new Lost(), new Refusal({ code: 1004, message: 'invalid token' })];
  const { clock, sockets, seen, socket } = connection({ token: async () => { throw answers.shift(); } });
  socket.start();
  await settle();
  assert.deepEqual([seen.links.at(-1), seen.outs], ['waiting', 0]);
  await clock.pass(500);
  assert.deepEqual([seen.links.at(-1), seen.outs, sockets.opened.length], ['idle', 1, 0]);
});

test('each close code has its reaction', async () => {
  const expected = {
    1000: 'stop', 1001: 'soon', 1006: 'backoff', 1008: 'backoff', 1009: 'backoff', 1011: 'backoff', 1013: 'later',
    4000: 'now', 4001: 'elsewhere', 4002: 'revoked', 4003: 'refresh', 4004: 'backoff', 4999: 'backoff',
  };
  for (const [code, reaction] of Object.entries(expected)) assert.equal(afterClose(Number(code)), reaction, code);
});

test('a revoked device is signed out', async () => {
  const { sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  sockets.latest().end(4002);
  assert.equal(seen.outs, 1);
});

test('pauses stay between half of the whole and the whole', () => {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const whole = Math.min(15_000, 500 * 2 ** attempt);
    assert.equal(pauseMs(attempt, () => 0), whole / 2);
    assert.equal(pauseMs(attempt, () => 1), whole);
  }
});

test('hurry does not wait', async () => {
  const { sockets, socket, logIn } = connection();
  socket.start();
  await logIn();
  sockets.latest().end(1006);
  socket.hurry();
  await logIn();
  assert.equal(sockets.opened.length, 2);
});

test('a request that waits holds the heartbeat up, and is given more time than it', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  await logIn();
  await clock.pass(25_000);
  const sending = socket.request(2001, {});
  await clock.pass(25_000);
  assert.equal(seen.links.at(-1), 'online');
  assert.ok(!sockets.latest().sent.some(({ type }) => type === 9002));
  sockets.latest().answer(2001, 2003, { code: 0 });
  await sending;
  const lost = assert.rejects(socket.request(2001, {}), Lost);
  await clock.pass(30_000);
  await lost;
  assert.equal(seen.links.at(-1), 'waiting');
});

test('a server that says when to come again is not hurried', async () => {
  const { clock, sockets, seen, socket } = connection();
  socket.start();
  await settle();
  sockets.latest().open();
  await settle();
  sockets.latest().answer(1001, 1002, { code: 5003, message: 'auth too many attempts', retry_after_ms: 40_000 });
  await settle();
  socket.hurry();
  await clock.pass(39_999);
  assert.deepEqual([seen.links.at(-1), sockets.opened.length], ['waiting', 1]);
  await clock.pass(1);
  assert.equal(sockets.opened.length, 2);
  sockets.latest().end(1013);
  await clock.pass(4_999);
  socket.hurry();
  await settle();
  assert.equal(sockets.opened.length, 2, 'a full server neither');
});

test('a gateway that lets in and logs out at once is asked more and more seldom', async () => {
  const { clock, sockets, seen, socket, logIn } = connection();
  socket.start();
  for (const pause of [0, 1500, 3000, 6000]) {
    await logIn();
    sockets.latest().end(4003);
    const before = sockets.opened.length;
    if (pause > 0) await clock.pass(pause - 1);
    assert.equal(sockets.opened.length, before, `not before ${pause}`);
    await clock.pass(pause > 0 ? 1 : 0);
    assert.equal(sockets.opened.length, before + 1);
  }
  assert.deepEqual([seen.renewed, seen.outs], [4, 0]);
});

test('a window that is not the one to be connected asks nobody', async () => {
  let here = true;
  const { clock, sockets, seen, socket, logIn } = connection({ isHere: () => here });
  socket.start();
  await logIn();
  here = false;
  sockets.latest().end(1006);
  await clock.pass(60_000);
  assert.deepEqual([seen.links.at(-1), sockets.opened.length], ['elsewhere', 1]);
});
