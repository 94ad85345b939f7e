// Who and what there is, in memory: users, groups, conversations. Says no as docs/CLIENTS.md does.

import { randomBytes } from 'node:crypto';

/** A refusal: {code, message, status, http}. */
export class No extends Error {
  constructor(code, message, status, http) {
    super(message);
    Object.assign(this, { code, status, http });
  }
}

export const no = {
  notLogin: () => new No(3001, 'not login', 'UNAUTHENTICATED', 401),
  badCredentials: () => new No(1002, 'auth bad cred', 'UNAUTHENTICATED', 401),
  invalidToken: () => new No(1004, 'invalid token', 'UNAUTHENTICATED', 401),
  exists: (words = 'exists') => new No(4001, words, 'ALREADY_EXISTS', 409),
  bad: (words) => new No(4001, words, 'INVALID_ARGUMENT', 400),
  range: (words) => new No(4001, words, 'OUT_OF_RANGE', 400),
  noUser: (words = 'no such user') => new No(1001, words, 'NOT_FOUND', 404),
  noGroup: () => new No(2001, 'group not found', 'NOT_FOUND', 404),
  noDevice: () => new No(2001, 'no such device', 'NOT_FOUND', 404),
  notMember: () => new No(2002, 'not a member', 'PERMISSION_DENIED', 403),
  blocked: () => new No(3001, 'blocked', 'PERMISSION_DENIED', 403),
  tooLong: () => new No(2003, 'text too long', 'INVALID_ARGUMENT', 400),
  unknown: () => new No(4002, 'unknown cmd', 'UNIMPLEMENTED', 404),
};

const TEXT_BYTES_MAX = 4096;
const PREVIEW_CHARS = 100;
const TOKEN_S = 900;
const REFRESH_S = 30 * 86_400;
/** So long the refresh token before the present one gives what it gave. */
const AGAIN_MS = 60_000;

export class World {
  users = new Map();
  groups = new Map();
  conversations = new Map();
  logins = new Map(); // login id → {user, device, refresh, tokens}
  tokens = new Map(); // access token → login id
  cursors = new Map(); // `${uid} ${device}` → {session_id: seq}
  lastMessageId = BigInt(Date.now()) << 22n;
  /** Told of every new entry: (conversation, entry, sender's session). */
  onEntry = () => {};

  register(name, password) {
    if (!/^[\w.@+-]{1,32}$/.test(name ?? '')) throw no.bad('bad username');
    if ((password ?? '').length < 8) throw no.bad('weak password');
    if (this.named(name)) throw no.exists();
    const user = { id: this.users.size + 1, name, password, friends: new Set(), blocked: new Set() };
    this.users.set(user.id, user);
    return user;
  }

  named(name) {
    const key = String(name).toLowerCase();
    return [...this.users.values()].find((user) => user.name.toLowerCase() === key);
  }

  user(id, words) {
    const user = this.users.get(id);
    if (!user) throw no.noUser(words);
    return user;
  }

  check(name, password) {
    const user = this.named(name);
    if (!user || user.password !== password) throw no.badCredentials();
    return user;
  }

  /** Begins a log-in of a device; it ends the device's former one. */
  begin(user, device = 'web') {
    for (const [id, login] of this.logins) {
      if (login.user === user && login.device === device) this.end(id);
    }
    const id = randomBytes(8).toString('hex');
    this.logins.set(id, { id, user, device, refresh: '' });
    const key = `${user.id} ${device}`;
    if (!this.cursors.has(key)) {
      const heads = this.of(user.id).map((conv) => [conv.id, conv.entries.length]);
      this.cursors.set(key, Object.fromEntries(heads));
    }
    return this.grant(id);
  }

  /** The next pair of tokens of a log-in. */
  grant(id) {
    const login = this.logins.get(id);
    const token = randomBytes(16).toString('hex');
    this.tokens.set(token, id);
    login.refresh = `mpr_${id}_${randomBytes(16).toString('hex')}`;
    const now = Math.floor(Date.now() / 1000);
    return {
      user_id: login.user.id, username: login.user.name, nickname: login.user.name, avatar_url: '', token, session_key: token,
      expire_time: now + TOKEN_S, device: login.device, role: 'user', online_status: 1,
      tcp_endpoint: { host: '127.0.0.1', port: 6000 },
      refresh_token: login.refresh, refresh_expire_time: now + REFRESH_S,
    };
  }

  end(id) {
    this.logins.delete(id);
    for (const [token, login] of this.tokens) if (login === id) this.tokens.delete(token);
  }

  login(token) {
    const login = this.logins.get(this.tokens.get(token));
    if (!login) throw no.invalidToken();
    return login;
  }

  /** The log-in of a refresh token. */
  kept(token) {
    const login = this.logins.get(/^mpr_([0-9a-f]+)_/.exec(token ?? '')?.[1]);
    if (!login) throw no.invalidToken();
    return login;
  }

  /** A refresh token is good once, and again for a while; who shows it later ends its log-in. */
  refresh(token) {
    const login = this.kept(token);
    const { id } = login;
    if (login.refresh === token) {
      const granted = this.grant(id);
      login.before = { token, granted: { ...granted }, until: Date.now() + AGAIN_MS };
      return granted;
    }
    const { before } = login;
    if (before?.token === token && before.until > Date.now()) return { ...before.granted };
    this.end(id);
    throw no.invalidToken();
  }

  group(id) {
    const group = this.groups.get(id);
    if (!group) throw no.noGroup();
    return group;
  }

