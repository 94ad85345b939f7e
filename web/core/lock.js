// One window of this browser at a time: `lock(work)` runs the work when no other window runs its own.

/** Longer than what is done under it can take: a window that died holds it no longer. */
const LEASE_MS = 30_000;
/** So long until a window sees what another has written at the same moment. */
const SETTLE_MS = 60;
const LOOK_MS = 250;

/**
 * The browser's own locks are there over TLS and on this machine alone. Elsewhere whoever wrote last,
 * and finds it so a moment later, holds a lease.
 */
export function createLock(name, {
  locks = globalThis.navigator?.locks,
  storage = globalThis.localStorage,
  now = () => Date.now(),
  setTimeout = globalThis.setTimeout.bind(globalThis),
  id,
} = {}) {
  if (locks) return (work) => locks.request(name, work);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let turn = Promise.resolve();

  function held() {
    try {
      return JSON.parse(storage.getItem(name)) ?? { until: 0 };
    } catch {
      return { until: 0 };
    }
  }

  async function leased(work) {
    for (;;) {
      if (held().until <= now()) {
        storage.setItem(name, JSON.stringify({ id, until: now() + LEASE_MS }));
        await pause(SETTLE_MS);
        if (held().id === id) break;
      }
      await pause(LOOK_MS);
    }
    try {
      return await work();
    } finally {
      if (held().id === id) storage.removeItem(name);
    }
  }

  return (work) => {
    const mine = turn.then(() => leased(work));
    turn = mine.catch(() => {});
    return mine;
  };
}
