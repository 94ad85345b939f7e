import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stateOf } from '../../core/conversation.js';
import { peerOf, sessionOf } from '../../core/peer.js';
import { createStore, inOrder, nameOf, othersIn, unreadOfAll } from '../../core/store.js';

const ME = 1;
const PAIR = 'c2c_1_2';
const GROUP = 'grp_7';

const message = (seq, from = 2, sessionId = PAIR) => ({ id: `m${seq}`, sessionId, seq, from, content: `text ${seq}`, at: 1000 + seq });
const listed = (fields) => ({
  session_id: PAIR, to_user_id: 2, head_seq: 0, read_seq: 0, unread: 0, last_message: null, ...fields,
});
const last = (content) => ({ message_id: '1', from_user_id: 2, content, timestamp: 500 });

function signedIn() {
  const store = createStore();
  const act = (type, fields = {}) => store.dispatch({ type, ...fields });
  act('signed-in', { me: { user_id: ME, username: 'ada' } });
  return { store, act, conv: (id = PAIR) => store.get().conversations[id] };
}

test('a conversation is named after its people, whoever asks', () => {
  assert.equal(sessionOf(9, { user: 3 }), 'c2c_3_9');
  assert.equal(sessionOf(3, { user: 9 }), 'c2c_3_9');
  assert.deepEqual(peerOf(3, 'c2c_3_9'), { user: 9 });
  assert.deepEqual(peerOf(9, 'c2c_3_9'), { user: 3 });
  assert.deepEqual(peerOf(9, 'c2c_9_9'), { user: 9 });
  assert.deepEqual(peerOf(9, 'grp_4'), { group: 4 });
  for (const odd of ['', 'c2c_1', 'grp_x', 'c2c_1_2_3', 'x_1']) assert.equal(peerOf(1, odd), null);
});

test('messages stand by number, each once, in whatever order they come', () => {
  const { act, conv } = signedIn();
  for (const seq of [3, 6, 5, 4, 6, 3]) act('message', { message: message(seq) });
  assert.deepEqual(conv().messages.map((one) => one.seq), [3, 4, 5, 6]);
  assert.equal(conv().head, 6);
  assert.equal(conv().last.seq, 6);
});

test('an answer that repeats itself is shown once', () => {
  const { act, conv } = signedIn();
  act('history', { sessionId: PAIR, messages: [message(1), message(2), message(1), message(2)] });
  assert.deepEqual(conv().messages.map((one) => one.seq), [1, 2]);
});

test('of a backlog that nobody looks at the end is kept, and the rest is asked for again', () => {
  const { act, conv } = signedIn();
  for (let seq = 1; seq <= 10_000; seq += 1) act('message', { message: message(seq) });
  assert.deepEqual([conv().messages.length, conv().messages[0].seq, conv().begun], [200, 9801, false]);
  assert.deepEqual([conv().head, conv().position, conv().unread], [10_000, 10_000, 100]);
  act('open', { sessionId: PAIR });
  act('message', { message: message(5) });
  assert.equal(conv().messages[0].seq, 9801, 'what was let go does not come back before a hole');
  act('history', { sessionId: PAIR, messages: [message(9799), message(9800)], begun: false });
  act('message', { message: message(10_001) });
  assert.equal(conv().messages.length, 203);
  act('open', { sessionId: GROUP });
  assert.deepEqual([conv().messages.length, conv().opened, conv(GROUP).opened], [200, false, true]);
});

test('what comes again changes nothing', () => {
  const { store, act } = signedIn();
  act('message', { message: message(1) });
  act('read', { sessionId: PAIR, seq: 1 });
  const before = store.get().conversations;
  act('message', { message: message(1) });
  assert.equal(store.get().conversations, before);
  assert.equal(unreadOfAll(store.get()), 0);
  assert.equal(store.get().announced.length, 1);
});

test('unread counts what others wrote and was not read, up to a hundred', () => {
  const { act, conv } = signedIn();
  act('message', { message: message(1) });
  act('message', { message: message(2, ME) });
  act('message', { message: message(3) });
  assert.equal(conv().unread, 2);
  act('read', { sessionId: PAIR, seq: 1 });
  assert.equal(conv().unread, 1);
  act('read', { sessionId: PAIR, seq: 3 });
  assert.equal(conv().unread, 0);
  for (let seq = 4; seq < 200; seq += 1) act('message', { message: message(seq) });
  assert.equal(conv().unread, 100);
});

