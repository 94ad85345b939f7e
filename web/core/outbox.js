// What was written and is not stored by the server yet. An entry is on disk before it is sent, and
// leaves only when the server has it or its author throws it away. Each conversation sends one at a
// time, so that nothing overtakes, whatever is tried again.
//
// An entry: { clientId, peer, content, at, refused: null | {code, words} }. `at` rises from entry to entry.

import { Lost, Refusal } from './errors.js';
import { sessionOf } from './peer.js';

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;

/**
 * `disk` keeps entries ({all, put, remove}); `send(entry)` gives what became of one, or rejects;
 * `on` hears of it: pending(entry), sent(entry, answer), discarded(entry).
 */
export function createOutbox({ me, disk, send, on, setTimeout = globalThis.setTimeout.bind(globalThis) }) {
  const queues = new Map(); // session_id → entries in order
  const busy = new Set();
  let online = false;

  const idOf = (entry) => sessionOf(me, entry.peer);
  const queueOf = (entry) => {
    const id = idOf(entry);
    if (!queues.has(id)) queues.set(id, []);
    return queues.get(id);
  };

  async function work(id) {
    if (busy.has(id)) return;
    busy.add(id);
    try {
      for (let tries = 0; online;) {
        const entry = queues.get(id)?.find((one) => !one.refused);
        if (!entry) return;
        try {
          const answer = await send(entry);
          await forget(entry);
          on.sent(entry, answer);
          tries = 0;
        } catch (error) {
          if (error instanceof Lost) return;
          if (!(error instanceof Refusal)) throw error;
          if (error.passes) await pause(error.retryAfterMs ?? BACKOFF_MIN_MS * 2 ** tries++);
          else await refuse(entry, error);
        }
      }
    } finally {
      busy.delete(id);
      // It came back while the last one was failing.
      if (online && again.delete(id)) work(id);
    }
  }

  const again = new Set();

  async function refuse(entry, { code, words }) {
    entry.refused = { code, words };
    await disk.put(entry);
    on.pending({ ...entry });
  }

  async function forget(entry) {
    const queue = queueOf(entry);
    queue.splice(queue.indexOf(entry), 1);
    await disk.remove(entry.clientId);
  }

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, BACKOFF_MAX_MS)));
  const find = (clientId) =>
    [...queues.values()].flat().find((entry) => entry.clientId === clientId);

  return {
    /** What is left from before. */
    async load() {
      for (const entry of await disk.all()) {
        queueOf(entry).push(entry);
        on.pending({ ...entry });
      }
    },
    async add(entry) {
      const kept = { refused: null, ...entry };
      queueOf(kept).push(kept);
      on.pending({ ...kept });
      // A disk that is full is no reason not to send.
      await disk.put(kept).catch(() => {});
      if (online) work(idOf(kept));
    },
    /** Sends again what was refused. */
    async retry(clientId) {
      const entry = find(clientId);
      if (!entry?.refused) return;
      entry.refused = null;
      await disk.put(entry);
      on.pending({ ...entry });
      if (online) work(idOf(entry));
    },
    async discard(clientId) {
      const entry = find(clientId);
      if (!entry) return;
      await forget(entry);
      on.discarded(entry);
    },
    /** There is a connection: all that is left goes, in order. */
    start() {
      online = true;
      for (const id of queues.keys()) {
        if (busy.has(id)) again.add(id);
        else work(id);
      }
    },
    stop() {
      online = false;
    },
  };
}

/** Keeps entries in IndexedDB, in the order in which they came; without it, in memory. */
export async function openDisk(me, indexedDB = globalThis.indexedDB) {
  try {
    return await openIndexed(me, indexedDB);
  } catch {
    return memoryDisk();
  }
}

export function memoryDisk() {
  const entries = new Map();
  return {
    all: async () => [...entries.values()],
    put: async (entry) => void entries.set(entry.clientId, { ...entry }),
    remove: async (clientId) => void entries.delete(clientId),
  };
}

async function openIndexed(me, indexedDB) {
  const opening = indexedDB.open(`mpim-outbox-${me}`, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('entries', { keyPath: 'clientId' });
  };
  const database = await done(opening);
  const store = (mode) => database.transaction('entries', mode).objectStore('entries');
  return {
    async all() {
      const entries = await done(store('readonly').getAll());
      return entries.sort((a, b) => a.at - b.at);
    },
    put: (entry) => done(store('readwrite').put({ ...entry })),
    remove: (clientId) => done(store('readwrite').delete(clientId)),
  };
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
