// What happened, for a few seconds, in a corner.

import { html } from '../vendor/preact.js';
import { Icon } from './parts.js';

export function Toasts({ toasts }) {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.map(({ id, kind, text }) => html`<div key=${id} class="toast ${kind}">
      <${Icon} name=${kind === 'error' ? 'warn' : 'tick'} /><span>${text}</span>
    </div>`)}
  </div>`;
}