test('a list that is older than what was pushed loses nothing', () => {
  const { act, conv } = signedIn();
  act('message', { message: message(5) });
  act('message', { message: message(6) });
  // The server's answer was made between the two.
  act('conversations', { list: [listed({ head_seq: 5, unread: 5, last_message: last('text 5') })] });
  assert.deepEqual([conv().head, conv().unread, conv().last.seq], [6, 6, 6]);
});

test('a list that was made before the last reading does not undo it', () => {
  const { act, conv } = signedIn();
  act('conversations', { list: [listed({ head_seq: 5, unread: 5, last_message: last('text 5') })] });
  act('read', { sessionId: PAIR, seq: 5 });
  act('conversations', { list: [listed({ head_seq: 5, unread: 5, last_message: last('text 5') })] });
  assert.deepEqual([conv().read, conv().unread], [5, 0]);
});

test('reading elsewhere is seen with the next list', () => {
  const { act, conv } = signedIn();
  act('message', { message: message(1) });
  act('conversations', { list: [listed({ head_seq: 1, read_seq: 1, unread: 0, last_message: last('text 1') })] });
  assert.deepEqual([conv().read, conv().unread], [1, 0]);
});

test('the position moves with what is next, and a hole stops it', () => {
  const { act, conv } = signedIn();
  act('message', { message: message(4) });
  assert.equal(conv().position, 4);
  act('message', { message: message(5) });
  act('message', { message: message(7) });
  assert.equal(conv().position, 5);
  act('history', { sessionId: PAIR, messages: [message(6), message(7)], upTo: 7 });
  assert.equal(conv().position, 7);
  // An answer that was asked for earlier takes nothing back.
  act('history', { sessionId: PAIR, messages: [message(1)], upTo: 2 });
  assert.equal(conv().position, 7);
});

test('one’s own message is sending, sent, delivered, read', () => {
  const { store, act, conv } = signedIn();
  const entry = { clientId: 'a', peer: { user: 2 }, content: 'hi', at: 1, refused: null };
  act('pending', { entry });
  assert.equal(conv().pending.length, 1);
  act('sent', { entry, message: { ...message(1, ME), clientId: 'a' } });
  assert.deepEqual([conv().pending.length, conv().messages.length, conv().unread], [0, 1, 0]);
  const state = () => stateOf(conv(), conv().messages[0], othersIn(store.get(), conv()));
  assert.equal(state(), 'sent');
  act('receipt', { sessionId: PAIR, userId: 2, delivered: 1, read: 0 });
  assert.equal(state(), 'delivered');
  act('receipt', { sessionId: PAIR, userId: 2, delivered: 0, read: 1 });
  assert.equal(state(), 'read');
  // An older word of it takes nothing back.
  act('receipt', { sessionId: PAIR, userId: 2, delivered: 1, read: 0 });
  assert.equal(state(), 'read');
});

test('a message that was stored, pushed and then answered stands there once', () => {
  const { act, conv } = signedIn();
  const entry = { clientId: 'a', peer: { user: 2 }, content: 'hi', at: 1, refused: null };
  act('pending', { entry });
  act('message', { message: message(1, ME) });
  act('sent', { entry, message: { ...message(1, ME), clientId: 'a' } });
  assert.deepEqual([conv().pending.length, conv().messages.length], [0, 1]);
});

test('in a group the slowest decides', () => {
  const { store, act, conv } = signedIn();
  act('group', { group: { group_id: 7, name: 'crew' } });
  act('message', { message: message(1, ME, GROUP) });
  const state = () => stateOf(conv(GROUP), conv(GROUP).messages[0], othersIn(store.get(), conv(GROUP)));
  act('receipt', { sessionId: GROUP, userId: 2, delivered: 1, read: 1 });
  assert.equal(state(), 'sent', 'nobody knows who is in it');
  act('members', { groupId: 7, ids: [ME, 2, 3] });
  assert.equal(state(), 'sent');
  act('receipt', { sessionId: GROUP, userId: 3, delivered: 1, read: 0 });
  assert.equal(state(), 'delivered');
  act('receipt', { sessionId: GROUP, userId: 3, delivered: 1, read: 1 });
  assert.equal(state(), 'read');
  assert.equal(nameOf(store.get(), conv(GROUP)), 'crew');
});

test('a refused message stays where its author sees it', () => {
  const { act, conv } = signedIn();
  const entry = { clientId: 'a', peer: { user: 2 }, content: 'hi', at: 1, refused: null };
  act('pending', { entry });
  act('pending', { entry: { ...entry, refused: { code: 3001, words: 'blocked' } } });
  assert.deepEqual([conv().pending.length, conv().pending[0].refused.code], [1, 3001]);
  act('discarded', { entry });
  assert.equal(conv().pending.length, 0);
});

