// The client without its views: store, session, socket, sync and outbox put together, and what a
// user can do with them.

import { createOutbox, openDisk } from './outbox.js';
import { addressOf, sessionOf } from './peer.js';
import { createSession, randomHex } from './session.js';
import { createSocket } from './socket.js';
import { createStore } from './store.js';
import { createSync } from './sync.js';
import { explain } from './i18n.js';

const TOAST_MS = 5_000;
const BOOT_RETRY_MS = 2_000;
/** Lists are asked for again when the client comes to the front after so long. */
const STALE_MS = 15_000;

export function createClient({ location = window.location, t }) {
  const store = createStore();
  const { dispatch } = store;
  const session = createSession();
  let outbox = null;
  let lastToast = 0;
  let lastAt = 0;
  let refreshedAt = 0;

  const socket = createSocket({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`,
    token: session.token,
    renew: session.renew,
    client: { platform: 'web', version: '1', device_id: session.device().slice('web:'.length) },
    onPush: (type, body) => sync.onPush(type, body),
    onLink(link) {
      if (link.state !== 'online') outbox?.stop();
      dispatch({ type: 'link', link });
    },
    async onLogin(data) {
      dispatch({ type: 'signed-in', me: data });
      outbox?.start();
      await refresh();
    },
    onOut() {
      if (store.get().phase === 'in') toast('error', 'error.signed_out');
      signedOut();
    },
  });
  const sync = createSync({ store, socket });

  async function refresh() {
    refreshedAt = Date.now();
    // Whatever is lost on the way is asked for again after the next log-in.
    await sync.refresh().catch(() => {});
  }

  async function signedIn(data) {
    const me = data.user_id;
    dispatch({ type: 'signed-in', me: data });
    outbox = createOutbox({
      me,
      disk: await openDisk(me),
      send: sync.send,
      on: {
        pending: (entry) => dispatch({ type: 'pending', entry }),
        sent: (entry, message) => dispatch({ type: 'sent', entry, message }),
        discarded: (entry) => dispatch({ type: 'discarded', entry }),
      },
    });
    await outbox.load();
    socket.start();
  }

  function signedOut() {
    socket.stop();
    outbox?.stop();
    outbox = null;
    session.forget();
    dispatch({ type: 'signed-out' });
  }

  function toast(kind, key, values = {}) {
    const id = ++lastToast;
    dispatch({ type: 'toast', toast: { id, kind, text: t()(key, values) } });
    setTimeout(() => dispatch({ type: 'toast-gone', id }), TOAST_MS);
  }

  /** Does it, and shows what went wrong; gives whether it went well. */
  async function attempt(work, done) {
    try {
      await work();
      if (done) toast('done', done);
      return true;
    } catch (error) {
      dispatch({ type: 'toast', toast: { id: ++lastToast, kind: 'error', text: explain(t(), error) } });
      const id = lastToast;
      setTimeout(() => dispatch({ type: 'toast-gone', id }), TOAST_MS);
      return false;
    }
  }

  const operation = (op, args) => socket.operation(op, args);

  const actions = {
    /** A session from before, if there is one. */
    async boot() {
      if (!session.wasSignedIn()) return dispatch({ type: 'signed-out' });
      try {
        await signedIn(await session.refresh());
      } catch (error) {
        if (error.name === 'Refusal' && !error.passes) return signedOut();
        setTimeout(actions.boot, BOOT_RETRY_MS);
      }
    },
    signIn: async (username, password) => signedIn(await session.signIn(username, password)),
    signUp: async (username, password) => signedIn(await session.signUp(username, password)),
    async signOut(everywhere = false) {
      await session.signOut(everywhere).catch(() => {});
      signedOut();
    },
    changePassword: (old, fresh) => session.changePassword(old, fresh),

    /** This device is used somewhere else; here is where it is wanted. */
    takeOver: () => socket.start(),
    hurry: () => socket.hurry(),
    refresh() {
      socket.hurry();
      if (Date.now() - refreshedAt > STALE_MS && store.get().link.state === 'online') refresh();
    },

    send(sessionId, peer, content) {
      lastAt = Math.max(Date.now(), lastAt + 1);
      return outbox.add({ clientId: randomHex(16), peer, content, at: lastAt });
    },
    retry: (clientId) => outbox.retry(clientId),
    discard: (clientId) => outbox.discard(clientId),
    open: (sessionId) => sync.open(sessionId).catch(() => {}),
    older: (sessionId) => sync.older(sessionId),
    read: (sessionId) => sync.read(sessionId),
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
        await actions.devices();
      }, 'devices.revoked'),
    setStatus: (status) =>
      attempt(async () => {
        await socket.request(3001, { status });
        dispatch({ type: 'status', status });
      }),

    toast,
    attempt,
    sessionOf: (peer) => sessionOf(store.get().me.user_id, peer),
    addressOf,
  };

  return { store, actions };
}
