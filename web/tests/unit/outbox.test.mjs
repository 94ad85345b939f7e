import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lost, Refusal } from '../../core/errors.js';
import { createOutbox, memoryDisk, openDisk } from '../../core/outbox.js';
import { fakeClock, settle } from './fakes.mjs';

/** A server that has each client id once, and fails as it is told. */
function fixture({ disk = memoryDisk() } = {}) {
  const clock = fakeClock();
  const stored = [];
  const failures = [];
  const events = [];
  let made = 0;
  const outbox = createOutbox({
    me: 1,
    disk,
    setTimeout: clock.setTimeout,
    makeId: () => `new ${(made += 1)}`,
    async send(entry) {
      const failure = failures.shift();
      // Lost on the way back: the server has it.
      if (failure !== 'before' && !(failure instanceof Refusal)
          && !stored.some((one) => one.clientId === entry.clientId)) stored.push(entry);
      if (failure instanceof Refusal) throw failure;
      if (failure) {
        outbox.stop(); // as the socket does it, at once
        throw new Lost();
      }
      return { seq: stored.findIndex((one) => one.clientId === entry.clientId) + 1 };
    },
    on: {
      pending: (entry) => events.push(['pending', entry.clientId, entry.refused?.words]),
      sent: (entry, answer) => events.push(['sent', entry.clientId, answer.seq]),
      discarded: (entry) => events.push(['discarded', entry.clientId]),
    },
  });
  const entry = (clientId, user = 2) => ({ clientId, peer: { user }, content: clientId, at: clock.now() });
  return { clock, stored, failures, events, outbox, entry, disk };
}

test('what is written without a connection goes when there is one, in order', async () => {
  const { stored, outbox, entry } = fixture();
  for (const id of ['a', 'b', 'c']) await outbox.add(entry(id));
  await settle();
  assert.deepEqual(stored, []);
  outbox.start();
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a', 'b', 'c']);
});

test('a lost answer is asked for again with the same id, before anything newer', async () => {
  const { stored, failures, events, outbox, entry, disk } = fixture();
  failures.push('after');
  outbox.start();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a']);
  assert.deepEqual(events.filter(([what]) => what === 'sent'), []);
  outbox.start();
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a', 'b']);
  assert.deepEqual(events.filter(([what]) => what === 'sent'), [['sent', 'a', 1], ['sent', 'b', 2]]);
  assert.deepEqual(await disk.all(), []);
});

test('it outlives the page', async () => {
  const disk = memoryDisk();
  const before = fixture({ disk });
  await before.outbox.add(before.entry('a'));
  await before.outbox.add(before.entry('b'));
  const after = fixture({ disk });
  await after.outbox.load();
  after.outbox.start();
  await settle();
  assert.deepEqual(after.stored.map((one) => one.clientId), ['a', 'b']);
});

test('a refusal that passes is tried again, and nothing overtakes', async () => {
  const { clock, stored, failures, outbox, entry } = fixture();
  failures.push(new Refusal({ code: 5003, message: 'slow down', retry_after_ms: 100 }));
  outbox.start();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await settle();
  assert.deepEqual(stored, []);
  await clock.pass(100);
  assert.deepEqual(stored.map((one) => one.clientId), ['a', 'b']);
});

test('a refusal that stays is kept for its author, and lets the others pass', async () => {
  const { stored, failures, events, outbox, entry, disk } = fixture();
  failures.push(new Refusal({ code: 3001, message: 'blocked' }));
  outbox.start();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['b']);
  assert.ok(events.some(([what, id, words]) => what === 'pending' && id === 'a' && words === 'blocked'));
  assert.equal((await disk.all())[0].refused.code, 3001);
});

test('what was refused for good is sent again as a new message', async () => {
  const { stored, failures, events, outbox, entry, disk } = fixture();
  failures.push(new Refusal({ code: 3001, message: 'blocked' }));
  outbox.start();
  await outbox.add(entry('a'));
  await settle();
  outbox.stop();
  events.length = 0;
  // Two clicks.
  await Promise.all([outbox.retry('a'), outbox.retry('a')]);
  assert.deepEqual(events, [['discarded', 'a'], ['pending', 'new 1', undefined]]);
  assert.deepEqual((await disk.all()).map((one) => [one.clientId, one.content, one.refused]), [['new 1', 'a', null]]);
  outbox.start();
  await settle();
  assert.deepEqual(stored.map((one) => [one.clientId, one.content]), [['new 1', 'a']]);
  assert.deepEqual(await disk.all(), []);
});

test('what the server failed at may be stored, and is sent again as the same message', async () => {
  const { clock, stored, failures, outbox, entry } = fixture();
  for (let n = 0; n < 8; n += 1) failures.push(new Refusal({ code: 5001, message: 'internal' }));
  outbox.start();
  await outbox.add(entry('a'));
  await settle();
  await clock.pass(60_000);
  await outbox.retry('a');
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a']);
});

test('what is thrown away is not sent', async () => {
  const { stored, events, outbox, entry, disk } = fixture();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await outbox.discard('a');
  outbox.start();
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['b']);
  assert.deepEqual(events.filter(([what]) => what === 'discarded'), [['discarded', 'a']]);
  assert.deepEqual(await disk.all(), []);
});

