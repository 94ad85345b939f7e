// Who is signed in. The access token is in memory alone; the refresh token is a cookie that scripts
// cannot read. Of all tabs one refreshes at a time, because a refresh token is good once.

import { Lost, Refusal } from './errors.js';

const TIMEOUT_MS = 15_000;
/** A token is renewed when less than this is left of it. */
const LEFT_MS = 30_000;
const SIGNED_IN = 'mpim.signed-in';
const DEVICE = 'mpim.device';

export function createSession({
  base = '',
  fetch = globalThis.fetch.bind(globalThis),
  locks = globalThis.navigator?.locks,
  storage = globalThis.localStorage,
  now = () => Date.now(),
  random = randomHex,
} = {}) {
  let access = null; // { token, until }
  let refreshing = null;

  async function post(path, body, { authorized = false } = {}) {
    let response;
    let answer;
    try {
      const headers = { 'content-type': 'application/json' };
      if (authorized) headers.authorization = `Bearer ${await token()}`;
      response = await fetch(`${base}${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        credentials: 'same-origin',
        signal: globalThis.AbortSignal?.timeout?.(TIMEOUT_MS),
      });
      answer = await response.json();
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw new Lost(error.message);
    }
    if (!response.ok || answer.code !== 0) {
      throw new Refusal({ ...answer, code: answer.code || 5001, message: answer.message ?? '' });
    }
    return answer.data;
  }

  function accept(data) {
    access = { token: data.token, until: data.expire_time * 1000 };
    storage.setItem(SIGNED_IN, '1');
    return data;
  }

  function forget() {
    access = null;
    storage.removeItem(SIGNED_IN);
  }

  function device() {
    let id = storage.getItem(DEVICE);
    if (!/^[\w.-]{1,64}$/.test(id ?? '')) {
      id = random(6);
      storage.setItem(DEVICE, id);
    }
    return `web:${id}`;
  }

  function locked(work) {
    return locks ? locks.request('mpim-refresh', work) : work();
  }

  /** A new access token. Everybody who asks meanwhile gets the same. */
  function refresh() {
    refreshing ??= locked(() => post('/api/refresh', {}))
      .then(accept)
      .catch((error) => {
        if (error instanceof Refusal && !error.passes) forget();
        throw error;
      })
      .finally(() => {
        refreshing = null;
      });
    return refreshing;
  }

  async function token() {
    if (access && access.until - now() > LEFT_MS) return access.token;
    await refresh();
    return access.token;
  }

  return {
    token,
    refresh,
    /** The token was refused: the next one is a fresh one. */
    renew() {
      access = null;
    },
    /** Whether it is worth asking for a session without a password. */
    wasSignedIn: () => storage.getItem(SIGNED_IN) === '1',
    signIn: (username, password) =>
      post('/api/login', { username, password, device: device(), cookie: true }).then(accept),
    signUp: (username, password) =>
      post('/api/register', { username, password, device: device(), cookie: true }).then(accept),
    changePassword: (old, fresh) =>
      post('/api/password', { old, new: fresh, cookie: true }, { authorized: true }).then(accept),
    /** Whatever the server says to it, this browser is signed out after. */
    async signOut(everywhere) {
      try {
        await post('/api/logout', { everywhere }, { authorized: true });
      } finally {
        forget();
      }
    },
    forget,
    device,
  };
}

/** So many random bytes, in hexadecimal. */
export function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
