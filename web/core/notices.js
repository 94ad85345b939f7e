// What comes while nobody looks at the page is shown by the system, to those who want that.

import { nameOf, nameOfUser } from './store.js';

/** Whether this browser can: only over TLS, and on one's own machine. */
export const canNotify = (Notification = globalThis.Notification) => Notification !== undefined;

/** Asks the user, if they were not asked yet: whether the page may. */
export async function mayNotify(Notification = globalThis.Notification) {
  return (await Notification.requestPermission()) === 'granted';
}

/** `isWanted()`: somebody wants it, and does not look; `onOpen(sessionId)`: they chose one. Gives what listens to the store. */
export function createNotices({ Notification = globalThis.Notification, isWanted, onOpen }) {
  let last = null;
  return (state) => {
    const message = state.announced.at(-1) ?? null;
    if (message === last) return;
    last = message;
    if (message === null || !canNotify(Notification) || Notification.permission !== 'granted' || !isWanted()) return;
    const conv = state.conversations[message.sessionId];
    const author = nameOfUser(state, message.from);
    const body = conv.peer.group === undefined ? message.content : `${author}: ${message.content}`;
    // One of each conversation, the latest.
    const shown = new Notification(nameOf(state, conv), { body, tag: conv.id, icon: 'icon.svg' });
    shown.onclick = () => {
      shown.close();
      onOpen(conv.id);
    };
  };
}
