import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lost, Refusal } from '../../core/errors.js';
import { createStore } from '../../core/store.js';
import { createSync } from '../../core/sync.js';
import { fakeClock, settle } from './fakes.mjs';

const PAIR = 'c2c_1_2';
const body = (seq, from = 2) => ({
  message_id: String(1000 + seq), session_id: PAIR, from_user_id: from, to_user_id: from === 2 ? 1 : 2, type: 0, content: `text ${seq}`, timestamp: seq, seq,
});

/** A server with the messages of one conversation; `socket.asked` has what was asked of it. */
function fixture(stored = []) {
  const clock = fakeClock();
  const store = createStore();
  const asked = [];
  const told = [];
  const answers = {
    users: ({ user_ids: ids = [] }) => ({ users: ids.map((id) => ({ user_id: id, username: `u${id}`, nickname: `u${id}` })) }),
    friends: () => ({ user_ids: [2] }),
    blocked: () => ({ user_ids: [] }),
    groups: () => ({ group_ids: [] }),
    receipts: () => ({ receipts: [{ user_id: 2, delivered_seq: 1, read_seq: 1 }] }),
  };
  const socket = {
    lost: false,
    listed: [],
    slow: Promise.resolve(),
    async request(type, request) {
      asked.push([type, request]);
      await socket.slow;
      if (socket.lost) throw new Lost();
      if (type === 3001) return { user_id: request.user_id, status: 1 };
      if (type === 3002) return { data: { conversations: socket.listed } };
      if (type === 3004) {
        const { after_seq: after, before_seq: before = Infinity, limit } = request;
        const found = after === undefined
          ? stored.filter((one) => one.seq < before).slice(-limit)
          : stored.filter((one) => one.seq > after).slice(0, limit);
        return { data: { session_id: PAIR, messages: found } };
      }
      return { code: 0 };
    },
    async operation(op, args = {}) {
      asked.push([op, args]);
      if (socket.lost) throw new Lost();
      return answers[op](args);
    },
    tell: (type, request) => told.push([type, request]),
  };
  store.dispatch({ type: 'signed-in', me: { user_id: 1, username: 'ada' } });
  const presence = async (ids) => {
    asked.push(['presence', ids]);
    if (socket.lost) throw new Lost();
    return ids.map((id) => ({ user_id: id, status: 1 }));
  };
  const sync = createSync({ store, socket, presence, now: clock.now, setTimeout: clock.setTimeout });
  const conv = () => store.get().conversations[PAIR];
  const push = (seq, from) => sync.onPush(2001, body(seq, from));
  return { clock, store, socket, asked, told, sync, conv, push, stored };
}

test('what came is confirmed once for many, by the last of each conversation', async () => {
  const { clock, told, push } = fixture();
  for (const seq of [1, 2, 3]) push(seq);
  await clock.pass(199);
  assert.deepEqual(told, []);
  await clock.pass(1);
  assert.deepEqual(told, [[2003, { kind: 'received', message_id: '1003' }]]);
  push(4);
  await clock.pass(200);
  assert.equal(told.length, 2);
});

test('a number that is missing is asked for, once', async () => {
  const stored = [1, 2, 3, 4, 5].map((seq) => body(seq));
  const { clock, asked, conv, push } = fixture(stored);
  push(1);
  push(4);
  push(5);
  await clock.pass(1000);
  const history = asked.filter(([type]) => type === 3004);
  assert.deepEqual(history, [[3004, { session_id: PAIR, after_seq: 1, limit: 200 }]]);
  assert.deepEqual(conv().messages.map((one) => one.seq), [1, 2, 3, 4, 5]);
  assert.equal(conv().position, 5);
});

test('while one answer is awaited nothing is asked twice', async () => {
  const { clock, asked, socket, conv, push } = fixture([1, 2, 3, 4, 5].map((seq) => body(seq)));
  let answer;
  socket.slow = new Promise((resolve) => { answer = resolve; });
  push(1);
  push(3);
  await clock.pass(1000);
  push(5);
  await clock.pass(1000);
  assert.equal(asked.filter(([type]) => type === 3004).length, 1);
  answer();
  await clock.pass(1000);
  assert.equal(conv().position, 5);
});

test('numbers that are no messages are asked for once and then believed', async () => {
  const stored = [1, 4].map((seq) => body(seq));
  const { clock, asked, conv, push } = fixture(stored);
  push(1);
  push(4);
  await clock.pass(1000);
  stored.push(body(5));
  push(5);
  await clock.pass(1000);
  assert.equal(asked.filter(([type]) => type === 3004).length, 1);
  assert.deepEqual([conv().position, conv().messages.length], [5, 2 + 1]);
});

