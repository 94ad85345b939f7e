// What was written and is not stored by the server yet. An entry is on disk before it is sent, and
// leaves only when the server has it or its author throws it away. Each conversation sends one at a
// time, so that nothing overtakes, whatever is tried again.
//
// An entry: { clientId, peer, content, at, refused: null | {code, words} }. `at` rises from entry to entry.
// A disk that fails keeps nothing from being sent; what stays on it by that is sent again, with the same
// id, and so is the same message.

import { Lost, Refusal, passes } from './errors.js';
import { sessionOf } from './peer.js';

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
const INTERNAL = 5001;
/** What the server fails at so often is for its author to decide. */
const FAILURES_MAX = 8;

/**
 * `disk` keeps entries ({all, put, remove}); `send(entry)` gives what became of one, or rejects; `makeId()`
 * gives an id that no message had; `on` hears of it: pending(entry), sent(entry, answer), discarded(entry).
 */
export function createOutbox({ me, disk, send, makeId, on, setTimeout = globalThis.setTimeout.bind(globalThis) }) {
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
          tries += 1;
          if (!error.passes || (error.code === INTERNAL && tries >= FAILURES_MAX)) await refuse(entry, error);
          else await pause(error.retryAfterMs ?? Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (tries - 1)));
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
    await disk.put(entry).catch(() => {});
    on.pending({ ...entry });
  }

  async function forget(entry) {
    const queue = queueOf(entry);
    queue.splice(queue.indexOf(entry), 1);
    if (queue.length === 0) queues.delete(idOf(entry));
    await disk.remove(entry.clientId).catch(() => {});
  }

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const find = (clientId) =>
    [...queues.values()].flat().find((entry) => entry.clientId === clientId);

  return {
    /** What is left from before. */
    async load() {
      for (const entry of await disk.all().catch(() => [])) {
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
    /** Sends again what was refused: as a new message, since a refusal is final for the id that it had. */
    async retry(clientId) {
      const entry = find(clientId);
      if (!entry?.refused) return;
      const isFinal = !passes(entry.refused.code);
      if (isFinal) entry.clientId = makeId();
      await disk.put({ ...entry, refused: null }).catch(() => {});
      if (isFinal) {
        await disk.remove(clientId).catch(() => {});
        on.discarded({ ...entry, clientId });
      }
      // Not before: it is on disk before it is sent.
      entry.refused = null;
      on.pending({ ...entry });
      if (online) work(idOf(entry));
    },
    async discard(clientId) {
      const entry = find(clientId);
      if (!entry) return;
      await forget(entry);
      on.discarded(entry);
    },
    /** Throws all of it away. */
    async clear() {
      queues.clear();
      await disk.clear().catch(() => {});
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
  const name = `mpim-outbox-${me}`;
  let database = null;

  async function store(mode) {
    database ??= await open(indexedDB, name, () => {
      database = null;
    });
    try {
      return database.transaction('entries', mode).objectStore('entries');
    } catch (error) {
      // Browsers close what they like, and open it again.
      database = null;
      throw error;
    }
  }
  const does = async (mode, work) => {
    const what = await store(mode).catch(() => store(mode));
    return done(work(what));
  };

  try {
    await store('readonly');
  } catch {
    return memoryDisk();
  }
  return {
    async all() {
      const entries = await does('readonly', (entries) => entries.getAll());
      return entries.sort((a, b) => a.at - b.at);
    },
    put: (entry) => does('readwrite', (entries) => entries.put({ ...entry })),
    remove: (clientId) => does('readwrite', (entries) => entries.delete(clientId)),
    clear: () => does('readwrite', (entries) => entries.clear()),
  };
}

export function memoryDisk() {
  const entries = new Map();
  return {
    all: async () => [...entries.values()],
    put: async (entry) => void entries.set(entry.clientId, { ...entry }),
    remove: async (clientId) => void entries.delete(clientId),
    clear: async () => entries.clear(),
  };
}

async function open(indexedDB, name, onClosed) {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('entries', { keyPath: 'clientId' });
  };
  const database = await done(opening);
  database.onclose = onClosed;
  return database;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
