// What is connected, and what is said on it: the types of docs/CLIENTS.md over WebSocket.

import { No, no } from './world.mjs';

const LOGIN_MS = 5_000;
/** So long after its device was put out a connection is closed. */
const CLOSED_MS = 100;

export class Sessions {
  all = new Set();

  constructor(world) {
    this.world = world;
    world.onEntry = (conv, entry, sender) => this.tellEntry(conv, entry, sender);
  }

  of = (uid) => [...this.all].filter((session) => session.uid === uid);

  accept(socket) {
    const session = { socket, uid: null, device: null, acks: false, status: 1 };
    const late = setTimeout(() => session.uid === null && socket.close(1008, 'login timeout'), LOGIN_MS);
    socket.on('message', (data) => this.receive(session, data));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      if (this.all.delete(session)) this.tellPresence(session.uid);
    });
  }

  receive(session, data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.write(session, 9001, { code: 4001, message: 'not valid JSON' });
    }
    const { type, id, body = {} } = message;
    try {
      const [kind, answer] = this.perform(session, type, body) ?? [];
      const quiet = [2003, 2004, 2005].includes(type) && id === undefined && kind === type;
      if (kind && !quiet) this.write(session, kind, answer, id);
    } catch (error) {
      if (!(error instanceof No)) throw error;
      const own = { 1001: 1002, 1003: 1004, 3002: 3003, 3004: 3005, 4001: 4002 }[type] ?? 9001;
      const { code, message: words, status } = error;
      this.write(session, own, { code, message: words, status, ...(own === 9001 && { type }) }, id);
    }
    if (type === 1003) session.socket.close(1000, 'logged out');
  }

  write(session, type, body, id) {
    session.socket.send(JSON.stringify({ type, ...(id !== undefined && { id }), body }));
  }

  perform(session, type, body) {
    const ok = (fields) => ({ code: 0, message: 'success', ...fields });
    if (type === 9002) return [9003, body];
    if (type === 1001) return [1002, ok({ data: this.logIn(session, body) })];
    if (session.uid === null) throw no.notLogin();
    const { world } = this;
    const me = session.uid;
    switch (type) {
      case 1003:
        world.end(session.login);
        return [1004, ok()];
      case 2001:
      case 2002: {
        const group = body.group_id ?? (type === 2002 ? body.to_user_id : undefined);
        const peer = type === 2002 ? { group_id: group } : { to_user_id: body.to_user_id };
        const { conv, entry } = world.send(me, peer, body.content, body.message_id, session);
        return [2003, ok({
          kind: 'sent', message_id: entry.id, client_message_id: body.message_id, session_id: conv.id, seq: entry.seq, timestamp: entry.at,
        })];
      }
      case 2003: return [2003, ok(this.confirm(session, body))];
      case 2004: {
        const conv = world.peer(me, body);
        const group = conv.id.startsWith('grp_') ? { group_id: Number(conv.id.slice(4)) } : {};
        this.tell(conv, me, 2004, { from_user_id: me, ...group });
        return [2004, ok()];
      }
      case 3001: {
        if (body.user_id === undefined) {
          session.status = body.status;
          this.tellPresence(me);
          return [3001, ok({ user_id: me, status: body.status })];
        }
        return [3001, ok(this.presence(world.user(me), [body.user_id])[0])];
      }
      case 3002: return [3003, ok({ data: { conversations: world.list(me, body.limit) } })];
      case 3004: return [3005, ok({ data: world.history(me, body) })];
      case 4001: return [4002, { op: body.op, ...ok({ data: this.operation(session, body) }) }];
      default: throw no.unknown();
    }
  }

  logIn(session, { token, acks = false }) {
    const login = this.world.login(token);
    Object.assign(session, { uid: login.user.id, device: login.device, login: login.id, acks });
    for (const older of this.of(session.uid)) {
      if (older.device === session.device) this.close(older, 4001, 'logged in elsewhere');
    }
    this.all.add(session);
    setImmediate(() => {
      this.catchUp(session);
      this.tellPresence(session.uid);
    });
    const { id, name } = login.user;
    return {
      user_id: id, username: name, nickname: name, session_key: token, online_status: 1, device: login.device, role: 'user',
      expire_time: Math.floor(Date.now() / 1000) + 900,
    };
  }

  close(session, code, reason) {
    this.all.delete(session);
    session.socket.close(code, reason);
  }

  /** What the device has not had. */
  catchUp(session) {
    for (const conv of this.world.of(session.uid)) {
      const cursor = this.cursors(session)[conv.id] ?? 0;
      for (const entry of this.world.visible(session.uid, conv)) {
        if (entry.seq > cursor) this.push(session, conv, entry);
      }
    }
  }

  cursors(session) {
    return this.world.cursors.get(`${session.uid} ${session.device}`);
  }

  push(session, conv, entry) {
    if (entry.content !== null) {
      this.write(session, conv.id.startsWith('grp_') ? 2002 : 2001, this.world.body(conv, entry));
    }
    if (!session.acks) this.arrived(session, conv, entry.seq);
  }

  arrived(session, conv, seq) {
    const cursors = this.cursors(session);
    if (seq <= (cursors[conv.id] ?? 0)) return;
    cursors[conv.id] = seq;
    conv.delivered[session.uid] = Math.max(seq, conv.delivered[session.uid] ?? 0);
    this.tellReceipt(conv, session.uid, { kind: 'delivered', seq });
  }

  tellEntry(conv, entry, sender) {
    for (const uid of this.world.people(conv.id)) {
      for (const session of this.of(uid)) if (session !== sender) this.push(session, conv, entry);
    }
  }

  tell(conv, from, type, body) {
    for (const uid of this.world.people(conv.id)) {
      if (uid !== from) for (const session of this.of(uid)) this.write(session, type, body);
    }
  }

  tellReceipt(conv, uid, fields) {
    const group = conv.id.startsWith('grp_') ? { group_id: Number(conv.id.slice(4)) } : {};
    this.tell(conv, uid, 2003, { user_id: uid, ...group, ...fields });
  }

  statusOf(uid) {
    const sessions = this.of(uid);
    return sessions.length ? Math.min(...sessions.map((session) => session.status)) : 0;
  }

  tellPresence(uid) {
    const status = this.statusOf(uid);
    for (const friend of this.world.users.get(uid).friends) {
      for (const session of this.of(friend)) this.write(session, 3001, { user_id: uid, status });
    }
  }

  confirm(session, { kind, message_id: messageId, seq, ...peer }) {
    const me = session.uid;
    if (kind === 'received') {
      for (const conv of this.world.of(me)) {
        const entry = conv.entries.find((one) => one.id === messageId);
        if (entry) this.arrived(session, conv, entry.seq);
      }
    } else if (kind === 'read') {
      const conv = this.world.peer(me, peer);
      if (seq > conv.entries.length) throw no.range('beyond the head');
      if (seq < (conv.read[me] ?? 0)) throw no.range('already read');
      conv.read[me] = seq;
      conv.delivered[me] = Math.max(seq, conv.delivered[me] ?? 0);
      this.tellReceipt(conv, me, { kind: 'read', seq });
    } else throw no.bad('bad kind');
    return { kind };
  }

  /** Friends alone are told who is there. */
  presence = (me, ids) => ids.map((id) => ({ user_id: id, status: me.friends.has(id) ? this.statusOf(id) : 0 }));

  operation(session, { op, ...args }) {
    const { world } = this;
    const me = world.user(session.uid);
    const shown = (user) => ({ user_id: user.id, username: user.name, nickname: user.name });
    const befriend = (on) => {
      const other = world.user(args.user_id, 'friend not found');
      if (on && me.friends.has(other.id)) throw no.exists('already friends');
      for (const [a, b] of [[me, other], [other, me]]) on ? a.friends.add(b.id) : a.friends.delete(b.id);
      return {};
    };
    const operations = {
      whoami: () => ({ ...shown(me), device: session.device, role: 'user' }),
      users: () => {
        const found = args.username === undefined
          ? (args.user_ids ?? []).map((id) => world.users.get(id))
          : [world.named(args.username)];
        return { users: found.filter(Boolean).map(shown) };
      },
      friends: () => ({ user_ids: [...me.friends] }),
      blocked: () => ({ user_ids: [...me.blocked] }),
      add_friend: () => befriend(true),
      remove_friend: () => befriend(false),
      block: () => (me.blocked.add(world.user(args.user_id).id), {}),
      unblock: () => (me.blocked.delete(args.user_id), {}),
      groups: () => ({ group_ids: [...world.groups.values()].filter((g) => g.members.has(me.id)).map((g) => g.id) }),
      group: () => {
        const { id, name, description, creator, at } = world.group(args.group_id);
        return { group_id: id, name, description, creator_id: creator, created_at: at };
      },
      create_group: () => ({ group_id: world.createGroup(me, args.name, args.description) }),
      join_group: () => (world.join(me, args.group_id), {}),
      leave_group: () => (world.leave(me, args.group_id), {}),
      members: () => {
        const { members } = world.group(args.group_id);
        if (!members.has(me.id)) throw no.notMember();
        return { user_ids: [...members.keys()] };
      },
      receipts: () => {
        const conv = world.peer(me.id, args);
        const others = world.people(conv.id).filter((id) => id !== me.id);
        return { receipts: others.map((id) => ({ user_id: id, delivered_seq: conv.delivered[id] ?? 0, read_seq: conv.read[id] ?? 0 })) };
      },
      devices: () => {
        const names = [...world.logins.values()].filter((login) => login.user === me).map((login) => login.device);
        const connected = this.of(me.id).map((one) => one.device);
        return { devices: [...new Set([...names, ...connected])].map((name) => ({
          name, online: this.of(me.id).some((one) => one.device === name), current: name === session.device,
        })) };
      },
      revoke_device: () => {
        const login = [...world.logins.values()].find((one) => one.user === me && one.device === args.name);
        if (!login) throw no.noDevice();
        world.end(login.id);
        // Its connections are closed a moment later, and it is listed until then.
        const open = this.of(me.id).filter((one) => one.device === args.name);
        setTimeout(() => open.forEach((one) => this.close(one, 4002, 'device revoked')), CLOSED_MS);
        return {};
      },
    };
    if (!operations[op]) throw no.unknown();
    return operations[op]();
  }

  /** Log-ins that are over: their sessions are, too. */
  endClosed() {
    for (const session of [...this.all]) {
      if (!this.world.logins.has(session.login)) this.close(session, 4003, 'logged out');
    }
  }
}
