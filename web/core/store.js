// Everything that the views show, and the one function that changes it. Pure: no clock, no DOM, no
// network. Views read it; `sync` and `outbox` dispatch to it.

import * as conversation from './conversation.js';
import { peerOf, sessionOf } from './peer.js';

export const initial = {
  phase: 'starting', // then 'out' or 'in'
  late: false, // the server cannot be reached, and there is nothing to show yet
  me: null,
  link: { state: 'idle', retryAt: 0 }, // 'connecting', 'online', 'waiting', 'elsewhere'
  synced: false,
  users: {},
  groups: {},
  friends: [],
  blocked: [],
  myGroups: [],
  presence: {},
  status: 1,
  devices: null,
  conversations: {},
  typing: {},
  toasts: [],
  announced: [],
};

const TOASTS_MAX = 4;
const ANNOUNCED_MAX = 5;

export function createStore(state = initial) {
  const listeners = new Set();
  return {
    get: () => state,
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of listeners) listener(state, action);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function reduce(state, action) {
  const change = changes[action.type];
  if (!change) throw new Error(`no such action: ${action.type}`);
  return change(state, action);
}

const changes = {
  // An answer need not have everything that another had.
  'signed-in': (state, { me }) => ({ ...state, phase: 'in', me: { ...state.me, ...filled(me) } }),
  late: (state) => (state.phase === 'starting' ? { ...state, late: true } : state),
  'signed-out': (state) => ({ ...initial, phase: 'out', toasts: state.toasts }),
  link: (state, { link }) => ({ ...state, link, synced: link.state === 'online' && state.synced }),
  synced: (state) => ({ ...state, synced: true }),
  status: (state, { status }) => ({ ...state, status }),
  devices: (state, { devices }) => ({ ...state, devices }),
  revoked: (state, { name }) => ({ ...state, devices: state.devices?.filter((device) => device.name !== name) ?? null }),

  users: (state, { users }) => {
    const all = { ...state.users };
    for (const user of users) all[user.user_id] = user;
    return { ...state, users: all };
  },
  friends: (state, { ids }) => {
    const presence = Object.entries(state.presence).filter(([id]) => ids.includes(Number(id)));
    return { ...state, friends: ids, presence: Object.fromEntries(presence) };
  },
  blocked: (state, { ids }) => ({ ...state, blocked: ids }),
  groups: (state, { ids }) => ({ ...state, myGroups: ids }),
  group: (state, { group }) => withGroup(state, group.group_id, group),
  members: (state, { groupId, ids }) => withGroup(state, groupId, { members: ids }),
  presence: (state, { userId, status }) =>
    state.presence[userId] === status
      ? state
      : { ...state, presence: { ...state.presence, [userId]: status } },

  conversations: (state, { list }) => {
    const all = { ...state.conversations };
    for (const entry of list) {
      const before = all[entry.session_id] ?? fresh(state, entry.session_id);
      if (before) all[entry.session_id] = conversation.listed(before, entry, state.me.user_id);
    }
    return { ...state, conversations: all };
  },
  open: (state, { sessionId }) => {
    const opened = within(state, sessionId, (conv) => (conv.opened ? conv : { ...conv, opened: true, atEnd: true }));
    // One looks at one at a time.
    const others = Object.values(opened.conversations).filter((conv) => conv.opened && conv.id !== sessionId);
    const closed = others.map((conv) => [conv.id, { ...conversation.trimmed(conv), opened: false }]);
    return { ...opened, conversations: { ...opened.conversations, ...Object.fromEntries(closed) } };
  },
  'at-end': (state, { sessionId, on }) =>
    within(state, sessionId, (conv) => (conv.atEnd === on ? conv : { ...conv, atEnd: on })),
  draft: (state, { sessionId, draft }) => within(state, sessionId, (conv) => ({ ...conv, draft })),
  loading: (state, { sessionId, failed = false, on = !failed }) =>
    within(state, sessionId, (conv) => ({ ...conv, loading: on, failed })),
  history: (state, { sessionId, messages, before, begun, upTo }) =>
    within(state, sessionId, (conv) => {
      // What it goes before was let go meanwhile: between them would be a hole.
      if (before !== undefined && conv.messages[0]?.seq !== before) return conv;
      let next = conversation.withMessages(conv, messages, state.me.user_id);
      if (begun) next = { ...next, begun: true };
      if (upTo) next = conversation.covered(next, upTo);
      return conv.opened ? next : conversation.trimmed(next);
    }),
  message: (state, { message }) => withMessage(state, message),

  pending: (state, { entry }) =>
    within(state, sessionOf(state.me.user_id, entry.peer), (conv) =>
      conversation.withPending(conv, entry)),
  discarded: (state, { entry }) =>
    within(state, sessionOf(state.me.user_id, entry.peer), (conv) =>
      conversation.withoutPending(conv, entry.clientId)),
  sent: (state, { entry, message }) =>
    within(state, message.sessionId, (conv) => {
      const rest = conversation.withoutPending(conv, entry.clientId);
      const next = conversation.withMessages(rest, [message], state.me.user_id);
      return conversation.bounded(conversation.pushed(next, message.seq));
    }),

  read: (state, { sessionId, seq }) =>
    within(state, sessionId, (conv) => conversation.readUpTo(conv, seq, state.me.user_id)),
  receipt: (state, { sessionId, userId, delivered, read }) =>
    within(state, sessionId, (conv) => conversation.receipt(conv, userId, { delivered, read })),

  typing: (state, { sessionId, userId, until }) => {
    const typing = { ...state.typing[sessionId], [userId]: until };
    return { ...state, typing: { ...state.typing, [sessionId]: typing } };
  },
  'typing-over': (state, { now }) => {
    const typing = {};
    for (const [sessionId, users] of Object.entries(state.typing)) {
      const still = Object.entries(users).filter(([, until]) => until > now);
      if (still.length) typing[sessionId] = Object.fromEntries(still);
    }
    return { ...state, typing };
  },

  toast: (state, { toast }) => ({ ...state, toasts: [...state.toasts, toast].slice(-TOASTS_MAX) }),
  'toast-gone': (state, { id }) => ({ ...state, toasts: state.toasts.filter((t) => t.id !== id) }),
};

/** What somebody says was heard: their message, and that they do not type any more. */
function withMessage(state, message) {
  const me = state.me.user_id;
  const before = state.conversations[message.sessionId];
  let next = within(state, message.sessionId, (conv) => {
    // Again, and so old that it was let go: it would stand before a hole.
    if (message.seq <= conv.position && message.seq < conv.messages[0]?.seq) return conv;
    const after = conversation.pushed(conversation.withMessages(conv, [message], me), message.seq);
    return conversation.bounded(after);
  });
  const isNew = next.conversations[message.sessionId]?.messages !== before?.messages;
  if (isNew && message.from !== me) {
    const { [message.from]: over, ...others } = next.typing[message.sessionId] ?? {};
    if (over) next = { ...next, typing: { ...next.typing, [message.sessionId]: others } };
    next = { ...next, announced: [...next.announced, message].slice(-ANNOUNCED_MAX) };
  }
  return next;
}

/** Without what says nothing. */
function filled(me) {
  return Object.fromEntries(Object.entries(me).filter(([, value]) => value !== undefined && value !== ''));
}

function withGroup(state, groupId, fields) {
  const group = { group_id: groupId, ...state.groups[groupId], ...fields };
  return { ...state, groups: { ...state.groups, [groupId]: group } };
}

function fresh(state, sessionId) {
  const peer = peerOf(state.me.user_id, sessionId);
  return peer && conversation.empty(sessionId, peer);
}

function within(state, sessionId, change) {
  const before = state.conversations[sessionId] ?? fresh(state, sessionId);
  if (!before) return state;
  const after = change(before);
  if (after === state.conversations[sessionId]) return state;
  return { ...state, conversations: { ...state.conversations, [sessionId]: after } };
}

// What views ask of the state.

export function nameOfUser(state, userId) {
  return state.users[userId]?.nickname ?? `#${userId}`;
}

export function nameOf(state, conv) {
  if (conv.peer.group !== undefined) {
    return state.groups[conv.peer.group]?.name ?? `#${conv.peer.group}`;
  }
  return nameOfUser(state, conv.peer.user);
}

/** The others in a conversation, as far as they are known. */
export function othersIn(state, conv) {
  if (conv.peer.user !== undefined) return conv.peer.user === state.me.user_id ? [] : [conv.peer.user];
  return (state.groups[conv.peer.group]?.members ?? []).filter((id) => id !== state.me.user_id);
}

/** The conversation in which something happened last first. */
export function inOrder(state) {
  const shown = Object.values(state.conversations).filter((conv) =>
    conv.last || conv.pending.length || conv.messages.length || conv.head > 0
      || (conv.peer.group !== undefined && state.myGroups.includes(conv.peer.group)));
  return shown.sort((a, b) => conversation.latest(b) - conversation.latest(a) || (a.id < b.id ? -1 : 1));
}

export function unreadOfAll(state) {
  return Object.values(state.conversations).reduce((sum, conv) => sum + conv.unread, 0);
}

/** How many messages wait to be sent, or were refused. */
export function waitingOfAll(state) {
  return Object.values(state.conversations).reduce((sum, conv) => sum + conv.pending.length, 0);
}