test('typing ends with time, and with what was typed', () => {
  const { store, act } = signedIn();
  act('typing', { sessionId: PAIR, userId: 2, until: 100 });
  act('typing-over', { now: 99 });
  assert.deepEqual(store.get().typing[PAIR], { 2: 100 });
  act('message', { message: message(1) });
  assert.deepEqual(store.get().typing[PAIR], {});
  act('typing', { sessionId: PAIR, userId: 2, until: 100 });
  act('typing-over', { now: 100 });
  assert.deepEqual(store.get().typing, {});
});

test('the conversation in which something happened last stands first', () => {
  const { store, act } = signedIn();
  act('message', { message: message(1) });
  act('message', { message: { ...message(1, 3, 'c2c_1_3'), at: 5000 } });
  act('open', { sessionId: 'c2c_1_9' });
  assert.deepEqual(inOrder(store.get()).map((conv) => conv.id), ['c2c_1_3', PAIR]);
  act('pending', { entry: { clientId: 'a', peer: { user: 2 }, content: 'x', at: 9000 } });
  assert.deepEqual(inOrder(store.get()).map((conv) => conv.id), [PAIR, 'c2c_1_3']);
});

test('signing out leaves nothing of the user', () => {
  const { store, act } = signedIn();
  act('message', { message: message(1) });
  act('friends', { ids: [2] });
  act('signed-out');
  assert.deepEqual([store.get().me, store.get().conversations, store.get().friends, store.get().phase], [null, {}, [], 'out']);
});

test('names that say nothing are passed over', () => {
  const { store, act } = signedIn();
  act('conversations', { list: [listed({ session_id: 'else_7' })] });
  act('message', { message: message(1, 2, 'else_7') });
  assert.deepEqual(store.get().conversations, {});
});

test('toasts are few', () => {
  const { store, act } = signedIn();
  for (let id = 1; id <= 9; id += 1) act('toast', { toast: { id, kind: 'done', text: '' } });
  assert.deepEqual(store.get().toasts.map((toast) => toast.id), [6, 7, 8, 9]);
  act('toast-gone', { id: 7 });
  assert.deepEqual(store.get().toasts.map((toast) => toast.id), [6, 8, 9]);
});

test('however long a conversation stays open, what is kept of it is bounded', () => {
  const { act, conv } = signedIn();
  act('open', { sessionId: PAIR });
  let most = 0;
  for (let seq = 1; seq <= 5000; seq += 1) {
    act('message', { message: message(seq) });
    most = Math.max(most, conv().messages.length);
  }
  assert.deepEqual([most, conv().messages.at(-1).seq, conv().begun], [600, 5000, false]);
  // Somebody reads further up: what they look at goes later.
  act('at-end', { sessionId: PAIR, on: false });
  for (let seq = 5001; seq <= 7000; seq += 1) act('message', { message: message(seq) });
  assert.ok(conv().messages.length > 2000);
  act('at-end', { sessionId: PAIR, on: true });
  act('message', { message: message(7001) });
  assert.deepEqual([conv().messages.length, conv().messages[0].seq], [200, 6802]);
});

test('who reads further up while the connection comes back keeps what they read', () => {
  const { act, conv } = signedIn();
  act('open', { sessionId: PAIR });
  act('at-end', { sessionId: PAIR, on: false });
  for (let seq = 1; seq <= 700; seq += 1) act('message', { message: message(seq) });
  act('open', { sessionId: PAIR });
  act('message', { message: message(701) });
  assert.deepEqual([conv().messages[0].seq, conv().messages.length], [1, 701]);
});

test('a backlog of a conversation that nobody looks at is cut as it comes', () => {
  const { act, conv } = signedIn();
  const messages = Array.from({ length: 900 }, (_, index) => message(index + 1));
  act('history', { sessionId: PAIR, messages, upTo: 900 });
  assert.deepEqual([conv().messages.length, conv().messages[0].seq, conv().position], [200, 701, 900]);
});

test('people who come after it do not make a message more than it is', () => {
  const { act, conv } = signedIn();
  act('message', { message: { ...message(3, ME), id: '42' } });
  act('conversations', { list: [listed({ head_seq: 9, last_message: { ...last('text 3'), message_id: '42', from_user_id: ME } })] });
  assert.equal(conv().last.seq, 3);
});

test('of somebody who is no friend any more it is not known whether they are there', () => {
  const { store, act } = signedIn();
  act('friends', { ids: [2, 3] });
  act('presence', { userId: 2, status: 1 });
  act('presence', { userId: 3, status: 1 });
  act('friends', { ids: [3] });
  assert.deepEqual(store.get().presence, { 3: 1 });
});
