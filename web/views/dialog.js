// A dialog over everything else. The browser's own element keeps the focus inside and gives it back.

import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { explain } from '../core/i18n.js';
import { Icon } from './parts.js';

export function Dialog({ t, title, lead, onClose, children }) {
  const ref = useRef(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    // Otherwise it would be the button that closes it.
    (dialog.querySelector('[autofocus]') ?? dialog.querySelector('input:not([readonly]), .dialog-body > .form-actions button, .row-link'))?.focus();
    return () => dialog.close();
  }, []);
  const onClick = (event) => event.target === ref.current && onClose();
  return html`<dialog class="dialog" ref=${ref} aria-labelledby="dialog-title"
      onCancel=${(event) => { event.preventDefault(); onClose(); }} onClick=${onClick}>
    <div class="dialog-body">
      <header class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="button icon-button" aria-label=${t('app.close')} onClick=${onClose}>
          <${Icon} name="close" />
        </button>
      </header>
      ${lead && html`<p class="lead">${lead}</p>`}
      ${children}
    </div>
  </dialog>`;
}

/** A dialog with fields; `onSubmit(values)` may throw, and what it throws is shown. */
export function FormDialog({ t, title, lead, fields, action, onSubmit, onClose }) {
  return html`<${Dialog} t=${t} title=${title} lead=${lead} onClose=${onClose}>
    <${Form} t=${t} fields=${fields} action=${action} onSubmit=${onSubmit} onClose=${onClose} />
  <//>`;
}

/** `fields`: [{name, label, hint, type, autocomplete, required, maxlength, inputmode}] */
export function Form({ t, fields, action, onSubmit, onClose, children }) {
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError('');
    try {
      await onSubmit(Object.fromEntries(new FormData(form.current)), form.current);
    } catch (thrown) {
      setError(typeof thrown === 'string' ? thrown : explain(t, thrown));
    } finally {
      setBusy(false);
    }
  }
  return html`<form class="form" ref=${form} onSubmit=${submit} aria-busy=${busy}>
    ${fields.map((field, index) => html`<${Field} key=${field.name} t=${t} ...${field} first=${index === 0} />`)}
    ${children}
    <p class="form-error" role="alert">${error}</p>
    <div class="form-actions">
      ${onClose && html`<button type="button" class="button" onClick=${onClose}>${t('app.cancel')}</button>`}
      <button type="submit" class="button primary" disabled=${busy}>
        ${busy && html`<span class="spinner small"></span>`}${action}
      </button>
    </div>
  </form>`;
}

function Field({ t, name, label, hint, first, type = 'text', ...rest }) {
  const [shown, setShown] = useState(false);
  const ref = useRef(null);
  useEffect(() => {
    if (first && rest.focus !== false) ref.current.focus();
  }, []);
  const isPassword = type === 'password';
  const { focus, ...attributes } = rest;
  return html`<div class="field">
    <label for=${`field-${name}`}>${label}</label>
    <div class="field-box">
      <input id=${`field-${name}`} name=${name} ref=${ref} type=${isPassword && shown ? 'text' : type}
        aria-describedby=${hint ? `hint-${name}` : undefined} ...${attributes} />
      ${isPassword && html`<button type="button" class="button icon-button" aria-pressed=${shown}
          aria-label=${t(shown ? 'login.hide' : 'login.show')} onClick=${() => setShown(!shown)}>
        <${Icon} name="eye" />
      </button>`}
    </div>
    ${hint && html`<p class="hint" id=${`hint-${name}`}>${hint}</p>`}
  </div>`;
}

/** Asks before something that cannot be undone. */
export function Confirm({ t, title, lead, action, onYes, onClose }) {
  return html`<${Dialog} t=${t} title=${title} lead=${lead} onClose=${onClose}>
    <div class="form-actions">
      <button type="button" class="button" onClick=${onClose}>${t('app.cancel')}</button>
      <button type="button" class="button danger" onClick=${() => { onClose(); onYes(); }}>${action}</button>
    </div>
  <//>`;
}
