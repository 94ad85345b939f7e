// Signing in, and signing up.

import { html, useState } from '../vendor/preact.js';
import { Form } from './dialog.js';
import { Icon, Mark } from './parts.js';
import { LanguageChoice, ThemeChoice } from './choices.js';
import { Toasts } from './toast.js';

export function Login({ state, t, act, preferences }) {
  const [isNew, setNew] = useState(false);
  const prefix = isNew ? 'login.new_' : 'login.';
  const fields = [
    {
      name: 'username', label: t('login.username'), autocomplete: 'username', required: true, maxlength: 32,
      autocapitalize: 'none', spellcheck: false, hint: isNew ? t('login.username_hint') : '',
    },
    {
      name: 'password', label: t('login.password'), type: 'password', required: true, maxlength: 1024,
      autocomplete: isNew ? 'new-password' : 'current-password', hint: isNew ? t('login.password_hint') : '',
    },
  ];
  const submit = ({ username, password }) => (isNew ? act.signUp : act.signIn)(username.trim(), password);
  return html`<div class="login">
    <section class="login-side" aria-hidden="true">
      <div class="login-brand"><${Mark} /><span>${t('app.name')}</span></div>
      <div class="login-art">
        <p class="login-tagline">${t('app.tagline')}</p>
        <ul class="login-points">
          ${[1, 2, 3].map((n) => html`<li key=${n}><${Icon} name="tick" />${t(`login.point_${n}`)}</li>`)}
        </ul>
      </div>
    </section>
    <main class="login-main">
      <div class="login-card">
        <div class="login-brand small"><${Mark} /><span>${t('app.name')}</span></div>
        <h1>${t(`${prefix}title`)}</h1>
        <p class="lead">${t(`${prefix}lead`)}</p>
        <${Form} key=${isNew} t=${t} fields=${fields} onSubmit=${submit}
          action=${t(isNew ? 'login.sign_up' : 'login.sign_in')} />
        <p class="login-switch">
          ${t(isNew ? 'login.has_account' : 'login.no_account')}${' '}
          <button type="button" class="link" onClick=${() => setNew(!isNew)}>
            ${t(isNew ? 'login.sign_in' : 'login.sign_up')}
          </button>
        </p>
      </div>
      <footer class="login-foot">
        <${LanguageChoice} t=${t} preferences=${preferences} />
        <${ThemeChoice} t=${t} preferences=${preferences} />
      </footer>
    </main>
    <${Toasts} t=${t} toasts=${state.toasts} act=${act} />
  </div>`;
}
