// Where one writes.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { Icon } from './parts.js';

/** What the server takes, in bytes of UTF-8. */
export const BYTES_MAX = 4096;
/** From here on it is said how much is left. */
const SAY_FROM = 3500;
const HEIGHT_MAX = 168;
/** A longer name would take more than the one line. */
const NAME_MAX = 24;
const encoder = new TextEncoder();

export function Composer({ t, name, draft, onSend, onTyping, onDraft, onLeave, focus }) {
  const [text, setText] = useState(draft);
  const ref = useRef(null);
  const latest = useRef(text);
  latest.current = text;
  const bytes = text.length > SAY_FROM / 4 ? encoder.encode(text.trim()).length : 0;
  const isTooLong = bytes > BYTES_MAX;

  useEffect(() => {
    if (focus) ref.current.focus({ preventScroll: true });
    const end = ref.current.value.length;
    ref.current.setSelectionRange(end, end);
    return () => onDraft(latest.current);
  }, []);
  useEffect(() => {
    ref.current.style.height = 'auto';
    ref.current.style.height = `${Math.min(ref.current.scrollHeight, HEIGHT_MAX)}px`;
  }, [text]);

  function submit(event) {
    event?.preventDefault();
    const content = text.trim();
    if (!content || isTooLong) return;
    setText('');
    onSend(content);
    ref.current.focus();
  }

  function onKey(event) {
    // Enter that ends the choice of a character is the input method's.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) submit(event);
    else if (event.key === 'Escape' && !event.isComposing) onLeave();
  }

  function onInput(event) {
    setText(event.target.value);
    if (event.target.value.trim()) onTyping();
  }

  return html`<form class="composer" onSubmit=${submit}>
    <div class="composer-box">
      <textarea ref=${ref} rows="1" value=${text} dir="auto" enterkeyhint="send" onInput=${onInput} onKeyDown=${onKey}
        placeholder=${name.length > NAME_MAX ? t('chat.write_short') : t('chat.write', { name })} aria-label=${t('chat.write', { name })}
        aria-describedby="composer-hint" aria-invalid=${isTooLong}></textarea>
      ${bytes > SAY_FROM && html`<span class="composer-count ${isTooLong ? 'over' : ''}" role="status">
        ${isTooLong ? t('chat.too_long', { n: bytes - BYTES_MAX }) : t('chat.bytes_left', { n: BYTES_MAX - bytes })}
      </span>`}
    </div>
    <button type="submit" class="button send" aria-label=${t('chat.send')} title=${t('chat.send')}
        disabled=${!text.trim() || isTooLong}><${Icon} name="send" /></button>
    <p class="hidden" id="composer-hint">${t('chat.hint')}</p>
  </form>`;
}
