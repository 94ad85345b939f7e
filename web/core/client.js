// The client without its views: store, session, socket, sync and outbox put together, and what a
// user can do with them.

import { createOutbox, openDisk } from './outbox.js';
import { addressOf, sessionOf } from './peer.js';
import { createSession, randomHex } from './session.js';
import { createSocket, pauseMs } from './socket.js';
import { createStore } from './store.js';
import { createSync } from './sync.js';
import { createWindow } from './window.js';
import { explain } from './i18n.js';

const TOAST_MS = 5_000;
/** Lists are asked for again when the client comes to the front after so long. */
const STALE_MS = 15_000;
const makeId = () => randomHex(16);

/** `page`: {location, isHidden}; the others are what tests put in the browser's place. */
export function createClient({
  t,
  page = { location: window.location, isHidden: () => document.hidden },
  storage = globalThis.localStorage,
  diskOf = openDisk,
  setTimeout = globalThis.setTimeout.bind(globalThis),
  random = Math.random,
  parts = {}, // options of session and socket
}) {
  const store = createStore();
  const { dispatch } = store;
  const here = createWindow({ storage, id: randomHex(8) });
  const session = createSession({ storage, onOther: follow, ...parts.session });
  let outbox = null;
  let lastToast = 0;
  let lastAt = 0;
  let refreshedAt = 0;
  let boots = 0; // failed in a row
  let run = 0; // whose turn it is: what belongs to an older one is over

  const { protocol, host } = page.location;
  const socket = createSocket({
    url: `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`,
    token: session.token,
    renew: session.renew,
    isHere: here.isHere,
    client: { platform: 'web', version: '1', device_id: session.device().slice('web:'.length) },
    onPush: (type, body) => sync.onPush(type, body),
    onLink(link) {
      if (link.state !== 'online') outbox?.stop();
      dispatch({ type: 'link', link });
    },
    async onLogin(data) {
      if (data.user_id !== store.get().me?.user_id) return out();
      dispatch({ type: 'signed-in', me: data });
      outbox?.start();
      await refresh();
    },
    onOut: out,
    ...parts.socket,
  });
  const sync = createSync({
    store,
    socket,
    presence: async (ids) => (await session.get(`/api/presence?ids=${ids}`)).presence,
  });

  async function refresh() {
    refreshedAt = Date.now();
    // Whatever is lost on the way is asked for again after the next log-in.
    await sync.refresh().catch(() => {});
  }

  /** `claims`: whoever looks at this window wants it here. */
  async function signedIn({ token, ...me }, claims) {
    const turn = ++run;
    const disk = await diskOf(me.user_id);
    if (turn !== run) return;
    const mine = outbox = createOutbox({
      me: me.user_id,
      disk,
      send: sync.send,
      makeId,
      on: {
        pending: (entry) => outbox === mine && dispatch({ type: 'pending', entry }),
        sent: (entry, message) => outbox === mine && dispatch({ type: 'sent', entry, message }),
        discarded: (entry) => outbox === mine && dispatch({ type: 'discarded', entry }),
      },
    });
    dispatch({ type: 'signed-in', me });
    await mine.load();
    if (turn !== run) return;
    if (claims) here.claim();
    socket.start();
  }

  /** Nothing of the user stays in this window. */
  function leave() {
    run += 1;
    socket.stop();
    outbox?.stop();
    outbox = null;
    dispatch({ type: 'signed-out' });
  }

  /** The session is over. */
  function out() {
    if (store.get().phase === 'in') toast('error', 'error.signed_out');
    session.forget();
    leave();
  }

  /** Somebody else has signed in in another window, or this user has left there. */
  function follow() {
    leave();
    if (session.wasSignedIn()) boot(false);
  }

  /** A session from before, if there is one. */
  async function boot(claims) {
    const turn = ++run;
    session.settle();
    if (!session.wasSignedIn()) return dispatch({ type: 'signed-out' });
    let current;
    try {
      current = await session.current();
      boots = 0;
    } catch (error) {
      if (turn !== run) return;
      if (error.name === 'Refusal' && !error.passes) return leave();
      if (!['Refusal', 'Lost'].includes(error.name)) throw error;
      dispatch({ type: 'late' });
      setTimeout(() => turn === run && boot(claims), Math.max(pauseMs(boots++, random), error.retryAfterMs ?? 0));
      return;
    }
    if (turn === run) await signedIn(current, claims);
  }

  function showToast(kind, text) {
    const id = ++lastToast;
    dispatch({ type: 'toast', toast: { id, kind, text } });
    setTimeout(() => dispatch({ type: 'toast-gone', id }), TOAST_MS);
  }

  const toast = (kind, key, values = {}) => showToast(kind, t()(key, values));

  /** Does it, and shows what went wrong; gives whether it went well. */
  async function attempt(work, done) {
    try {
      await work();
      if (done) toast('done', done);
      return true;
    } catch (error) {
      showToast('error', explain(t(), error));
      return false;
    }
  }

  const operation = (op, args) => socket.operation(op, args);

  const actions = {
    /** A page that nobody looks at does not take the connection from one that is there. */
    boot: () => boot(!page.isHidden()),
    async signIn(username, password) {
      here.claim();
      await signedIn(await session.signIn(username, password));
    },
    async signUp(username, password) {
      here.claim();
      await signedIn(await session.signUp(username, password));
    },
    /** Messages that wait to be sent go with whoever leaves. */
    async signOut(everywhere = false) {
      socket.stop();
      await outbox?.clear();
      const ended = session.signOut(everywhere);
      leave();
      await ended;
    },
    changePassword: (old, fresh) => session.changePassword(old, fresh),

    /** This device is used somewhere else; here is where it is wanted. */
    takeOver() {
      here.claim();
      socket.start();
    },
    hurry: () => socket.hurry(),
    /** Somebody looks at the page. */
    refresh() {
      if (store.get().link.state === 'elsewhere' && here.isFree()) actions.takeOver();
      socket.hurry();
      if (Date.now() - refreshedAt > STALE_MS && store.get().link.state === 'online') refresh();
    },

    send(sessionId, peer, content) {
      lastAt = Math.max(Date.now(), lastAt + 1);
      return outbox.add({ clientId: makeId(), peer, content, at: lastAt });
    },
    retry: (clientId) => outbox.retry(clientId),
    discard: (clientId) => outbox.discard(clientId),
    atEnd: (sessionId, on) => dispatch({ type: 'at-end', sessionId, on }),
    open: (sessionId) => sync.open(sessionId).catch(() => {}),
    older: (sessionId) => sync.older(sessionId),
    read: (sessionId, seq) => sync.read(sessionId, seq),
    typing: (sessionId) => sync.typing(sessionId),
    draft: (sessionId, draft) => dispatch({ type: 'draft', sessionId, draft }),

    /** Finds a user by name; `null` if there is none. */
    async find(username) {
      const { users } = await operation('users', { username });
      dispatch({ type: 'users', users });
      return users[0] ?? null;
    },
    async addFriend(userId) {
      await operation('add_friend', { user_id: userId });
      await sync.askPeople();
    },
    removeFriend: (userId) =>
      attempt(async () => {
        await operation('remove_friend', { user_id: userId });
        await sync.askPeople();
      }, 'friends.removed'),
    block: (userId, on) =>
      attempt(async () => {
        await operation(on ? 'block' : 'unblock', { user_id: userId });
        await sync.askPeople();
      }, on ? 'friends.blocked_done' : 'friends.unblocked_done'),

    async createGroup(name, description) {
      const { group_id: groupId } = await operation('create_group', { name, description });
      await sync.askPeople();
      return groupId;
    },
    async joinGroup(groupId) {
      await operation('join_group', { group_id: groupId });
      await sync.askPeople();
    },
    leaveGroup: (groupId) =>
      attempt(async () => {
        await operation('leave_group', { group_id: groupId });
        await sync.askPeople();
      }, 'groups.left'),
    async group(groupId) {
      await sync.askGroup(groupId);
      return store.get().groups[groupId];
    },
    members: (groupId) => sync.askMembers(groupId),

    async devices() {
      dispatch({ type: 'devices', devices: (await operation('devices')).devices });
    },
    revoke: (name) =>
      attempt(async () => {
        await operation('revoke_device', { name });
        // The server may list it until its connection is closed, a moment later.
        dispatch({ type: 'revoked', name });
      }, 'devices.revoked'),
    setStatus: (status) =>
      attempt(async () => {
        await socket.request(3001, { status });
        dispatch({ type: 'status', status });
      }),

    /** The page goes away. */
    hide: here.release,
    /** Another window has written what all of them share. */
    shared() {
      if (store.get().phase === 'out' && session.wasSignedIn()) boot(false);
      else session.changed();
    },

    toast,
    attempt,
    sessionOf: (peer) => sessionOf(store.get().me.user_id, peer),
    addressOf,
  };

  return { store, actions };
}
