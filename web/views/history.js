// The messages of a conversation, with the place where one reads kept while more are put before
// them, and at the end as long as one is there.

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { stateOf } from '../core/conversation.js';
import { nameOfUser, othersIn } from '../core/store.js';
import { day, dayOf } from '../core/time.js';
import { Message } from './message.js';
import { Icon, moveFocus } from './parts.js';

/** So near the end counts as being there, so near the beginning asks for more. */
const NEAR_END_PX = 60;
const NEAR_BEGINNING_PX = 400;
/** What is unread begins there in the window, from above. */
const UNREAD_AT = 0.2;
/** Messages of one author within this stand together. */
const TOGETHER_MS = 5 * 60_000;

/** `written` counts what the reader has written here: whoever writes wants to see it. */
export function History({ state, t, act, show, conv, name, lang, written }) {
  const box = useRef(null);
  const place = useRef({ isSet: false, atEnd: true, top: 0, height: 0, first: undefined, written });
  const [away, setAway] = useState(false);
  const line = useRef(null); // what is unread begins behind this number; `null`: that is not known yet
  const isLookedAt = line.current !== null && place.current.atEnd && !document.hidden;
  if (conv.opened && !isLookedAt) line.current = conv.unread > 0 ? conv.read : line.current ?? Infinity;
  const unreadFrom = line.current ?? Infinity;

  useLayoutEffect(() => {
    const { current } = box;
    const first = conv.messages[0]?.seq;
    // Who has scrolled since is where they are now, and not where the last event has seen them.
    if (current.scrollTop !== place.current.top) settle(isAtEnd(current, Math.min(place.current.height, current.scrollHeight)));
    if (written !== place.current.written) settle(true);
    const grewAbove = place.current.first !== undefined && first < place.current.first;
    if (!place.current.isSet && goToUnread()) settle(isAtEnd(current, current.scrollHeight));
    else if (place.current.atEnd) current.scrollTop = current.scrollHeight;
    else if (grewAbove) current.scrollTop += current.scrollHeight - place.current.height;
    place.current = { ...place.current, top: current.scrollTop, height: current.scrollHeight, first, written };
  });
  useEffect(() => {
    seen();
    fill();
  });
  useEffect(() => {
    act.atEnd(conv.id, true);
    const watch = new ResizeObserver(() => {
      if (place.current.atEnd) box.current.scrollTop = box.current.scrollHeight;
      place.current.top = box.current.scrollTop;
      place.current.height = box.current.scrollHeight;
    });
    watch.observe(box.current);
    document.addEventListener('visibilitychange', seen);
    return () => {
      watch.disconnect();
      document.removeEventListener('visibilitychange', seen);
    };
  }, [conv.id]);

  /** What stands at the end of a page that somebody looks at is read. */
  function seen() {
    const now = current.current;
    if (!document.hidden && place.current.isSet && place.current.atEnd && now.conv.head > now.conv.read && now.online && now.conv.messages.length) {
      act.read(conv.id);
    }
  }
  const current = useRef({});
  current.current = { conv, online: state.link.state === 'online' };

  function fill() {
    const { scrollTop } = box.current;
    if (scrollTop < NEAR_BEGINNING_PX && conv.opened && conv.messages.length && !conv.begun && !conv.loading && !conv.failed
        && state.link.state === 'online') {
      act.older(conv.id);
    }
  }

  /** Who comes begins to read where they have stopped, if that is known and not too far up. */
  function goToUnread() {
    const { messages, opened, loading, begun } = conv;
    if (!opened || (messages.length === 0 && !begun)) return false;
    const mark = box.current.querySelector('.unread-line');
    const isThere = mark !== null && (begun || messages[0].seq <= unreadFrom + 1);
    place.current.isSet = isThere || unreadFrom === Infinity || !loading;
    if (!isThere) return false;
    const { top } = box.current.getBoundingClientRect();
    box.current.scrollTop += mark.getBoundingClientRect().top - top - box.current.clientHeight * UNREAD_AT;
    return true;
  }

  /** What is shown, and what the store keeps, follow from where the reader is, not from what was drawn last. */
  function settle(atEnd) {
    if (place.current.atEnd === atEnd) return;
    place.current.atEnd = atEnd;
    setAway(!atEnd);
    act.atEnd(conv.id, atEnd);
  }

  function onScroll() {
    const { scrollTop, scrollHeight } = box.current;
    if (scrollTop !== place.current.top) place.current.isSet = true;
    place.current = { ...place.current, top: scrollTop, height: scrollHeight };
    settle(isAtEnd(box.current, scrollHeight));
    if (place.current.atEnd) seen();
    fill();
  }

  function toEnd() {
    box.current.scrollTo({ top: box.current.scrollHeight, behavior: 'instant' });
    onScroll();
    // The button goes, and the focus with it.
    box.current.focus({ preventScroll: true });
  }

  // Much happens that changes nothing here: somebody comes, another conversation goes on.
  const members = state.groups[conv.peer.group]?.members;
  const online = state.link.state === 'online';
  const today = dayOf(Date.now());
  const shown = useMemo(
    () => rows({ state, t, act, show, conv, lang, unreadFrom }),
    [conv.messages, conv.pending, conv.readBy, conv.delivered, members, state.users, online, today, t, unreadFrom],
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

const isAtEnd = ({ scrollTop, clientHeight }, height) => height - scrollTop - clientHeight < NEAR_END_PX;

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

function rows({ state, t, act, show, conv, lang, unreadFrom }) {
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
    const isUnread = !unreadSaid && !mine && message.seq > unreadFrom;
    if (isUnread) {
      unreadSaid = true;
      shown.push(html`<li class="unread-line" key="unread"><span>${t('chat.unread_line')}</span></li>`);
    }
    const joins = (one, other) => one && other && one.from === other.from
      && dayOf(one.at) === dayOf(other.at) && Math.abs(other.at - one.at) < TOGETHER_MS;
    const first = isUnread || newDay || !joins(before, message);
    const last = !joins(message, after) || (!unreadSaid && after?.from !== me && after?.seq > unreadFrom);
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
