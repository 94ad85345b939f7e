// One conversation as the client knows it. Pure: each function gives a new one, or the same where
// nothing changed.
//
//   messages   those that are known, ascending by seq, each once
//   pending    what is on its way: in the outbox, or refused
//   head, read the numbers of the newest entry, and of the last that this user has read
//   unread     of others above `read`; 100 stands for 100 or more
//   position   up to here nothing is missing behind the first of `messages`
//   begun      there is nothing before the first of `messages`
//   opened     somebody looks at it; `atEnd`: at its end

const UNREAD_MAX = 100;
/** Of a conversation that nobody looks at no more are kept: the rest is history, to be asked for. */
const KEPT = 200;
/** Where somebody looks, as many: at its end, and further up, where one reads what would go. */
const AT_END_MAX = 600;
const AWAY_MAX = 3000;

export function empty(id, peer) {
  return {
    id, peer, head: 0, read: 0, unread: 0, last: null, messages: [], pending: [],
    position: 0, begun: false, loading: false, failed: false, opened: false, atEnd: true,
    delivered: {}, readBy: {}, draft: '',
  };
}

/** What the server lists; it may be older than what was pushed meanwhile. */
export function listed(conv, entry, me) {
  const read = Math.max(conv.read, entry.read_seq);
  const head = Math.max(conv.head, entry.head_seq);
  const since = conv.messages.filter((m) => m.seq > entry.head_seq && m.seq > read && m.from !== me).length;
  let unread = Math.min(UNREAD_MAX, entry.unread + since);
  if (read > entry.read_seq) unread = read >= head ? 0 : countUnread(conv.messages, read, me);
  return { ...conv, read, head, unread, last: newer(conv.last, listedLast(conv, entry)) };
}

/** The number of the newest entry need not be that of the last message: people come and go after it. */
function listedLast(conv, { head_seq: head, last_message: last }) {
  if (!last) return null;
  const { message_id: id, from_user_id: from, content, timestamp: at } = last;
  const known = conv.messages.findLast((message) => message.id === id);
  return { id, seq: known?.seq ?? head, from, content, at };
}

/** Messages that were pushed, fetched or sent. Who has a number already keeps it. */
export function withMessages(conv, messages, me) {
  const { fresh, all } = merge(conv.messages, messages);
  if (fresh.length === 0) return conv;
  const newest = all[all.length - 1];
  const unseen = fresh.filter((m) => m.seq > conv.head && m.seq > conv.read && m.from !== me).length;
  return {
    ...conv,
    messages: all,
    head: Math.max(conv.head, newest.seq),
    unread: Math.min(UNREAD_MAX, conv.unread + unseen),
    last: newer(conv.last, newest),
  };
}

function merge(before, messages) {
  // Most of what comes is one message, and the newest: a backlog is many of those.
  const newest = before[before.length - 1]?.seq ?? 0;
  if (messages.length === 1 && messages[0].seq > newest) return { fresh: messages, all: [...before, messages[0]] };
  const known = new Set(before.map((m) => m.seq));
  const fresh = messages.filter((m) => !known.has(m.seq) && known.add(m.seq));
  return { fresh, all: [...before, ...fresh].sort((a, b) => a.seq - b.seq) };
}

/** Nobody looks at it any more, or yet: the last messages are enough. */
export function trimmed(conv) {
  if (conv.messages.length <= KEPT) return conv;
  return { ...conv, messages: conv.messages.slice(-KEPT), begun: false };
}

/** The same for one that somebody may look at. */
export function bounded(conv) {
  if (conv.opened && conv.messages.length <= (conv.atEnd ? AT_END_MAX : AWAY_MAX)) return conv;
  return trimmed(conv);
}

/** Nothing is missing up to `seq`. */
export function covered(conv, seq) {
  return seq > conv.position ? { ...conv, position: seq } : conv;
}

/** The number of a pushed message moves the position only if it is the next. */
export function pushed(conv, seq) {
  return conv.position === 0 || seq === conv.position + 1 ? covered(conv, seq) : conv;
}

/** Up to `seq` this user has read. */
export function readUpTo(conv, seq, me) {
  if (seq <= conv.read) return conv;
  const unread = seq >= conv.head ? 0 : countUnread(conv.messages, seq, me);
  return { ...conv, read: seq, unread };
}

/** How far somebody else is. Positions only grow. */
export function receipt(conv, userId, { delivered = 0, read = 0 }) {
  const seen = Math.max(read, conv.readBy[userId] ?? 0);
  const has = Math.max(delivered, seen, conv.delivered[userId] ?? 0);
  if (seen === (conv.readBy[userId] ?? 0) && has === (conv.delivered[userId] ?? 0)) return conv;
  return {
    ...conv,
    readBy: { ...conv.readBy, [userId]: seen },
    delivered: { ...conv.delivered, [userId]: has },
  };
}

export function withPending(conv, entry) {
  const others = conv.pending.filter((p) => p.clientId !== entry.clientId);
  const before = conv.pending.find((p) => p.clientId === entry.clientId);
  const pending = before
    ? conv.pending.map((p) => (p === before ? { ...p, ...entry } : p))
    : [...others, entry];
  return { ...conv, pending };
}

export function withoutPending(conv, clientId) {
  const pending = conv.pending.filter((p) => p.clientId !== clientId);
  return pending.length === conv.pending.length ? conv : { ...conv, pending };
}

/**
 * What became of a message of this user's: `sent`, `delivered` or `read`. In a group the slowest of
 * the others counts; as long as they are not known, it is `sent`.
 */
export function stateOf(conv, message, others) {
  if (others.length === 0) return 'sent';
  const all = (positions) => others.every((uid) => (positions[uid] ?? 0) >= message.seq);
  if (all(conv.readBy)) return 'read';
  return all(conv.delivered) ? 'delivered' : 'sent';
}

/** When something happened here last, for sorting. */
export function latest(conv) {
  const pending = conv.pending[conv.pending.length - 1];
  return Math.max(conv.last?.at ?? 0, pending?.at ?? 0);
}

function countUnread(messages, read, me) {
  return Math.min(UNREAD_MAX, messages.filter((m) => m.seq > read && m.from !== me).length);
}

function newer(one, other) {
  if (!one || !other) return one ?? other;
  return other.seq >= one.seq ? other : one;
}
