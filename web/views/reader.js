// Where in a conversation its reader is. Who comes begins where they stopped; the place is kept while
// messages are put before it, and the end while one is there; what was in sight is read.

import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';

/** So near the end counts as being there, so near the beginning asks for more. */
const NEAR_END_PX = 60;
const NEAR_BEGINNING_PX = 400;
/** What is unread begins there in the window, from above. */
const UNREAD_AT = 0.2;
/** While somebody scrolls it is told so often what they have read. */
const READ_MS = 300;

/**
 * `box` is a ref to what is scrolled, `written` counts what the reader has written here. Gives whether they are
 * `away` from the end, the number behind which stands what was unread (`Infinity`: nothing), and what to do when
 * they scroll or want to be at the end.
 */
export function useReader({ box, conv, act, online, written }) {
  const place = useRef({ isSet: false, atEnd: true, top: 0, height: 0, first: undefined, written });
  const [away, setAway] = useState(false);
  const line = useLine(conv, () => place.current.atEnd && !document.hidden);
  const now = useRef({});
  now.current = { conv, online };
  const telling = useRef(0);

  useLayoutEffect(() => {
    const { current } = box;
    const first = conv.messages[0]?.seq;
    // Who has scrolled since is where they are now, and not where the last event has seen them.
    if (current.scrollTop !== place.current.top) settle(isAtEnd(current, Math.min(place.current.height, current.scrollHeight)));
    if (written !== place.current.written) {
      place.current.isSet = true;
      settle(true);
    }
    const grewAbove = place.current.first !== undefined && first < place.current.first;
    if (!place.current.isSet && goToLine()) settle(isAtEnd(current, current.scrollHeight));
    else if (place.current.atEnd) current.scrollTop = current.scrollHeight;
    else if (grewAbove) current.scrollTop += current.scrollHeight - place.current.height;
    place.current = { ...place.current, top: current.scrollTop, height: current.scrollHeight, first, written };
  });
  useEffect(() => {
    seen();
    fill();
  });
  useEffect(() => {
    act.atEnd(conv.id, place.current.atEnd);
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
      clearTimeout(telling.current);
    };
  }, [conv.id]);

  /** What stands on a page that somebody looks at is read, and so is all before it. */
  function seen() {
    const { conv, online } = now.current;
    if (document.hidden || !online || !place.current.isSet || conv.messages.length === 0 || conv.read >= conv.head) return;
    const seq = place.current.atEnd ? conv.head : lastInSight(box.current);
    if (seq > conv.read) act.read(conv.id, seq);
  }

  function seenSoon() {
    telling.current ||= setTimeout(() => {
      telling.current = 0;
      seen();
    }, READ_MS);
  }

  function fill() {
    const { conv, online } = now.current;
    const isNear = box.current.scrollTop < NEAR_BEGINNING_PX;
    if (isNear && conv.opened && conv.messages.length && !conv.begun && !conv.loading && !conv.failed && online) act.older(conv.id);
  }

  /** To where what is unread begins, if that is known and not too far up. */
  function goToLine() {
    const { messages, opened, loading, begun } = conv;
    if (!opened || (messages.length === 0 && !begun)) return false;
    const mark = box.current.querySelector('.unread-line');
    const isThere = mark !== null && (begun || messages[0].seq <= line + 1);
    place.current.isSet = isThere || line === Infinity || !loading;
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
    else seenSoon();
    fill();
  }

  function toEnd() {
    box.current.scrollTo({ top: box.current.scrollHeight, behavior: 'instant' });
    onScroll();
    // The button goes, and the focus with it.
    box.current.focus({ preventScroll: true });
  }

  return { away, line, onScroll, toEnd };
}

/** It stays where it was as long as something behind it is unread, and longer; what nobody saw come gets another. */
function useLine(conv, isLookedAt) {
  const line = useRef({ at: null, unread: 0 });
  const { at, unread } = line.current;
  if (conv.opened) {
    const isNew = at === null || (unread === 0 && !isLookedAt());
    line.current = { at: isNew && conv.unread > 0 ? conv.read : at ?? Infinity, unread: conv.unread };
  }
  return line.current.at ?? Infinity;
}

const isAtEnd = ({ scrollTop, clientHeight }, height) => height - scrollTop - clientHeight < NEAR_END_PX;

/** The number of the last message that is wholly in sight, or above. */
function lastInSight(box) {
  const all = box.querySelectorAll('.message[data-seq]');
  const end = box.getBoundingClientRect().bottom + 1;
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].getBoundingClientRect().bottom <= end) low = middle + 1;
    else high = middle;
  }
  return Number(all[low - 1]?.dataset.seq ?? 0);
}