test('one conversation does not wait for another', async () => {
  const { stored, failures, outbox, entry } = fixture();
  failures.push(new Refusal({ code: 5003, message: 'slow down', retry_after_ms: 5000 }));
  outbox.start();
  await outbox.add(entry('a', 2));
  await settle();
  await outbox.add(entry('b', 3));
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['b']);
});

test('a connection that comes and goes quickly leaves one sender at work', async () => {
  const { clock, stored, failures, events, outbox, entry } = fixture();
  failures.push(new Refusal({ code: 5003, message: 'slow down', retry_after_ms: 50 }));
  outbox.start();
  await outbox.add(entry('a'));
  await settle();
  outbox.stop();
  outbox.start();
  outbox.stop();
  outbox.start();
  await clock.pass(50);
  assert.deepEqual(stored.map((one) => one.clientId), ['a']);
  assert.equal(events.filter(([what]) => what === 'sent').length, 1);
});

test('a disk that is full does not keep a message from being sent', async () => {
  const disk = { ...memoryDisk(), put: async () => { throw new Error('full'); } };
  const { stored, outbox, entry } = fixture({ disk });
  outbox.start();
  await outbox.add(entry('a'));
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a']);
});

test('a disk that fails at any other moment stops nothing either', async () => {
  const fails = async () => { throw new Error('closed'); };
  const disk = { ...memoryDisk(), put: fails, remove: fails };
  const { stored, failures, events, outbox, entry } = fixture({ disk });
  outbox.start();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await settle();
  assert.deepEqual(stored.map((one) => one.clientId), ['a', 'b']);
  assert.deepEqual(events.filter(([what]) => what === 'sent').map(([, id]) => id), ['a', 'b']);
  failures.push(new Refusal({ code: 3001, message: 'blocked' }));
  await outbox.add(entry('c'));
  await settle();
  assert.ok(events.some(([what, id, words]) => what === 'pending' && id === 'c' && words === 'blocked'));
  await outbox.retry('c');
  await settle();
  assert.equal(stored.at(-1).content, 'c');
});

test('what the server fails at again and again is given back to its author, and what waited goes', async () => {
  const { clock, stored, failures, events, outbox, entry } = fixture();
  for (let n = 0; n < 8; n += 1) failures.push(new Refusal({ code: 5001, message: 'internal' }));
  outbox.start();
  await outbox.add(entry('a'));
  await outbox.add(entry('b'));
  await settle();
  await clock.pass(60_000);
  assert.deepEqual(stored.map((one) => one.clientId), ['b']);
  assert.ok(events.some(([what, id, words]) => what === 'pending' && id === 'a' && words === 'internal'));
});

test('a server that is busy is waited for as long as it says, however often', async () => {
  const { clock, stored, failures, outbox, entry } = fixture();
  for (let n = 0; n < 20; n += 1) failures.push(new Refusal({ code: 5003, message: 'slow down', retry_after_ms: 30_000 }));
  outbox.start();
  await outbox.add(entry('a'));
  await settle();
  await clock.pass(29_999);
  assert.equal(failures.length, 19);
  await clock.pass(600_000);
  assert.deepEqual(stored.map((one) => one.clientId), ['a']);
});

/** As much of IndexedDB as the outbox uses; `close` is what a browser does to it. */
function fakeIndexedDB() {
  const kept = new Map();
  const fake = { opened: 0, broken: false, database: null };
  const request = (result) => {
    const asked = {};
    setImmediate(() => (fake.broken ? asked.onerror?.() : (asked.result = result, asked.onsuccess?.())));
    asked.error = new Error('broken');
    return asked;
  };
  const entries = {
    getAll: () => request([...kept.values()]),
    put: (entry) => (kept.set(entry.clientId, entry), request()),
    delete: (id) => (kept.delete(id), request()),
    clear: () => (kept.clear(), request()),
  };
  fake.open = () => {
    fake.opened += 1;
    let closed = false;
    fake.database = {
      transaction() {
        if (closed) throw new Error('InvalidStateError');
        return { objectStore: () => entries };
      },
      close: () => { closed = true; },
    };
    return request(fake.database);
  };
  return fake;
}

test('a database that the browser closed is opened again', async () => {
  const indexedDB = fakeIndexedDB();
  const disk = await openDisk(1, indexedDB);
  await disk.put({ clientId: 'b', at: 2 });
  indexedDB.database.close();
  await disk.put({ clientId: 'a', at: 1 });
  assert.equal(indexedDB.opened, 2);
  indexedDB.database.onclose();
  assert.deepEqual((await disk.all()).map((entry) => entry.clientId), ['a', 'b']);
  assert.equal(indexedDB.opened, 3);
  await disk.remove('a');
  await disk.clear();
  assert.deepEqual(await disk.all(), []);
});

test('without a database there is memory', async () => {
  const indexedDB = { ...fakeIndexedDB() };
  indexedDB.broken = true;
  for (const none of [undefined, indexedDB, { open: () => { throw new Error('SecurityError'); } }]) {
    const disk = await openDisk(1, none);
    await disk.put({ clientId: 'a', at: 1 });
    assert.equal((await disk.all()).length, 1);
  }
});
