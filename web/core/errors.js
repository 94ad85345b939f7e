// The two ways in which a request fails.

/** The server said no. */
export class Refusal extends Error {
  constructor({ code, message, retry_after_ms }) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.words = message ?? '';
    this.retryAfterMs = retry_after_ms;
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return passes(this.code);
  }
}

/** Whether a refusal with this code says nothing of the request: the server failed, or was busy. */
export function passes(code) {
  return [5001, 5002, 5003].includes(code);
}

/** Nobody knows what became of it: the connection was lost, or there is none. */
export class Lost extends Error {
  constructor(why = 'not connected') {
    super(why);
    this.name = 'Lost';
  }
}
