// All windows of a browser are one device, and a device is connected once. The window that its user
// opened or chose last is it; the others wait, instead of taking the connection from each other.

const KEY = 'mpim.window';

export function createWindow({ storage = globalThis.localStorage, id }) {
  const holder = () => storage.getItem(KEY);
  return {
    /** The user wants it here. */
    claim: () => storage.setItem(KEY, id),
    /** It is this one, or nobody's and now this one. */
    isHere() {
      if (holder() === null) this.claim();
      return holder() === id;
    },
    /** No window has it: they were closed. */
    isFree: () => holder() === null,
    release() {
      if (holder() === id) storage.removeItem(KEY);
    },
  };
}