test('a hole that could not be filled is looked at again with the next message', async () => {
  const stored = [1, 2, 3, 4].map((seq) => body(seq));
  const { clock, socket, conv, push } = fixture(stored);
  push(1);
  socket.lost = true;
  push(3);
  await clock.pass(1000);
  assert.equal(conv().position, 1);
  socket.lost = false;
  push(4);
  await clock.pass(1000);
  assert.deepEqual(conv().messages.map((one) => one.seq), [1, 2, 3, 4]);
});

test('an own message whose answer is on its way is no hole', async () => {
  const { clock, asked, store, push, conv } = fixture();
  push(1);
  push(3);
  const entry = { clientId: 'a', peer: { user: 2 }, content: 'x', at: 1 };
  store.dispatch({ type: 'pending', entry });
  store.dispatch({ type: 'sent', entry, message: { id: '1002', sessionId: PAIR, seq: 2, from: 1, content: 'x', at: 2 } });
  await clock.pass(1000);
  assert.equal(conv().messages.length, 3);
  assert.ok(asked.filter(([type]) => type === 3004).length <= 1);
});

test('history comes page by page up to the beginning', async () => {
  const stored = Array.from({ length: 90 }, (_, index) => body(index + 1));
  const { sync, conv } = fixture(stored);
  await sync.open(PAIR);
  assert.deepEqual([conv().messages[0].seq, conv().begun, conv().position], [51, false, 90]);
  await sync.older(PAIR);
  assert.deepEqual([conv().messages[0].seq, conv().begun], [11, false]);
  await sync.older(PAIR);
  assert.deepEqual([conv().messages.length, conv().begun, conv().loading], [90, true, false]);
  await sync.older(PAIR);
  assert.equal(conv().messages.length, 90);
});

test('history that is lost on the way can be asked for again', async () => {
  const { socket, sync, conv } = fixture([body(1)]);
  socket.lost = true;
  await sync.open(PAIR);
  assert.deepEqual([conv().failed, conv().loading], [true, false]);
  socket.lost = false;
  await sync.older(PAIR);
  assert.deepEqual([conv().failed, conv().messages.length], [false, 1]);
});

test('names are asked for many at a time, and each once', async () => {
  const { clock, asked, sync, store } = fixture();
  sync.know({ users: [3, 4] });
  sync.know({ users: [4, 5] });
  await clock.pass(100);
  sync.know({ users: [3, 4, 5] });
  await clock.pass(100);
  assert.deepEqual(asked.filter(([op]) => op === 'users'), [['users', { user_ids: [3, 4, 5] }]]);
  assert.equal(store.get().users[5].nickname, 'u5');
});

test('it says that one types every three seconds at most', async () => {
  const { clock, told, sync } = fixture();
  for (let n = 0; n < 5; n += 1) sync.typing(PAIR);
  assert.deepEqual(told, [[2004, { to_user_id: 2 }]]);
  await clock.pass(3000);
  sync.typing(PAIR);
  assert.equal(told.length, 2);
});

test('somebody else’s typing is over after six seconds', async () => {
  const { clock, store, sync } = fixture();
  sync.onPush(2004, { from_user_id: 2 });
  assert.equal(Object.keys(store.get().typing[PAIR]).length, 1);
  await clock.pass(6100);
  assert.deepEqual(store.get().typing, {});
});

test('reading is told as far as it went and up to the head, each once', async () => {
  const { asked, conv, push, sync } = fixture();
  for (const seq of [1, 2, 3]) push(seq);
  await sync.read(PAIR, 1);
  await sync.read(PAIR, 1);
  assert.equal(conv().unread, 2);
  await sync.read(PAIR);
  await sync.read(PAIR, 2);
  const told = [1, 3].map((seq) => [2003, { kind: 'read', session_id: PAIR, seq }]);
  assert.deepEqual(asked.filter(([type]) => type === 2003), told);
  assert.equal(conv().unread, 0);
});

test('receipts of both kinds move what is known', () => {
  const { sync, push, conv } = fixture();
  push(1, 1);
  sync.onPush(2003, { kind: 'delivered', user_id: 2, seq: 1 });
  assert.deepEqual([conv().delivered[2], conv().readBy[2]], [1, 0]);
  sync.onPush(2003, { kind: 'read', user_id: 2, seq: 1, delivered_seq: 3 });
  assert.deepEqual([conv().delivered[2], conv().readBy[2]], [3, 1]);
});

test('a push of a kind that is not known is passed over', () => {
  const { sync, store } = fixture();
  const before = store.get();
  sync.onPush(4711, { what: 'ever' });
  sync.onPush(2003, { kind: 'else', user_id: 2 });
  assert.equal(store.get(), before);
});

test('somebody who writes out of the blue may have become a friend', async () => {
  const { clock, store, push, sync, asked } = fixture();
  await sync.refresh();
  store.dispatch({ type: 'friends', ids: [] });
  push(1);
  await settle();
  assert.deepEqual(store.get().friends, [2]);
  const before = asked.length;
  store.dispatch({ type: 'friends', ids: [] });
  push(2);
  await settle();
  assert.equal(asked.length, before, 'not with each message');
  await clock.pass(100);
});

