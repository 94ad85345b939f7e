// Who one is, how it looks, and signing out.

import { html, useState } from '../vendor/preact.js';
import { Choice, LanguageChoice, ThemeChoice } from './choices.js';
import { Confirm, Form } from './dialog.js';
import { canNotify, mayNotify } from '../core/notices.js';
import { waitingOfAll } from '../core/store.js';
import { Avatar } from './parts.js';

const keys = [
  ['settings.key_find', 'Ctrl', 'K'],
  ['settings.key_move', 'Alt', '↑ ↓'],
  ['settings.key_history', '↑ ↓'],
  ['settings.key_send', 'Enter'],
  ['settings.key_break', 'Shift', 'Enter'],
  ['settings.key_back', 'Esc'],
];

export function Settings({ state, t, act, preferences }) {
  const [asks, setAsks] = useState(null); // 'here', 'everywhere'
  const { me } = state;
  const name = me.nickname ?? me.username;
  const fields = [
    { name: 'old', label: t('settings.password_old'), type: 'password', autocomplete: 'current-password', required: true, focus: false },
    { name: 'fresh', label: t('settings.password_new'), type: 'password', autocomplete: 'new-password', required: true, minlength: 8, hint: t('login.password_hint') },
  ];
  const unsent = waitingOfAll(state);
  const leave = () => (unsent > 0 ? setAsks('here') : act.signOut(false));
  async function notify(wanted) {
    const may = wanted === 'yes' && (await mayNotify());
    if (wanted === 'yes' && !may) act.toast('error', 'settings.notices_denied');
    preferences.set({ notices: may });
  }
  async function change({ old, fresh }, form) {
    await act.changePassword(old, fresh);
    form.reset();
    act.toast('done', 'settings.password_done');
  }
  return html`<div class="page">
    <h1>${t('settings.title')}</h1>
    <section class="card" aria-labelledby="s-profile">
      <h2 id="s-profile">${t('settings.profile')}</h2>
      <div class="profile">
        <${Avatar} name=${name} seed=${me.user_id} size="large" />
        <div class="row-main">
          <span class="row-name">${name}</span>
          <span class="row-text">${t('settings.number', { id: me.user_id })}</span>
        </div>
      </div>
      <${Choice} name="status" label=${t('settings.status')} value=${state.status} onChoose=${act.setStatus}
        options=${[1, 2, 3].map((status) => [status, t(`status.${status}`)])} />
    </section>
    <section class="card" aria-labelledby="s-look">
      <h2 id="s-look">${t('settings.appearance')}</h2>
      <${ThemeChoice} t=${t} preferences=${preferences} />
      <${LanguageChoice} t=${t} preferences=${preferences} />
      ${canNotify() && html`<${Choice} name="notices" label=${t('settings.notices')} value=${preferences.get().notices ? 'yes' : 'no'}
        options=${['yes', 'no'].map((wanted) => [wanted, t(`settings.notices_${wanted}`)])} onChoose=${notify} />`}
    </section>
    <section class="card" aria-labelledby="s-password">
      <h2 id="s-password">${t('settings.password')}</h2>
      <${Form} t=${t} fields=${fields} action=${t('settings.password_do')} onSubmit=${change}>
        <input type="text" autocomplete="username" value=${me.username} readonly hidden />
      <//>
    </section>
    <section class="card keys" aria-labelledby="s-keys">
      <h2 id="s-keys">${t('settings.keys')}</h2>
      <dl>${keys.map(([what, ...combination]) => html`<div key=${what}><dt>${t(what)}</dt>
        <dd>${combination.map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dd></div>`)}</dl>
    </section>
    <section class="card" aria-labelledby="s-session">
      <h2 id="s-session">${t('settings.session')}</h2>
      <div class="card-actions">
        <button type="button" class="button" onClick=${leave}>${t('settings.sign_out')}</button>
        <button type="button" class="button danger" onClick=${() => setAsks('everywhere')}>${t('settings.sign_out_all')}</button>
      </div>
    </section>
    ${asks && html`<${SignOut} t=${t} act=${act} unsent=${unsent} everywhere=${asks === 'everywhere'} onClose=${() => setAsks(null)} />`}
  </div>`;
}

function SignOut({ t, act, unsent, everywhere, onClose }) {
  const title = t(everywhere ? 'settings.sign_out_all' : 'settings.sign_out');
  const lead = [
    everywhere && t('settings.sign_out_all_sure'),
    unsent > 0 && t('settings.sign_out_unsent', { n: unsent }),
  ].filter(Boolean).join(' ');
  return html`<${Confirm} t=${t} title=${title} lead=${lead} action=${title}
    onYes=${() => act.signOut(everywhere)} onClose=${onClose} />`;
}
