// The WebSocket: logs in, keeps the connection alive, finds the answer to each request, and comes
// back after whatever ended it, as docs/CLIENTS.md says. Knows nothing of what is said.

import { Lost, Refusal } from './errors.js';

const LOGIN_MS = 10_000;
const HEARTBEAT_MS = 30_000;
const BEAT_MS = 10_000;
/** Answers come in order, and the server holds a message for a while when its database is away. */
const ANSWER_MS = 30_000;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A log-in that lasted so long was a good one, and the pauses begin anew. */
const GOOD_MS = 10_000;
const FULL_MIN_MS = 5_000;

/** What a close code asks for. */
export function afterClose(code) {
  switch (code) {
    case 1000: return 'stop';
    case 1001: return 'soon';
    case 4000: return 'now';
    case 1013: return 'later';
    case 4001: return 'elsewhere';
    case 4002: return 'revoked';
    case 4003: return 'refresh';
    default: return 'backoff';
  }
}

/** Half of the pause is fixed and half is chance, so that many do not come back as one. */
export function pauseMs(attempt, random) {
  const whole = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** attempt);
  return whole / 2 + (whole / 2) * random();
}

/**
 * `options`:
 *   url       of /ws
 *   token     async () => access token; throws Refusal if there is none any more
 *   renew     (token): it is no good
 *   isHere    () => whether this window is the one to be connected
 *   client    client_info of the log-in
 *   onPush    (type, body)
 *   onLink    ({state, retryAt}): idle, connecting, online, waiting, elsewhere
 *   onLogin   (data of 1002)
 *   onOut     (): logged out for good
 * and for tests: WebSocket, setTimeout, clearTimeout, now, random.
 */
