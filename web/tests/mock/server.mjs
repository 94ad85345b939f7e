// A gateway as docs/CLIENTS.md describes it, in memory, for developing and testing the web client
// without one: static files, the HTTP routes that the client uses, and /ws.
//
//   node tests/mock/server.mjs [PORT]

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { Sessions } from './sessions.mjs';
import { No, World, no } from './world.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const kinds = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.webmanifest': 'application/manifest+json',
};
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const COOKIE = 'mpim_refresh';
const BODY_MAX = 65_536;

export function createMock() {
  const world = new World();
  const sessions = new Sessions(world);
  let server = null;
  let port = 0;
  const connections = new Set();

  const routes = {
    'POST /api/register': ({ body }) => world.begin(world.register(body.username, body.password), body.device),
    'POST /api/login': ({ body }) => world.begin(world.check(body.username, body.password), body.device),
    'POST /api/refresh': ({ body, cookie }) => world.refresh(body.refresh_token ?? cookie),
    'POST /api/logout': ({ body, login }) => {
      const ended = [...world.logins.values()].filter((one) => (body.everywhere ? one.user === login.user : one === login));
      for (const one of ended) world.end(one.id);
      sessions.endClosed();
      return {};
    },
    'POST /api/password': ({ body, login }) => {
      world.check(login.user.name, body.old);
      if ((body.new ?? '').length < 8) throw no.bad('weak password');
      login.user.password = body.new;
      for (const one of [...world.logins.values()]) if (one.user === login.user && one !== login) world.end(one.id);
      sessions.endClosed();
      return world.grant(login.id);
    },
    'PUT /api/friends': ({ id, login }) => sessions.operation({ uid: login.user.id }, { op: 'add_friend', user_id: id }),
    'PUT /api/blocked': ({ id, login }) => sessions.operation({ uid: login.user.id }, { op: 'block', user_id: id }),
    'DELETE /api/blocked': ({ id, login }) => sessions.operation({ uid: login.user.id }, { op: 'unblock', user_id: id }),
    'GET /api/presence': ({ query, login }) => ({ presence: sessions.presence(login.user, query.get('ids').split(',').map(Number)) }),
    'GET /api/users': ({ query, login }) => sessions.operation({ uid: login.user.id }, { op: 'users', username: query.get('username') }),
    'POST /api/groups': ({ body, login }) => ({ group_id: world.createGroup(login.user, body.name, body.description) }),
    'PUT /api/groups': ({ id, login }) => (world.join(login.user, id), {}),
    'POST /api/messages': ({ body, login }) => {
      const { conv, entry } = world.send(login.user.id, body, body.content, body.client_msg_id);
      return { message_id: entry.id, session_id: conv.id, seq: entry.seq };
    },
  };
  const open = ['/api/register', '/api/login', '/api/refresh'];
  const loginOf = (path, token, cookie) => (path === '/api/logout' && !world.tokens.has(token) ? world.kept(cookie) : world.login(token));

  async function answer(request, response) {
    const url = new URL(request.url, 'http://mock');
    if (!url.pathname.startsWith('/api/')) return file(url.pathname, response);
    const headers = { 'content-type': 'application/json' };
    try {
      const body = await read(request);
      const cookie = new RegExp(`${COOKIE}=([^;]+)`).exec(request.headers.cookie ?? '')?.[1];
      const [, path, id] = /^(\/api\/[a-z]+)(?:\/(\d+)(?:\/members\/me)?)?$/.exec(url.pathname) ?? [];
      const route = routes[`${request.method} ${path}`];
      if (!route) throw no.unknown();
      const token = (request.headers.authorization ?? '').replace('Bearer ', '');
      const login = open.includes(path) ? null : loginOf(path, token, cookie);
      const data = await route({ body, cookie, login, id: Number(id), query: url.searchParams });
      if (data.refresh_token && (body.cookie || (path === '/api/refresh' && !body.refresh_token))) {
        headers['set-cookie'] = cookieOf(data.refresh_token, 30 * 86_400);
        delete data.refresh_token;
      }
      if (path === '/api/logout') headers['set-cookie'] = cookieOf('', 0);
      response.writeHead(200, headers).end(JSON.stringify({ code: 0, message: 'success', data }));
    } catch (error) {
      if (!(error instanceof No)) throw error;
      if (url.pathname === '/api/refresh') headers['set-cookie'] = cookieOf('', 0);
      const { code, message, status, http } = error;
      response.writeHead(http, headers).end(JSON.stringify({ code, message, status, request_id: 'mock' }));
    }
  }

  return {
    world,
    sessions,
    /** Listens; again on the same port after `down`. */
    async up(on = port) {
      server = createServer((request, response) => {
        answer(request, response).catch((error) => {
          console.error(error);
          response.destroy();
        });
      });
      server.on('connection', (socket) => {
        connections.add(socket);
        socket.on('close', () => connections.delete(socket));
      });
      const sockets = new WebSocketServer({ noServer: true, maxPayload: BODY_MAX });
      server.on('upgrade', (request, socket, head) => {
        if (request.url !== '/ws') return socket.destroy();
        sockets.handleUpgrade(request, socket, head, (opened) => sessions.accept(opened));
      });
      await new Promise((resolve, reject) => server.once('error', reject).listen(on, '127.0.0.1', resolve));
      port = server.address().port;
      return `http://127.0.0.1:${port}/`;
    },
    /** As if it had been killed: connections are reset, and no new ones are taken. */
    async down() {
      const gone = new Promise((resolve) => server.close(resolve));
      for (const socket of connections) socket.destroy();
      await gone;
    },
  };
}

const cookieOf = (value, age) => `${COOKIE}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${age}`;

async function read(request) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > BODY_MAX) throw no.bad('too big');
  }
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    throw no.bad('not valid JSON');
  }
}

async function file(path, response) {
  const name = path === '/' ? '/index.html' : normalize(path);
  const kind = kinds[extname(name)];
  try {
    if (!kind || name.startsWith('/tests')) throw new Error('not served');
    const content = await readFile(join(root, name));
    const headers = { 'content-type': kind, 'cache-control': 'no-cache', 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' };
    response.writeHead(200, headers).end(content);
  } catch {
    response.writeHead(404).end();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const url = await createMock().up(Number(process.argv[2] ?? 8080));
  console.log(`the mock is at ${url}`);
}
