// One message: whose, what, when, and what became of it.

import { html, Component } from '../vendor/preact.js';
import { explain } from '../core/i18n.js';
import { clock, exact } from '../core/time.js';
import { Avatar, HUES, Icon } from './parts.js';

const marks = {
  sending: 'clock', waiting: 'clock', sent: 'tick', delivered: 'ticks', read: 'ticks', failed: 'warn',
};

const stateWords = (t, state) => (state === 'failed' ? t('message.failed_short') : t(`message.${state}`));

/** What became of one's own message, as a sign with a word for those who hear it. */
export function StateMark({ t, state }) {
  const words = stateWords(t, state);
  return html`<span class="state ${state}" title=${words}>
    <${Icon} name=${marks[state]} /><span class="hidden">${words} </span>
  </span>`;
}

/** Chinese has no space after a sentence: its marks end an address wherever they stand. */
const URL_PATTERN = /https?:\/\/[^\s<>"'`，。；：！？、（）【】《》「」“”]+/g;
const AT_ITS_END = /[.,;:!?)\]}]+$/;

/** Text, and links in it. Never anything but text nodes and links to the web. */
export function richText(text, origin = globalThis.location?.origin) {
  const parts = [];
  let at = 0;
  for (const { 0: match, index } of text.matchAll(URL_PATTERN)) {
    const address = match.replace(AT_ITS_END, '');
    if (!URL.canParse(address)) continue;
    const url = new URL(address);
    // What looks like the host before an @ is not the host.
    if (url.username || url.password) continue;
    if (index > at) parts.push(text.slice(at, index));
    const ours = url.origin === origin && url.pathname === '/' && url.hash.startsWith('#/');
    parts.push(ours
      ? html`<a href=${url.hash}>${address}</a>`
      : html`<a href=${url.href} target="_blank" rel="noopener noreferrer nofollow ugc">${address}</a>`);
    at = index + address.length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

const PICTURES = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier}|\u200D\p{Extended_Pictographic})*\s?){1,3}$/u;

/** `faced`: among several people, so that it says whose it is. */
export class Message extends Component {
  /** A long history is drawn once: only what changed is drawn again. */
  shouldComponentUpdate(next) {
    return Object.keys(next).some((key) => next[key] !== this.props[key]);
  }

  render({ t, lang, message, mine, author, state, first, last, faced, refused, act, show }) {
    const size = PICTURES.test(message.content) ? 'pictures' : '';
    const time = clock(lang, message.at);
    const label = mine
      ? t('message.label_mine', { time, state: stateWords(t, state), text: message.content })
      : t('message.label', { name: author, time, text: message.content });
    return html`<li class="message ${mine ? 'mine' : 'theirs'} ${first ? 'first' : ''} ${last ? 'last' : ''} ${faced ? 'faced' : ''} ${size}"
        tabindex="-1" data-seq=${message.seq} data-message-id=${message.id} data-state=${mine ? state : undefined}
        data-client-id=${message.clientId} aria-label=${label}>
      ${faced && last && html`<button type="button" class="face" tabindex="-1" onClick=${() => show({ kind: 'person', userId: message.from })}>
        <span class="hidden">${t('message.author', { name: author })}</span>
        <${Avatar} name=${author} seed=${message.from} size="small" />
      </button>`}
      <div class="bubble">
        ${faced && first && html`<span class="author hue-${message.from % HUES}" dir="auto">${author}</span>`}
        <span class="text" dir="auto">${richText(message.content)}</span>
        <span class="meta">
          <time datetime=${new Date(message.at).toISOString()} title=${exact(lang, message.at)}>${time}</time>
          ${mine && html`<${StateMark} t=${t} state=${state} />`}
        </span>
      </div>
      ${refused && html`<div class="refused">
        <span>${t('message.failed', { why: explain(t, refused) })}</span>
        <button type="button" class="link" onClick=${() => act.retry(message.clientId)}>${t('message.resend')}</button>
        <button type="button" class="link" onClick=${() => act.discard(message.clientId)}>${t('message.discard')}</button>
      </div>`}
    </li>`;
  }
}
