// Small things that every view uses.

import { html, useEffect, useRef } from '../vendor/preact.js';

const icons = {
  chats: 'M4 5.500A2.500 2.500 0 0 1 6.500 3h11A2.500 2.500 0 0 1 20 5.500v8a2.500 2.500 0 0 1-2.500 2.500H11l-4.500 4v-4A2.500 2.500 0 0 1 4 13.500z',
  friends: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20.500c.6-3.700 3.700-6 7.500-6s6.900 2.300 7.500 6',
  groups: 'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 19.500c.5-3.300 3.100-5.500 6.500-5.500s6 2.200 6.500 5.500M16 4.300a3.500 3.500 0 0 1 0 6.500M18 14.600c2 .8 3.200 2.500 3.500 4.900',
  devices: 'M4 5h13a1.500 1.500 0 0 1 1.500 1.500V8M4 5a1.500 1.500 0 0 0-1.500 1.500V15h10M1.500 18.500h11M15.500 11.500h5a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-5a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.300a2.300 2.300 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600zM9 19.300a2.300 2.300 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600z',
  search: 'M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L20 20',
  back: 'M14.500 5l-7 7 7 7',
  send: 'M4.500 12L3.500 4.500l18 7.500-18 7.500zM4.500 12h8',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M6 9.500l6 6 6-6',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.500M12 7.600v.1',
  clock: 'M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17zM12 7v5l3.200 2',
  tick: 'M5 12.500l4.500 4.500L19 7.500',
  ticks: 'M2 12.500L6.500 17 15 8M11 15.500l1.500 1.500L21.500 8',
  warn: 'M12 8v5M12 16.600v.1M10.700 3.800L2.400 18.200A1.500 1.500 0 0 0 3.700 20.500h16.600a1.500 1.500 0 0 0 1.300-2.300L13.300 3.800a1.500 1.500 0 0 0-2.600 0z',
  more: 'M5.500 12h.01M12 12h.01M18.500 12h.01',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  browser: 'M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM3 9h18M6 7h.01',
  phone: 'M8 3h8a1.500 1.500 0 0 1 1.500 1.500v15A1.500 1.500 0 0 1 16 21H8a1.500 1.500 0 0 1-1.500-1.500v-15A1.500 1.500 0 0 1 8 3zM11 18h2',
  terminal: 'M4 4.500h16a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1zM7 9l3 3-3 3M12.500 15H17',
  link: 'M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 0 0 5.700 5.700l1-1',
};

/** An icon says nothing of its own: its button or its neighbour has the words. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${icons[name]} /></svg>`;
}

/** The sign of MPIM. */
export function Mark() {
  return html`<img class="mark" src="icon.svg" alt="" width="40" height="40" />`;
}

/** Colours of people and groups. */
export const HUES = 10;

/** A round picture with initials; `seed` decides its colour, `status` adds a dot. */
export function Avatar({ name, seed, status, group, size = '' }) {
  return html`<span class="avatar hue-${seed % HUES} ${size} ${group ? 'square' : ''}" aria-hidden="true">
    <span class="initials">${initials(name)}</span>
    ${status !== undefined && html`<span class="dot status-${status}"></span>`}
  </span>`;
}

/** Of two words their first letters, of one two of its own; what is not Latin is wide enough alone. */
export function initials(name) {
  const words = name.split(/[\s#._@+-]+/).filter(Boolean).map((word) => Array.from(word));
  const [first = Array.from(name), second] = words;
  if (/[^\x00-\x7f]/.test(first[0])) return first[0];
  return (second ? [first[0], second[0]] : first.slice(0, 2)).join('');
}

export function Empty({ icon, title, hint, children }) {
  return html`<div class="empty">
    <span class="empty-icon"><${Icon} name=${icon} /></span>
    <p class="empty-title">${title}</p>
    <p class="empty-hint">${hint}</p>
    ${children && html`<div class="empty-actions">${children}</div>`}
  </div>`;
}

/** Puts the focus on the element when it appears, and when `on` changes. */
export function useFocus(on = true, when = []) {
  const ref = useRef(null);
  useEffect(() => {
    if (on) ref.current?.focus({ preventScroll: true });
  }, [on, ...when]);
  return ref;
}

/** Arrow keys, Home and End move the focus among the elements that fit `selector`. */
export function moveFocus(event, selector) {
  const all = [...event.currentTarget.querySelectorAll(selector)];
  if (all.length === 0) return false;
  const at = all.indexOf(document.activeElement);
  const next = {
    ArrowDown: at < 0 ? 0 : Math.min(at + 1, all.length - 1),
    ArrowUp: at < 0 ? all.length - 1 : Math.max(at - 1, 0),
    Home: 0,
    End: all.length - 1,
  }[event.key];
  if (next === undefined) return false;
  event.preventDefault();
  all[next].focus();
  all[next].scrollIntoView({ block: 'nearest' });
  return true;
}

/** On telephones, and in narrow windows, there is one pane. */
export const NARROW = '(max-width: 720px)';
export const isNarrow = () => matchMedia(NARROW).matches;
