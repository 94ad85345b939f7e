// The frame around everything: sections, the list, the conversation, and what lies over them.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { inOrder, nameOfUser, unreadOfAll } from '../core/store.js';
import { chat } from '../core/router.js';
import { Banner, Elsewhere } from './banner.js';
import { Chat } from './chat.js';
import { Conversations } from './conversations.js';
import { Devices } from './devices.js';
import { Dialogs } from './dialogs.js';
import { Friends } from './friends.js';
import { Groups } from './groups.js';
import { Avatar, Empty, Icon, isNarrow } from './parts.js';
import { Settings } from './settings.js';
import { Toasts } from './toast.js';

const lists = { chats: Conversations, friends: Friends, groups: Groups };
const pages = { devices: Devices, settings: Settings };

export function Shell(context) {
  const { state, t, act, route, go } = context;
  const [dialog, setDialog] = useState(null);
  const left = useRef(null); // the conversation that was open last: where the focus goes back to
  const shared = { ...context, show: setDialog, left };
  const { section, sessionId } = route;

  useEffect(() => {
    if (sessionId) left.current = sessionId;
  }, [sessionId]);
  useEffect(() => {
    if (route.join) setDialog({ kind: 'join', groupId: route.join });
  }, [route.join]);
  useShortcuts(state, route, go, left);

  const List = lists[section];
  const Page = pages[section];
  const pane = sessionId || Page ? 'main' : 'list';
  return html`<div class="shell" data-pane=${pane} data-section=${section}>
    <a class="skip" href="#main" onClick=${skip}>${t('app.skip')}</a>
    <${Rail} ...${shared} />
    <main class="panes" id="main" tabindex="-1">
      ${List && html`<section class="list-pane" aria-label=${t(`nav.${section}`)}>
        <${Banner} t=${t} link=${state.link} act=${act} />
        <${List} ...${shared} />
      </section>`}
      <div class="main-pane">
        ${Page && html`<${Banner} t=${t} link=${state.link} act=${act} /><${Page} ...${shared} />`}
        ${List && sessionId && html`<${Chat} key=${sessionId} ...${shared} sessionId=${sessionId} />`}
        ${List && !sessionId && html`<${Empty} icon="chats" title=${t('chats.pick')} hint=${t('chats.pick_hint')} />`}
      </div>
    </main>
    <${Announcer} state=${state} t=${t} />
    <${Toasts} toasts=${state.toasts} />
    ${dialog && html`<${Dialogs} ...${shared} dialog=${dialog} onClose=${() => close()} />`}
    ${state.link.state === 'elsewhere' && html`<${Elsewhere} t=${t} act=${act} />`}
  </div>`;

  function close() {
    setDialog(null);
    if (route.join) go('#/groups');
  }
}

/** The link jumps by hand: the address behind `#` is the router's. */
function skip(event) {
  event.preventDefault();
  (document.querySelector('.composer textarea') ?? document.getElementById('main')).focus();
}

function useShortcuts(state, route, go, left) {
  useEffect(() => {
    function onKey(event) {
      if (document.querySelector('dialog[open]')) return;
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        // Where it is not shown now, the list sees to it once it is.
        left.current = 'find';
        if (route.section !== 'chats' || isNarrow()) go('#/chats');
        document.getElementById('find')?.focus();
      }
      // Who begins to write writes, wherever they were among the messages.
      const isText = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (isText && document.activeElement.matches('body, .history, .message')) document.querySelector('.composer textarea')?.focus();
      if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
        const all = inOrder(state);
        const at = all.findIndex((conv) => conv.id === route.sessionId);
        const next = all[at + (event.key === 'ArrowDown' ? 1 : -1)] ?? all[0];
        event.preventDefault();
        if (next) go(chat(next.id));
      }
    }
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
}

function Rail({ state, t, route }) {
  const unread = unreadOfAll(state);
  const me = state.me;
  return html`<nav class="rail" aria-label=${t('nav.label')}>
    <a class="rail-me" href="#/settings">
      <span class="hidden">${me.nickname ?? me.username}, ${t('settings.title')}</span>
      <${Avatar} name=${me.nickname ?? me.username} seed=${me.user_id}
        status=${state.link.state === 'online' ? state.status : 0} />
    </a>
    ${['chats', 'friends', 'groups', 'devices', 'settings'].map((section) => html`
      <a key=${section} class="rail-item" href=${`#/${section}`}
          aria-current=${route.section === section ? 'page' : undefined}>
        <span class="rail-icon"><${Icon} name=${section} />
          ${section === 'chats' && unread > 0 && html`<span class="badge">
            <span aria-hidden="true">${unread > 99 ? t('chats.many') : unread}</span>
            <span class="hidden">${t('chats.unread', { n: unread })}</span>
          </span>`}
        </span>
        <span class="rail-text">${t(`nav.${section}`)}</span>
      </a>`)}
  </nav>`;
}

/** Says new messages aloud, wherever the user is. */
function Announcer({ state, t }) {
  return html`<div class="hidden" role="log" aria-live="polite">
    ${state.announced.map((message) => html`<p key=${message.id}>
      ${t('chat.new_message', { name: nameOfUser(state, message.from), text: message.content })}
    </p>`)}
  </div>`;
}
