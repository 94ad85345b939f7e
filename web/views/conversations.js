// The list of conversations, and finding one.

import { html, Component, useEffect, useRef, useState } from '../vendor/preact.js';
import { stateOf } from '../core/conversation.js';
import { tagOf } from '../core/i18n.js';
import { chat } from '../core/router.js';
import { inOrder, nameOf, nameOfUser, othersIn } from '../core/store.js';
import { dayOf, short } from '../core/time.js';
import { Avatar, Empty, Icon, moveFocus } from './parts.js';
import { StateMark } from './message.js';

export function Conversations(context) {
  const { state, t, act, route, go, show, left, preferences } = context;
  const [text, setText] = useState('');
  const list = useRef(null);
  const all = inOrder(state);
  const wanted = text.trim().toLowerCase();
  const fits = (name) => name.toLowerCase().includes(wanted);
  const found = wanted ? all.filter((conv) => fits(nameOf(state, conv))) : all;
  const friends = wanted
    ? state.friends.filter((id) => fits(nameOfUser(state, id)) && !found.some((c) => c.peer.user === id))
    : [];

  // Back from a conversation: where one was.
  useEffect(() => {
    if (route.sessionId || !left.current) return;
    const place = left.current === 'find' ? '#find' : `[data-session="${left.current}"]`;
    document.querySelector(place)?.focus({ preventScroll: true });
    left.current = null;
  }, [route.sessionId]);

  function onKey(event) {
    if (event.key === 'Escape' && text) {
      event.stopPropagation();
      setText('');
      return;
    }
    if (event.key === 'Enter' && event.target.id === 'find') {
      const first = list.current?.querySelector('a');
      if (first) go(first.getAttribute('href'));
      setText('');
      return;
    }
    if (event.target.id === 'find' && ['Home', 'End'].includes(event.key)) return;
    moveFocus(event, '.row-link');
  }

  return html`<div class="list" onKeyDown=${onKey}>
    <header class="list-head">
      <h1>${t('chats.title')}</h1>
      <button type="button" class="button icon-button" aria-label=${t('chats.new')} title=${t('chats.new')}
          onClick=${() => show({ kind: 'new' })}><${Icon} name="plus" /></button>
    </header>
    <div class="find">
      <${Icon} name="search" />
      <input id="find" type="search" autocomplete="off" placeholder=${t('chats.find')} aria-label=${t('chats.find')}
        value=${text} onInput=${(event) => setText(event.target.value)} />
      <kbd aria-hidden="true">${t('chats.find_key')}</kbd>
    </div>
    <div class="list-scroll" ref=${list}>
      ${!state.synced && all.length === 0 && html`<${Skeleton} t=${t} />`}
      ${state.synced && all.length === 0 && !wanted && html`<${Empty} icon="chats" title=${t('chats.empty')} hint=${t('chats.empty_hint')}>
        <button type="button" class="button primary" onClick=${() => show({ kind: 'add' })}>${t('friends.add')}</button>
        <button type="button" class="button" onClick=${() => show({ kind: 'create' })}>${t('groups.create')}</button>
      <//>`}
      ${wanted && found.length + friends.length === 0 && html`<p class="list-none">${t('chats.none', { text: text.trim() })}</p>`}
      ${found.length > 0 && html`<ul class="rows" aria-label=${t('chats.list')}>
        ${found.map((conv) => html`<${Row} key=${conv.id} state=${state} t=${t} conv=${conv}
          current=${route.sessionId === conv.id} lang=${tagOf(preferences.get().lang)} today=${dayOf(Date.now())} />`)}
      </ul>`}
      ${friends.length > 0 && html`<h2 class="list-part">${t('chats.people')}</h2>
        <ul class="rows">
          ${friends.map((id) => html`<li key=${id}><a class="row-link" href=${chat(act.sessionOf({ user: id }))}>
            <${Avatar} name=${nameOfUser(state, id)} seed=${id} status=${state.presence[id] ?? 0} />
            <span class="row-main"><span class="row-name">${nameOfUser(state, id)}</span></span>
          </a></li>`)}
        </ul>`}
    </div>
  </div>`;
}

class Row extends Component {
  /** Of a long list only what changed is drawn again. */
  shouldComponentUpdate(next) {
    const seen = ({ state, t, conv, current, lang, today }) => [
      conv, t, current, lang, today, state.users, state.groups, state.presence[conv.peer.user], state.typing[conv.id],
    ];
    const before = seen(this.props);
    return seen(next).some((value, index) => value !== before[index]);
  }

  render({ state, t, conv, current, lang }) {
    const name = nameOf(state, conv);
    const isGroup = conv.peer.group !== undefined;
    const status = isGroup ? undefined : state.presence[conv.peer.user];
    const last = lastOf(conv);
    const unread = conv.unread > 99 ? t('chats.many') : conv.unread;
    return html`<li>
      <a class="row-link" href=${chat(conv.id)} aria-current=${current ? 'true' : undefined}
          data-session=${conv.id} data-unread=${conv.unread} onClick=${() => current && focusComposer()}>
        <${Avatar} name=${name} seed=${conv.peer.group ?? conv.peer.user} group=${isGroup}
          status=${status} />
        <span class="row-main">
          <span class="row-top">
            <span class="row-name" dir="auto">${name}</span>
            ${status !== undefined && html`<span class="hidden">, ${t(`status.${status}`)}, </span>`}
            ${last?.at > 0 && html`<time class="row-time" datetime=${new Date(last.at).toISOString()}>${short(lang, last.at, Date.now(), t)}</time>`}
          </span>
          <span class="row-bottom">
            <span class="row-text" dir="auto">${preview(state, t, conv, last)}</span>
            ${conv.unread > 0 && html`<span class="badge">
              <span aria-hidden="true">${unread}</span>
              <span class="hidden">, ${t('chats.unread', { n: conv.unread })}</span>
            </span>`}
          </span>
        </span>
      </a>
    </li>`;
  }
}

/** Nothing new is shown, so the focus goes by hand to where it would go. */
function focusComposer() {
  document.querySelector('.composer textarea')?.focus();
}

function lastOf(conv) {
  const pending = conv.pending[conv.pending.length - 1];
  return pending && pending.at >= (conv.last?.at ?? 0) ? { ...pending, pending: true } : conv.last;
}

function preview(state, t, conv, last) {
  const typing = Object.keys(state.typing[conv.id] ?? {}).map(Number);
  if (typing.length) {
    return html`<em class="typing">${t('chat.typing_one', { name: nameOfUser(state, typing[0]) })}</em>`;
  }
  if (conv.draft.trim()) return html`<em class="draft">${t('chats.draft', { text: conv.draft.trim() })}</em>`;
  if (!last) return conv.head > 0 ? t('chats.notice') : t('chats.nothing');
  // Who came or left: nobody has written that, and nobody reads it.
  if (!last.content) return t('chats.notice');
  const mine = last.pending || last.from === state.me.user_id;
  if (mine) {
    const mark = last.pending ? (last.refused ? 'failed' : 'sending') : stateOf(conv, last, othersIn(state, conv));
    return html`<${StateMark} t=${t} state=${mark} />${last.content}`;
  }
  return conv.peer.group === undefined ? last.content : `${nameOfUser(state, last.from)}: ${last.content}`;
}

function Skeleton({ t }) {
  return html`<div class="skeleton" role="status">
    <span class="hidden">${t('app.loading')}</span>
    ${[1, 2, 3, 4, 5].map((n) => html`<div key=${n} class="skeleton-row"><span></span><span></span></div>`)}
  </div>`;
}
