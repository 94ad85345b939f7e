// A clock that moves when it is told to, and a server's end of a WebSocket.

/** setTimeout, clearTimeout and now that obey `pass(ms)`. */
export function fakeClock() {
  let time = 1_000_000;
  let last = 0;
  const timers = new Map();
  return {
    now: () => time,
    setTimeout(what, ms = 0) {
      timers.set(++last, { at: time + ms, what });
      return last;
    },
    clearTimeout: (id) => timers.delete(id),
    /** Lets so much time pass, and all that is due happen in order. */
    async pass(ms) {
      const end = time + ms;
      for (;;) {
        const [id, timer] = [...timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
        if (!timer || timer.at > end) break;
        timers.delete(id);
        time = Math.max(time, timer.at);
        timer.what();
        await settle();
      }
      time = end;
      await settle();
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Everything that waits for nothing but its turn has it. */
export async function settle() {
  for (let n = 0; n < 20; n += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

/** A class to use as WebSocket; `opened` has each, the latest last. */
export function fakeWebSocket() {
  const opened = [];
  class Fake {
    constructor(url, protocol) {
      Object.assign(this, { url, protocol, sent: [], closed: false });
      opened.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    // What the server does.
    open() {
      this.onopen();
    }

    say(message) {
      this.onmessage({ data: JSON.stringify(message) });
    }

    /** Answers the latest request of a type. */
    answer(type, answerType, body) {
      const request = this.sent.filter((one) => one.type === type).pop();
      this.say({ type: answerType, id: request.id, body });
    }

    end(code) {
      this.onclose({ code });
    }
  }
  return { Fake, opened, latest: () => opened[opened.length - 1] };
}

/** What `localStorage` is to the windows of one browser; `others` hear of what `one` wrote. */
export function fakeStorage() {
  const kept = new Map();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
}

/** The server of sessions and a browser's cookie: a refresh token is good once. */
export function fakeSessions(now = () => Date.now()) {
  const server = {
    cookie: null, granted: 0, asked: [], failures: [], ahead: 0, users: { ada: 1, bob: 2 },
    async fetch(url, { body, headers }) {
      const { username, ...rest } = JSON.parse(body);
      server.asked.push([url, { ...(username && { username }), ...rest }, headers.authorization]);
      await new Promise((resolve) => setImmediate(resolve));
      const failure = server.failures.shift();
      if (failure instanceof Error) throw failure;
      const answer = failure ?? server.answer(url, username);
      const date = new Date(now() + server.ahead).toUTCString();
      return { ok: answer.code === 0, json: async () => answer, headers: new Headers({ date }) };
    },
    answer(url, username) {
      if (url === '/api/logout') {
        server.cookie = null;
        return { code: 0, data: {} };
      }
      if (url === '/api/refresh' && server.cookie === null) return { code: 1004, message: 'invalid token' };
      const name = username ?? server.cookie;
      server.cookie = name;
      server.granted += 1;
      return {
        code: 0,
        data: {
          user_id: server.users[name], username: name, nickname: name, role: 'user', token: `${name} ${server.granted}`,
          expire_time: Math.floor((now() + server.ahead + 900_000) / 1000),
        },
      };
    },
    refreshes: () => server.asked.filter(([url]) => url === '/api/refresh').length,
  };
  return server;
}
