// Starts the client: the state, the address, and what is shown of both.

import { html, render } from './vendor/preact.js';
import { createClient } from './core/client.js';
import { createNotices } from './core/notices.js';
import { createPreferences } from './core/preferences.js';
import { chat, createRouter } from './core/router.js';
import { translator } from './core/i18n.js';
import { unreadOfAll } from './core/store.js';
import { Shell } from './views/shell.js';
import { Login } from './views/login.js';
import { NARROW } from './views/parts.js';

const preferences = createPreferences();
let t = translator(preferences.get().lang);
const client = createClient({ t: () => t });
const router = createRouter();
const root = document.getElementById('app');
let due = false;

function draw() {
  due = false;
  const state = client.store.get();
  const { dataset } = document.documentElement;
  dataset.phase = state.phase;
  dataset.link = state.link.state;
  dataset.synced = String(state.synced);
  const unread = unreadOfAll(state);
  document.title = unread ? `(${unread > 99 ? t('chats.many') : unread}) ${t('app.name')}` : t('app.name');

  const context = { state, t, act: client.actions, route: router.get(), go: router.go, preferences };
  if (state.phase === 'in') render(html`<${Shell} ...${context} />`, root);
  else if (state.phase === 'out') render(html`<${Login} ...${context} />`, root);
  else render(html`<${Splash} t=${t} late=${state.late} />`, root);
}

function Splash({ t, late }) {
  return html`<div class="splash" role="status"><span class="spinner"></span>
    <p class=${late ? 'hint' : 'hidden'}>${t(late ? 'app.late' : 'app.loading')}</p></div>`;
}

/** At most once a frame, however much happens; in a hidden page frames do not come. */
function redraw() {
  if (due) return;
  due = true;
  if (document.hidden) setTimeout(draw, 100);
  else requestAnimationFrame(draw);
}

client.store.subscribe(redraw);
client.store.subscribe(createNotices({
  isWanted: () => document.hidden && preferences.get().notices,
  onOpen(sessionId) {
    window.focus();
    router.go(chat(sessionId));
  },
}));
router.subscribe(redraw);
preferences.subscribe(() => {
  t = translator(preferences.get().lang);
  redraw();
});
matchMedia(NARROW).addEventListener('change', redraw);
addEventListener('online', () => client.actions.hurry());
addEventListener('pageshow', (event) => event.persisted && client.actions.refresh());
addEventListener('pagehide', () => client.actions.hide());
addEventListener('storage', () => client.actions.shared());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) client.actions.refresh();
});
draw();
client.actions.boot();
