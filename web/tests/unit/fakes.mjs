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
