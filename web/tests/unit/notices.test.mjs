import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNotices } from '../../core/notices.js';
import { createStore } from '../../core/store.js';

const message = (seq, from = 2, sessionId = 'c2c_1_2') => ({ id: `m${seq}`, sessionId, seq, from, content: `text ${seq}`, at: seq });

function fixture({ permission = 'granted' } = {}) {
  const shown = [];
  const opened = [];
  const looks = { on: false };
  class Notification {
    static permission = permission;

    constructor(title, { body, tag }) {
      Object.assign(this, { title, body, tag, close: () => {} });
      shown.push(this);
    }
  }
  const store = createStore();
  store.dispatch({ type: 'signed-in', me: { user_id: 1 } });
  store.dispatch({ type: 'users', users: [{ user_id: 2, nickname: 'bob' }] });
  store.dispatch({ type: 'group', group: { group_id: 7, name: 'crew' } });
  store.subscribe(createNotices({ Notification, isWanted: () => !looks.on, onOpen: (id) => opened.push(id) }));
  return { shown, opened, looks, push: (one) => store.dispatch({ type: 'message', message: one }) };
}

test('who does not look is shown what others say, once each, and goes there by it', () => {
  const { shown, opened, push } = fixture();
  push(message(1));
  push(message(1));
  push(message(2, 1));
  push(message(1, 2, 'grp_7'));
  assert.deepEqual(shown.map(({ title, body, tag }) => [title, body, tag]), [
    ['bob', 'text 1', 'c2c_1_2'], ['crew', 'bob: text 1', 'grp_7'],
  ]);
  shown[1].onclick();
  assert.deepEqual(opened, ['grp_7']);
});

test('nothing is shown to who looks, nor what came meanwhile later, nor where it is not allowed', () => {
  const { shown, looks, push } = fixture();
  looks.on = true;
  push(message(1));
  looks.on = false;
  push(message(2, 1));
  assert.deepEqual(shown, []);
  const denied = fixture({ permission: 'denied' });
  denied.push(message(1));
  assert.deepEqual(denied.shown, []);
});
