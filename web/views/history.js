// The messages of a conversation, by day and by author, and where what is unread begins.

import { html, useMemo, useRef } from '../vendor/preact.js';
import { stateOf } from '../core/conversation.js';
import { nameOfUser, othersIn } from '../core/store.js';
import { day, dayOf } from '../core/time.js';
import { Message } from './message.js';
import { Icon, moveFocus } from './parts.js';
import { useReader } from './reader.js';

/** Messages of one author within this stand together. */
const TOGETHER_MS = 5 * 60_000;

/** `written` counts what the reader has written here: whoever writes wants to see it. */
export function History({ state, t, act, show, conv, name, lang, written }) {
  const box = useRef(null);
  const online = state.link.state === 'online';
  const { away, line, onScroll, toEnd } = useReader({ box, conv, act, online, written });

  // Much happens that changes nothing here: somebody comes, another conversation goes on.
  const members = state.groups[conv.peer.group]?.members;
  const today = dayOf(Date.now());
  const shown = useMemo(
    () => rows({ state, t, act, show, conv, lang, line }),
    [conv.messages, conv.pending, conv.readBy, conv.delivered, members, state.users, online, today, t, line],
  );

  return html`<div class="history-place">
    <div class="history" ref=${box} onScroll=${onScroll} tabindex="0" role="group"
        aria-label=${t('chat.messages', { name })} onKeyDown=${(event) => moveFocus(event, '.message')}>
      <${Beginning} t=${t} act=${act} state=${state} conv=${conv} name=${name} />
      <ul class="messages">
        ${shown}
      </ul>
    </div>
    ${away && html`<button type="button" class="button jump" onClick=${toEnd}
        aria-label=${conv.unread > 0 ? t('chat.jump_new', { n: conv.unread }) : t('chat.jump')}>
      <${Icon} name="down" />${conv.unread > 0 && html`<span class="badge">${conv.unread > 99 ? t('chats.many') : conv.unread}</span>`}
    </button>`}
  </div>`;
}

function Beginning({ t, act, state, conv, name }) {
  if (conv.failed) {
    return html`<p class="history-top">${t('chat.older_failed')}
      <button type="button" class="link" onClick=${() => act.older(conv.id)}>${t('app.retry')}</button></p>`;
  }
  if (conv.loading) {
    return html`<p class="history-top" role="status"><span class="spinner small"></span>${t('chat.older')}</p>`;
  }
  if (!conv.begun) return html`<p class="history-top"></p>`;
  if (conv.peer.user === state.me.user_id) return html`<p class="history-top">${t('chat.self')}</p>`;
  const key = conv.peer.group === undefined ? 'chat.beginning' : 'chat.beginning_group';
  return html`<p class="history-top">${t(key, { name })}</p>`;
}

function rows({ state, t, act, show, conv, lang, line }) {
  const me = state.me.user_id;
  const others = othersIn(state, conv);
  const isGroup = conv.peer.group !== undefined;
  const online = state.link.state === 'online';
  const pending = conv.pending.map((entry) => ({ ...entry, from: me, pending: true }));
  const all = [...conv.messages, ...pending];
  const shown = [];
  let unreadSaid = false;
  all.forEach((message, index) => {
    const before = all[index - 1];
    const after = all[index + 1];
    const mine = message.from === me;
    const newDay = !before || dayOf(before.at) !== dayOf(message.at);
    if (newDay) {
      shown.push(html`<li class="day" key=${`day ${message.seq ?? message.clientId}`}><span>${day(lang, message.at, Date.now(), t)}</span></li>`);
    }
    const isUnread = !unreadSaid && !mine && message.seq > line;
    if (isUnread) {
      unreadSaid = true;
      shown.push(html`<li class="unread-line" key="unread"><span>${t('chat.unread_line')}</span></li>`);
    }
    const joins = (one, other) => one && other && one.from === other.from
      && dayOf(one.at) === dayOf(other.at) && Math.abs(other.at - one.at) < TOGETHER_MS;
    const first = isUnread || newDay || !joins(before, message);
    const last = !joins(message, after) || (!unreadSaid && after?.from !== me && after?.seq > line);
    shown.push(html`<${Message} key=${message.clientId ?? message.seq} t=${t} lang=${lang} act=${act} show=${show}
      message=${message.pending ? conv.pending[index - conv.messages.length] : message}
      mine=${mine} author=${nameOfUser(state, message.from)} first=${first} last=${last}
      faced=${isGroup && !mine} refused=${message.refused ?? null}
      state=${markOf(conv, message, others, online)} />`);
  });
  return shown;
}

function markOf(conv, message, others, online) {
  if (!message.pending) return stateOf(conv, message, others);
  if (message.refused) return 'failed';
  return online ? 'sending' : 'waiting';
}
