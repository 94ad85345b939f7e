// Who is signed in, in this browser. The refresh token is a cookie that scripts cannot read, and that
// all windows share. So they share what it gives as well: whose session it is, and the access token of
// some minutes, which a script that must not be here could fetch by the cookie anyway. A window that is
// loaded anew needs no refresh, and of all windows one refreshes for the others.

import { deviceId } from './device.js';
import { Lost, Refusal } from './errors.js';
import { createLock } from './lock.js';

const TIMEOUT_MS = 20_000;
/** A token is renewed when less than this is left of it. */
const LEFT_MS = 30_000;
const SESSION = 'mpim.session';
const OWED = 'mpim.sign-out';
const DEVICE = 'mpim.device';

/** `onOther()`: somebody else is signed in now, or nobody; this window has to follow. */
export function createSession({
  base = '',
  fetch = globalThis.fetch.bind(globalThis),
  storage = globalThis.localStorage,
  now = () => Date.now(),
  random = randomHex,
  lock = createLock('mpim.refresh', { id: random(8) }),
  onOther = () => {},
} = {}) {
  let user = null; // whose window this is
  let refreshing = null;
  let ahead = 0; // of the server's clock to this one, in milliseconds

  const post = (path, body, token) => ask(path, token, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    // The answer has a cookie in it, which counts also when the page is gone meanwhile.
    keepalive: true,
  });

  async function ask(path, token, { headers, ...request } = {}) {
    let response;
    let answer;
    try {
      response = await fetch(`${base}${path}`, {
        ...request,
        headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
        credentials: 'same-origin',
        signal: globalThis.AbortSignal?.timeout?.(TIMEOUT_MS),
      });
      answer = await response.json();
    } catch (error) {
      throw new Lost(error.message);
    }
    const at = Date.parse(response.headers?.get('date'));
    if (!Number.isNaN(at)) ahead = at - now();
    if (!response.ok || answer.code !== 0) {
      throw new Refusal({ ...answer, code: answer.code || 5001, message: answer.message ?? '' });
    }
    return answer.data;
  }

  function kept() {
    try {
      return JSON.parse(storage.getItem(SESSION));
    } catch {
      return null;
    }
  }

  const isGood = (session) => session !== null && session.until - now() > LEFT_MS;

  /** What a window has to know of it, for all of them. */
  function keep({ user_id, username, nickname, role, token, expire_time: expires }) {
    const session = { user_id, username, nickname, role, token, until: expires * 1000 - ahead };
    storage.setItem(SESSION, JSON.stringify(session));
    return session;
  }

  function forget() {
    user = null;
    storage.removeItem(SESSION);
  }

  /** The session, if it is that of this window's user. */
  function ours(session) {
    if (user === null) user = session?.user_id ?? null;
    if (session !== null && session.user_id === user) return session;
    other();
    throw new Lost('somebody else is signed in');
  }

  function other() {
    user = null;
    onOther();
  }

  /** A session whose token is good. Everybody who asks meanwhile gets the same. */
  function refresh() {
    refreshing ??= lock(async () => {
      // Another window was quicker, or has left.
      const session = kept();
      if (isGood(session) || (session === null && user !== null)) return session;
      return keep(await post('/api/refresh', {}));
    })
      .catch((error) => {
        if (error instanceof Refusal && !error.passes) forget();
        throw error;
      })
      .finally(() => {
        refreshing = null;
      });
    return refreshing;
  }

  async function current() {
    const session = kept();
    return ours(isGood(session) || (session === null && user !== null) ? session : await refresh());
  }

  /** Signs in, by whatever the request says. */
  async function begin(path, body) {
    return lock(async () => {
      const session = keep(await post(path, { ...body, cookie: true }));
      storage.removeItem(OWED);
      user = session.user_id;
      return session;
    });
  }

  function device() {
    let id = storage.getItem(DEVICE);
    if (!/^[\w.-]{1,64}$/.test(id ?? '')) {
      id = deviceId(random(6));
      storage.setItem(DEVICE, id);
    }
    return `web:${id}`;
  }

  /** Ends the session at the server: now, or as soon as it can be reached. Without a good token the cookie says whose. */
  async function settle(token) {
    const owed = storage.getItem(OWED);
    if (owed === null) return;
    const { everywhere } = JSON.parse(owed);
    try {
      await lock(() => post('/api/logout', { everywhere }, token));
    } catch (error) {
      // Whom the server does not know is signed out.
      if (!(error instanceof Refusal) || error.passes) return;
    }
    storage.removeItem(OWED);
  }

  return {
    /** The session of this browser: {user_id, username, nickname, role, token}. */
    current,
    /** Its access token. */
    token: async () => (await current()).token,
    /** What the server says of an address below /api. */
    get: async (path) => ask(path, (await current()).token),
    /** This token was refused: the next one is another. */
    renew(token) {
      const session = kept();
      if (session?.token === token) storage.setItem(SESSION, JSON.stringify({ ...session, until: 0 }));
    },
    /** Whether it is worth asking for a session without a password. */
    wasSignedIn: () => kept() !== null,
    signIn: (username, password) => begin('/api/login', { username, password, device: device() }),
    signUp: (username, password) => begin('/api/register', { username, password, device: device() }),
    async changePassword(old, fresh) {
      const { token } = await current();
      return lock(async () => ours(keep(await post('/api/password', { old, new: fresh, cookie: true }, token))));
    },
    /** This browser is signed out after it, whether or not the server can be reached now. */
    async signOut(everywhere) {
      const session = kept();
      storage.setItem(OWED, JSON.stringify({ everywhere }));
      forget();
      await settle(isGood(session) ? session.token : undefined);
    },
    settle: () => settle(),
    forget,
    /** Another window of this browser has changed what all of them share. */
    changed() {
      if (user !== null && kept()?.user_id !== user) other();
    },
    device,
  };
}

/** So many random bytes, in hexadecimal. */
export function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
