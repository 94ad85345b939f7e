// Between the socket and the store: asks for what is to be shown, and sees to it that nothing is
// missing and nothing is there twice.

import { Refusal } from './errors.js';
import { addressOf, peerOf, sessionOf, sessionOfEvent } from './peer.js';

const ACK_MS = 200;
const HOLE_MS = 400;
const NAMES_MS = 20;
/** So many users a request, and so many requests at a time for what has one each. */
const NAMES_MAX = 100;
const AT_ONCE = 16;
const PAGE = 40;
const HOLE_PAGE = 200;
const LIST_PAGE = 100;
const LIST_MAX = 1000;
/** Who writes out of the blue may be a friend by now; that is asked at most so often. */
const STRANGER_MS = 5_000;
const TYPING_EVERY_MS = 3_000;
export const TYPING_FOR_MS = 6_000;

/** A message as it is pushed or listed, in the store's words. */
export function messageOf(body) {
  return {
    id: String(body.message_id),
    sessionId: body.session_id,
    seq: body.seq,
    from: body.from_user_id,
    content: body.content,
    at: body.timestamp,
  };
}

/** `presence(user ids)` asks who of a hundred is there: [{user_id, status}]. */
export function createSync({
  store, socket, presence,
  now = () => Date.now(),
  setTimeout = globalThis.setTimeout.bind(globalThis),
}) {
  const { dispatch } = store;
  const me = () => store.get().me.user_id;
  const acks = new Map(); // session_id → message id to confirm
  const holes = new Set(); // session_ids that are looked at
  const names = { users: new Set(), groups: new Set(), due: false, asked: new Set() }; // `asked`: or known to be nobody's
  const typingSaid = new Map();
  const asking = new Set(); // groups whose members are asked for
  let acking = false;
  let peopleAt = -Infinity;

  const handlers = {
    2001: onMessage,
    2002: onMessage,
    2003: ({ kind, user_id: userId, group_id: groupId, seq, delivered_seq: deliveredSeq }) => {
      if (kind !== 'delivered' && kind !== 'read') return;
      const sessionId = sessionOfEvent(me(), userId, groupId);
      const delivered = kind === 'delivered' ? seq : deliveredSeq;
      meetMember(groupId, userId);
      dispatch({ type: 'receipt', sessionId, userId, delivered, read: kind === 'read' ? seq : 0 });
    },
    2004: ({ from_user_id: userId, group_id: groupId }) => {
      const sessionId = sessionOfEvent(me(), userId, groupId);
      know({ users: [userId] });
      dispatch({ type: 'typing', sessionId, userId, until: now() + TYPING_FOR_MS });
      setTimeout(() => dispatch({ type: 'typing-over', now: now() }), TYPING_FOR_MS + 50);
    },
    3001: ({ user_id: userId, status }) => dispatch({ type: 'presence', userId, status }),
  };

  function onMessage(body) {
    const message = messageOf(body);
    dispatch({ type: 'message', message });
    const peer = peerOf(me(), message.sessionId);
    know({ users: [message.from, peer?.user], groups: [peer?.group] });
    if (peer) meet(peer);
    meetMember(peer?.group, message.from);
    acks.set(message.sessionId, message.id);
    if (!acking) {
      acking = true;
      setTimeout(acknowledge, ACK_MS);
    }
    look(message.sessionId);
  }

  /** Becoming friends is not pushed, nor is being let into a group from another window. */
  function meet(peer) {
    const { friends, myGroups, synced } = store.get();
    const known = peer.user === undefined ? myGroups.includes(peer.group) : friends.includes(peer.user) || peer.user === me();
    if (known || !synced || now() - peopleAt < STRANGER_MS) return;
    peopleAt = now();
    askPeople().catch(() => {});
  }

  /** Who joins a group is met when they say or read something. */
  function meetMember(groupId, userId) {
    const members = store.get().groups[groupId]?.members;
    if (!members || members.includes(userId) || asking.has(groupId)) return;
    asking.add(groupId);
    askMembers(groupId).catch(() => {}).finally(() => asking.delete(groupId));
  }

  /** One confirmation a conversation; it says that all before has come as well. */
  function acknowledge() {
    acking = false;
    for (const id of acks.values()) socket.tell(2003, { kind: 'received', message_id: id });
    acks.clear();
  }

  /** Numbers that are missing may be those of own messages that are just being answered: wait. */
  function look(sessionId) {
    const conv = store.get().conversations[sessionId];
    if (!conv || holes.has(sessionId) || conv.head <= conv.position) return;
    holes.add(sessionId);
    setTimeout(async () => {
      try {
        await fill(sessionId);
      } catch {
        // The next message, or the next log-in, looks again.
      } finally {
        holes.delete(sessionId);
      }
    }, HOLE_MS);
  }

  async function fill(sessionId) {
    for (;;) {
      const conv = store.get().conversations[sessionId];
      if (conv.head <= conv.position || conv.messages.length === 0) return;
      const upTo = conv.head;
      const ask = { session_id: sessionId, after_seq: conv.position, limit: HOLE_PAGE };
      const messages = await history(ask);
      const last = messages.length ? messages[messages.length - 1].seq : upTo;
      // An empty answer: what is missing up to the head that was known is no message.
      dispatch({ type: 'history', sessionId, messages, upTo: Math.max(last, messages.length ? 0 : upTo) });
      if (messages.length === 0) return;
    }
  }

  async function history(ask) {
    const answer = await socket.request(3004, ask);
    const messages = answer.data.messages.map(messageOf);
    know({ users: messages.map((message) => message.from) });
    return messages;
  }

  /** Names are asked for many at a time, and each once. */
  function know({ users = [], groups = [] }) {
    const state = store.get();
    for (const id of users) {
      if (id !== undefined && !state.users[id] && !names.asked.has(`u${id}`)) names.users.add(id);
    }
    for (const id of groups) {
      if (id !== undefined && !state.groups[id]?.name && !names.asked.has(`g${id}`)) names.groups.add(id);
    }
    if (names.due || names.users.size + names.groups.size === 0) return;
    names.due = true;
    setTimeout(() => {
      names.due = false;
      askNames().catch(() => {});
    }, NAMES_MS);
  }

  async function askNames() {
    const users = [...names.users];
    const groups = [...names.groups];
    names.users.clear();
    names.groups.clear();
    const asked = [...users.map((id) => `u${id}`), ...groups.map((id) => `g${id}`)];
    for (const name of asked) names.asked.add(name);
    try {
      for (const some of parts(users, NAMES_MAX)) {
        dispatch({ type: 'users', users: (await socket.operation('users', { user_ids: some })).users });
      }
      // Of a group that is not there any more nothing is said, and nothing asked again.
      for (const some of parts(groups, AT_ONCE)) await Promise.all(some.map((id) => askGroup(id).catch(passOver)));
    } catch (error) {
      for (const name of asked) names.asked.delete(name);
      throw error;
    }
  }

  async function askGroup(groupId) {
    dispatch({ type: 'group', group: await socket.operation('group', { group_id: groupId }) });
  }

  async function askMembers(groupId) {
    const { user_ids: ids } = await socket.operation('members', { group_id: groupId });
    dispatch({ type: 'members', groupId, ids });
    know({ users: ids });
  }

  async function askConversations() {
    let page;
    let listed = 0;
    do {
      const { data } = await socket.request(3002, { limit: LIST_PAGE, page });
      dispatch({ type: 'conversations', list: data.conversations });
      data.conversations.forEach(readAgain);
      const peers = data.conversations.map((entry) => peerOf(me(), entry.session_id));
      const authors = data.conversations.map((entry) => entry.last_message?.from_user_id);
      know({ users: [...peers.map((peer) => peer?.user), ...authors], groups: peers.map((p) => p?.group) });
      page = data.next_page;
      listed += data.conversations.length;
    } while (page && listed < LIST_MAX);
  }

  /** The server has not heard it: the connection was lost at that moment. */
  function readAgain({ session_id: sessionId, read_seq: known }) {
    const read = store.get().conversations[sessionId]?.read ?? 0;
    if (read > known) tellRead(sessionId, read).catch(() => {});
  }

  const tellRead = (sessionId, seq) => socket.request(2003, { kind: 'read', session_id: sessionId, seq });

  async function askPeople({ all = false } = {}) {
    const [friends, blocked, groups] = await Promise.all(
      ['friends', 'blocked', 'groups'].map((op) => socket.operation(op)),
    );
    dispatch({ type: 'friends', ids: friends.user_ids });
    dispatch({ type: 'blocked', ids: blocked.user_ids });
    dispatch({ type: 'groups', ids: groups.group_ids });
    know({ users: [me(), ...friends.user_ids, ...blocked.user_ids], groups: groups.group_ids });
    const wanted = friends.user_ids.filter((id) => all || store.get().presence[id] === undefined);
    for (const some of parts(wanted, NAMES_MAX)) {
      // What is not known now is asked for when the client comes to the front.
      const known = await presence(some).catch(() => []);
      for (const { user_id: userId, status } of known) dispatch({ type: 'presence', userId, status });
    }
  }

  /** How far the others are, which is told from now on and has to be asked for what was. */
  async function askReceipts(sessionId) {
    const { receipts } = await socket.operation('receipts', { session_id: sessionId });
    for (const { user_id: userId, delivered_seq: delivered, read_seq: read } of receipts) {
      if (userId !== me()) dispatch({ type: 'receipt', sessionId, userId, delivered, read });
    }
  }

  return {
    onPush: (type, body) => handlers[type]?.(body),

    /** After each log-in, and when the client comes to the front. */
    async refresh() {
      names.asked.clear();
      const { status } = store.get();
      if (status !== 1) await socket.request(3001, { status });
      await askConversations();
      dispatch({ type: 'synced' });
      await askPeople({ all: true });
      // What is open was perhaps read further by the others meanwhile.
      const opened = Object.values(store.get().conversations).filter((conv) => conv.opened);
      for (const conv of opened) {
        look(conv.id);
        await askReceipts(conv.id).catch(() => {});
      }
    },

    /** Somebody looks at a conversation. */
    async open(sessionId) {
      dispatch({ type: 'open', sessionId });
      const conv = store.get().conversations[sessionId];
      if (!conv) return;
      know({ users: [conv.peer.user], groups: [conv.peer.group] });
      meet(conv.peer);
      if (conv.messages.length < PAGE && !conv.begun) await this.older(sessionId);
      if (conv.peer.group !== undefined) await askMembers(conv.peer.group).catch(() => {});
      if (conv.head > 0) await askReceipts(sessionId).catch(() => {});
    },

    /** Messages before the first that is known. */
    async older(sessionId) {
      const conv = store.get().conversations[sessionId];
      if (!conv || conv.loading || conv.begun) return;
      dispatch({ type: 'loading', sessionId });
      try {
        const before = conv.messages[0]?.seq;
        const messages = await history({ session_id: sessionId, before_seq: before, limit: PAGE });
        const begun = messages.length === 0 || messages[0].seq === 1;
        const upTo = before === undefined && messages.length ? messages[messages.length - 1].seq : 0;
        dispatch({ type: 'history', sessionId, messages, before, begun, upTo });
        dispatch({ type: 'loading', sessionId, on: false });
      } catch (error) {
        // A conversation that does not exist yet, or a group that one is not in, has no history.
        if (error instanceof Refusal && !error.passes) {
          dispatch({ type: 'history', sessionId, messages: [], begun: true });
          dispatch({ type: 'loading', sessionId, on: false });
        } else {
          dispatch({ type: 'loading', sessionId, failed: true });
        }
      }
    },

    /** What is there was seen, up to a number. */
    async read(sessionId, upTo = Infinity) {
      const conv = store.get().conversations[sessionId];
      const seq = Math.min(conv?.head ?? 0, upTo);
      if (!conv || seq <= conv.read) return;
      dispatch({ type: 'read', sessionId, seq });
      // What is lost on the way is said again after the next log-in.
      await tellRead(sessionId, seq).catch(() => {});
    },

    typing(sessionId) {
      const said = typingSaid.get(sessionId) ?? -Infinity;
      if (now() - said < TYPING_EVERY_MS) return;
      typingSaid.set(sessionId, now());
      socket.tell(2004, addressOf(peerOf(me(), sessionId)));
    },

    /** For the outbox: sends one entry, and gives the message that it became. */
    async send(entry) {
      const type = entry.peer.group === undefined ? 2001 : 2002;
      const body = { message_id: entry.clientId, type: 0, content: entry.content, ...addressOf(entry.peer) };
      const answer = await socket.request(type, body);
      typingSaid.delete(sessionOf(me(), entry.peer));
      return {
        id: String(answer.message_id),
        sessionId: answer.session_id,
        seq: answer.seq,
        from: me(),
        content: entry.content,
        at: answer.timestamp ?? entry.at,
        clientId: entry.clientId,
      };
    },

    askPeople, askGroup, askMembers, know,
  };
}

function* parts(all, size) {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

/** A refusal concerns this one alone; a lost connection all of them. */
function passOver(error) {
  if (!(error instanceof Refusal)) throw error;
}
