// How the connection is, where it is not as it should be.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { Icon } from './parts.js';

export function Banner({ t, link, act }) {
  const [now, setNow] = useState(Date.now());
  const waits = link.state === 'waiting';
  useEffect(() => {
    if (!waits) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [waits, link.retryAt]);
  const left = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
  return html`<div class="banner-place" role="status">
    ${link.state === 'connecting' && html`<div class="banner slow">
      <span class="spinner small"></span><span>${t('link.connecting')}</span>
    </div>`}
    ${waits && html`<div class="banner warn">
      <${Icon} name="warn" /><span>${t('link.lost')}</span>
      <span aria-hidden="true">${t('link.again', { n: left })}</span>
      <button type="button" class="link" onClick=${act.hurry}>${t('link.now')}</button>
    </div>`}
  </div>`;
}

/** The same device is used in another window: one of them has to wait. */
export function Elsewhere({ t, act }) {
  const ref = useRef(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return html`<dialog class="overlay" ref=${ref} role="alertdialog" aria-labelledby="elsewhere" onCancel=${(event) => event.preventDefault()}>
    <div class="overlay-card">
      <span class="empty-icon"><${Icon} name="browser" /></span>
      <p id="elsewhere">${t('link.elsewhere')}</p>
      <button type="button" class="button primary" autofocus onClick=${act.takeOver}>${t('link.use_here')}</button>
    </div>
  </dialog>`;
}