test('a message is sent under its client’s id, and becomes what the answer says', async () => {
  const { asked, socket, sync } = fixture();
  socket.request = async (type, request) => {
    asked.push([type, request]);
    return { kind: 'sent', message_id: 1042, session_id: PAIR, seq: 42 };
  };
  const message = await sync.send({ clientId: 'a', peer: { user: 2 }, content: 'x', at: 5 });
  assert.deepEqual(asked, [[2001, { message_id: 'a', type: 0, content: 'x', to_user_id: 2 }]]);
  assert.deepEqual(message, { id: '1042', sessionId: PAIR, seq: 42, from: 1, content: 'x', at: 5, clientId: 'a' });
  await sync.send({ clientId: 'b', peer: { group: 3 }, content: 'x', at: 5 });
  assert.deepEqual(asked[1], [2002, { message_id: 'b', type: 0, content: 'x', group_id: 3 }]);
});

test('earlier messages that come when those after them were let go leave no hole', async () => {
  const { socket, sync, conv, store, push } = fixture(Array.from({ length: 1000 }, (_, index) => body(index + 1)));
  for (let seq = 1; seq <= 1000; seq += 1) push(seq);
  store.dispatch({ type: 'open', sessionId: PAIR });
  while (conv().messages[0].seq > 600) await sync.older(PAIR);
  let answer;
  socket.slow = new Promise((resolve) => { answer = resolve; });
  const older = sync.older(PAIR);
  store.dispatch({ type: 'open', sessionId: 'c2c_1_3' });
  answer();
  await older;
  assert.equal(conv().loading, false);
  const seqs = () => conv().messages.map((one) => one.seq);
  assert.deepEqual([seqs()[0], seqs().length], [801, 200]);
  await sync.open(PAIR);
  await sync.older(PAIR);
  assert.ok(seqs().every((seq, index) => index === 0 || seq === seqs()[index - 1] + 1), `${seqs()}`);
});

test('a reading that the server did not hear is told again after the next log-in', async () => {
  const { socket, sync, asked, push, conv } = fixture();
  push(1);
  push(2);
  socket.lost = true;
  await sync.read(PAIR);
  assert.equal(conv().read, 2);
  socket.lost = false;
  socket.listed = [{ session_id: PAIR, head_seq: 2, read_seq: 0, unread: 2, last_message: null }];
  await sync.refresh();
  const told = () => asked.filter(([type]) => type === 2003);
  assert.deepEqual(told().map(([, request]) => request.seq), [2, 2]);
  socket.listed[0].read_seq = 2;
  await sync.refresh();
  assert.equal(told().length, 2);
});

test('friends are asked for a hundred at a time, and after the log-in only those who are new', async () => {
  const { sync, store, asked, socket } = fixture();
  const ids = Array.from({ length: 250 }, (_, index) => index + 2);
  const operation = socket.operation;
  socket.operation = (op, args) => (op === 'friends' ? Promise.resolve({ user_ids: ids }) : operation(op, args));
  await sync.refresh();
  const presence = () => asked.filter(([op]) => op === 'presence').map(([, ids]) => ids.length);
  assert.deepEqual(presence(), [100, 100, 50]);
  assert.equal(Object.keys(store.get().presence).length, 250);
  ids.push(1000);
  await sync.askPeople();
  assert.deepEqual(presence().slice(3), [1]);
});

test('groups are asked for some at a time, and one that is gone is no reason to stop', async () => {
  const { sync, store, socket, clock } = fixture();
  let underWay = 0;
  let most = 0;
  socket.operation = async (op, { group_id: id }) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
    if (id === 7) throw new Refusal({ code: 2001, message: 'group not found' });
    return { group_id: id, name: `group ${id}` };
  };
  sync.know({ groups: Array.from({ length: 50 }, (_, index) => index + 1) });
  await clock.pass(100);
  for (let n = 0; n < 10; n += 1) await settle();
  assert.equal(most, 16);
  assert.equal(Object.keys(store.get().groups).length, 49);
});

test('who does not exist is asked for once', async () => {
  const { sync, socket, clock, asked } = fixture();
  const operation = socket.operation;
  socket.operation = async (op, args) => (await operation(op, args), { users: [] });
  sync.know({ users: [9] });
  await clock.pass(100);
  sync.know({ users: [9] });
  await clock.pass(100);
  assert.equal(asked.length, 1);
});

test('a message of a conversation that this client cannot name is confirmed all the same', async () => {
  const { sync, store, clock, told } = fixture();
  await sync.refresh();
  sync.onPush(2001, { ...body(1), session_id: 'room_7' });
  await clock.pass(200);
  assert.deepEqual(told, [[2003, { kind: 'received', message_id: '1001' }]]);
  assert.equal(store.get().conversations.room_7, undefined);
});
