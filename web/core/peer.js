// Whom a conversation is with, and what it is called.

/** The session_id of `me`'s conversation with `peer`, which is {user} or {group}. */
export function sessionOf(me, peer) {
  if (peer.group !== undefined) return `grp_${peer.group}`;
  return `c2c_${Math.min(me, peer.user)}_${Math.max(me, peer.user)}`;
}

/** Whom the conversation is with: {user}, {group}, or null for a name that says nothing. */
export function peerOf(me, sessionId) {
  const group = /^grp_(\d+)$/.exec(sessionId);
  if (group) return { group: Number(group[1]) };
  const pair = /^c2c_(\d+)_(\d+)$/.exec(sessionId);
  if (!pair) return null;
  const [low, high] = [Number(pair[1]), Number(pair[2])];
  return { user: low === me ? high : low };
}

/** The fields by which a request names the other side. */
export function addressOf(peer) {
  return peer.group !== undefined ? { group_id: peer.group } : { to_user_id: peer.user };
}

/** The conversation that an event is about: the group's, or the one with its author. */
export function sessionOfEvent(me, author, groupId) {
  return sessionOf(me, groupId === undefined ? { user: author } : { group: groupId });
}