export function createSocket(options) {
  const {
    url, token, renew, isHere = () => true, client, onPush, onLink, onLogin, onOut,
    WebSocket = globalThis.WebSocket,
    setTimeout = globalThis.setTimeout.bind(globalThis),
    clearTimeout = globalThis.clearTimeout.bind(globalThis),
    now = () => Date.now(),
    random = Math.random,
  } = options;

  let socket = null;
  let wanted = false;
  let attempt = 0;
  let loggedInAt = 0;
  let refusedBefore = false;
  let notBefore = 0; // the server said so, and nobody's hurry changes it
  let used = null; // the token of the present connection
  let lastId = 0;
  let run = 0; // which attempt is the present one: what belongs to an older one is ignored
  const waiting = new Map();
  const timers = { retry: null, login: null, beat: null };
  let state = 'idle';

  function become(next, retryAt = 0) {
    state = next;
    onLink({ state, retryAt });
  }

  function later(name, ms, what) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(what, ms);
  }

  function start() {
    if (wanted && state !== 'elsewhere' && state !== 'waiting') return;
    wanted = true;
    attempt = 0;
    connect();
  }

  async function connect() {
    if (!wanted) return;
    clearTimeout(timers.retry);
    drop();
    if (!isHere()) return elsewhere();
    const mine = ++run;
    become('connecting');
    try {
      used = await token();
    } catch (error) {
      if (mine !== run) return;
      if (error instanceof Refusal && !error.passes) return out();
      return retry(pauseMs(attempt++, random), error.retryAfterMs);
    }
    if (mine !== run || !wanted) return;
    const opened = new WebSocket(url, 'mpim.v1');
    socket = opened;
    const isPresent = () => socket === opened;
    later('login', LOGIN_MS, () => isPresent() && ended(1006));
    opened.onopen = () => isPresent() && logIn(used, isPresent);
    opened.onmessage = (event) => isPresent() && receive(event.data);
    opened.onclose = (event) => isPresent() && ended(event.code);
  }

  async function logIn(access, isPresent) {
    try {
      const body = { auth_type: 'token', token: access, client_info: client, acks: true };
      const answer = await send(1001, body);
      if (!isPresent()) return;
      clearTimeout(timers.login);
      loggedInAt = now();
      become('online');
      beat();
      onLogin(answer.data);
    } catch (error) {
      if (!isPresent() || !(error instanceof Refusal)) return;
      // A token that ran out meanwhile; a fresh one that is refused as well is the end.
      if (error.passes || error.code === 1006) return ended(1013, error.retryAfterMs);
      if (refusedBefore) return out();
      refusedBefore = true;
      renew(access);
      ended(4000);
    }
  }

  function receive(data) {
    if (typeof data !== 'string') return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    const { type, id, body = {} } = message;
    const asked = waiting.get(id);
    if (!asked) {
      // An answer that nobody waits for any more is no push.
      if (id === undefined && body.code === undefined) onPush(type, body);
      return;
    }
    waiting.delete(id);
    clearTimeout(asked.timer);
    if (body.code === undefined || body.code === 0) asked.resolve(body);
    else asked.reject(new Refusal(body));
  }

  function send(type, body, ms = ANSWER_MS) {
    return new Promise((resolve, reject) => {
      const id = String(++lastId);
      const timer = setTimeout(() => waiting.has(id) && ended(1006), ms);
      waiting.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ type, id, body }));
    });
  }

  function beat() {
    later('beat', HEARTBEAT_MS, () => {
      if (state !== 'online') return;
      // Behind a request that waits it would wait as well, and tell nothing that that does not.
      if (waiting.size > 0) beat();
      else send(9002, {}, BEAT_MS).then(beat, () => {});
    });
  }

  /** The connection is over. What waited for an answer hears that nobody knows. */
  function ended(code, retryAfterMs) {
    const lasted = loggedInAt > 0 && now() - loggedInAt >= GOOD_MS;
    if (lasted) {
      attempt = 0;
      refusedBefore = false;
    }
    drop();
    if (!wanted) return become('idle');
    switch (afterClose(code)) {
      case 'stop': return out();
      case 'elsewhere': return elsewhere();
      case 'revoked': return out();
      case 'refresh':
        // Where there is no session any more, the refresh is refused, and that is the end.
        renew(used);
        return retry(attempt++ ? pauseMs(attempt, random) : 0);
      case 'now': return retry(attempt++ ? pauseMs(attempt, random) : 0);
      case 'soon': return retry(attempt++ ? pauseMs(attempt, random) : 1000 * random());
      case 'later': return retry(pauseMs(attempt++, random), retryAfterMs ?? FULL_MIN_MS);
      default: return retry(pauseMs(attempt++, random));
    }
  }

  /** In `ms`, or when the server has said that it may be, if that is later. */
  function retry(ms, atLeastMs = 0) {
    notBefore = now() + atLeastMs;
    const wait = Math.max(ms, atLeastMs);
    become('waiting', now() + wait);
    later('retry', wait, connect);
  }

  function elsewhere() {
    wanted = false;
    become('elsewhere');
  }

  function drop() {
    const old = socket;
    socket = null;
    loggedInAt = 0;
    for (const timer of Object.values(timers)) clearTimeout(timer);
    const asked = [...waiting.values()];
    waiting.clear();
    for (const { reject, timer } of asked) {
      clearTimeout(timer);
      reject(new Lost());
    }
    if (old) old.close();
  }

  function out() {
    stop();
    onOut();
  }

  function stop() {
    wanted = false;
    run += 1;
    drop();
    become('idle');
  }

  return {
    start,
    stop,
    /** Not later but now: the network is back, or somebody looks. */
    hurry() {
      if (!wanted || state !== 'waiting') return;
      if (notBefore > now()) return retry(notBefore - now(), notBefore - now());
      attempt = 0;
      connect();
    },
    /** Sends a request. Rejects with Refusal or Lost. */
    request(type, body = {}) {
      return state === 'online' ? send(type, body) : Promise.reject(new Lost());
    },
    /** Asks for an operation of type 4001, and gives its data. */
    async operation(op, args = {}) {
      const answer = await this.request(4001, { op, ...args });
      return answer.data ?? {};
    },
    /** Says something that needs no answer. */
    tell(type, body) {
      if (state === 'online') socket.send(JSON.stringify({ type, body }));
    },
  };
}