  createGroup(creator, name, description = '') {
    if (!name?.trim()) throw no.bad('bad group_name');
    if ([...this.groups.values()].some((group) => group.name === name)) throw no.exists();
    const id = this.groups.size + 1;
    this.groups.set(id, { id, name, description, creator: creator.id, members: new Map(), at: Date.now() });
    this.join(creator, id);
    return id;
  }

  join(user, id) {
    const group = this.group(id);
    if (group.members.has(user.id)) throw no.exists('already in group');
    group.members.set(user.id, 0);
    // People who come and go have numbers in the conversation, too.
    const entry = this.append(this.conversation(`grp_${id}`), { from: user.id, content: null });
    group.members.set(user.id, entry.seq);
  }

  leave(user, id) {
    const group = this.group(id);
    if (!group.members.has(user.id)) throw no.notMember();
    this.append(this.conversation(`grp_${id}`), { from: user.id, content: null });
    group.members.delete(user.id);
  }

  conversation(id) {
    if (!this.conversations.has(id)) {
      this.conversations.set(id, { id, entries: [], read: {}, delivered: {} });
    }
    return this.conversations.get(id);
  }

  /** Who is in it: [uid]. */
  people(id) {
    const group = /^grp_(\d+)$/.exec(id);
    if (group) return [...(this.groups.get(Number(group[1]))?.members.keys() ?? [])];
    return [...new Set(id.split('_').slice(1).map(Number))];
  }

  /** The conversation that a request names, for somebody who may see it. */
  peer(me, { session_id: sessionId, to_user_id: userId, group_id: groupId }) {
    let id = sessionId;
    if (userId !== undefined) {
      this.user(userId);
      id = `c2c_${Math.min(me, userId)}_${Math.max(me, userId)}`;
    }
    if (groupId !== undefined) id = `grp_${groupId}`;
    if (typeof id !== 'string' || !/^(c2c_\d+_\d+|grp_\d+)$/.test(id)) throw no.bad('bad session_id');
    if (id.startsWith('grp_')) this.group(Number(id.slice(4)));
    if (!this.people(id).includes(me)) throw no.notMember();
    return this.conversation(id);
  }

  of(me) {
    return [...this.conversations.values()].filter((conv) => conv.entries.length && this.people(conv.id).includes(me));
  }

  /** What this user may see of it. */
  visible(me, conv) {
    const from = conv.id.startsWith('grp_') ? this.group(Number(conv.id.slice(4))).members.get(me) : 0;
    return conv.entries.filter((entry) => entry.seq >= from);
  }

  send(me, peer, content, clientId, session) {
    if (typeof content !== 'string' || !content) throw no.bad('bad content');
    if (Buffer.byteLength(content) > TEXT_BYTES_MAX) throw no.tooLong();
    const conv = this.peer(me, peer);
    if (conv.id.startsWith('c2c_')) {
      const other = this.people(conv.id).find((id) => id !== me) ?? me;
      if (this.user(other).blocked.has(me)) throw no.blocked();
    }
    const before = clientId && conv.entries.find((entry) => entry.from === me && entry.clientId === clientId);
    if (before && before.content !== content) throw no.exists('conflict');
    if (before) return { conv, entry: before };
    return { conv, entry: this.append(conv, { from: me, content, clientId }, session) };
  }

  append(conv, fields, session) {
    this.lastMessageId += 1n;
    const entry = { seq: conv.entries.length + 1, id: String(this.lastMessageId), at: Date.now(), ...fields };
    conv.entries.push(entry);
    this.onEntry(conv, entry, session);
    return entry;
  }

  body(conv, { seq, id, from, content, at }) {
    const group = /^grp_(\d+)$/.exec(conv.id);
    const other = group ? Number(group[1]) : this.people(conv.id).find((uid) => uid !== from) ?? from;
    return {
      message_id: id, session_id: conv.id, from_user_id: from, to_user_id: other, ...(group && { group_id: other }),
      type: 0, content, timestamp: at, extra: {}, seq,
    };
  }

  list(me, limit = 50) {
    const shown = this.of(me).map((conv) => {
      const entries = this.visible(me, conv);
      const last = entries[entries.length - 1];
      const read = conv.read[me] ?? 0;
      const unread = entries.filter((e) => e.content !== null && e.from !== me && e.seq > read).length;
      const { to_user_id: other, group_id: group } = this.body(conv, { from: me });
      return {
        session_id: conv.id, ...(group ? { group_id: group } : { to_user_id: other }), head_seq: conv.entries.length,
        read_seq: read, unread: Math.min(100, unread), at: last.at,
        last_message: {
          message_id: last.id, from_user_id: last.from, timestamp: last.at,
          content: [...(last.content ?? '')].slice(0, PREVIEW_CHARS).join(''),
        },
      };
    });
    return shown.sort((a, b) => b.at - a.at).slice(0, limit).map(({ at, ...entry }) => entry);
  }

  history(me, { after_seq: after, before_seq: before, limit = 50, ...peer }) {
    const conv = this.peer(me, peer);
    if (limit > 1000 || limit < 1) throw no.range('bad range');
    const texts = this.visible(me, conv).filter((entry) => entry.content !== null);
    const some = after === undefined
      ? texts.filter((entry) => entry.seq < (before ?? Infinity)).slice(-limit)
      : texts.filter((entry) => entry.seq > after).slice(0, limit);
    return { session_id: conv.id, messages: some.map((entry) => this.body(conv, entry)) };
  }
}
