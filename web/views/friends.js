// Friends, who of them is there, and whom one has shut out.

import { html } from '../vendor/preact.js';
import { chat } from '../core/router.js';
import { nameOfUser } from '../core/store.js';
import { Avatar, Empty, Icon, moveFocus } from './parts.js';

export function Friends({ state, t, act, show }) {
  const byName = (a, b) => nameOfUser(state, a).localeCompare(nameOfUser(state, b));
  const isThere = (id) => (state.presence[id] ?? 0) > 0;
  const friends = [...state.friends].sort(byName);
  const parts = [
    ['online', friends.filter(isThere)],
    ['others', friends.filter((id) => !isThere(id))],
  ].filter(([, ids]) => ids.length > 0);
  return html`<div class="list" onKeyDown=${(event) => moveFocus(event, '.row-link')}>
    <header class="list-head">
      <h1>${t('friends.title')}</h1>
      <button type="button" class="button icon-button" aria-label=${t('friends.add')} title=${t('friends.add')}
          onClick=${() => show({ kind: 'add' })}><${Icon} name="plus" /></button>
    </header>
    <div class="list-scroll">
      ${state.synced && friends.length === 0 && html`<${Empty} icon="friends" title=${t('friends.empty')} hint=${t('friends.empty_hint')}>
        <button type="button" class="button primary" onClick=${() => show({ kind: 'add' })}>${t('friends.add')}</button>
      <//>`}
      ${parts.map(([part, ids]) => html`<section key=${part}>
        <h2 class="list-part">${t(`friends.${part}`, { n: ids.length })}</h2>
        <ul class="rows">
          ${ids.map((id) => html`<${Person} key=${id} state=${state} t=${t} act=${act} id=${id} show=${show} />`)}
        </ul>
      </section>`)}
      ${state.blocked.length > 0 && html`<section>
        <h2 class="list-part">${t('friends.blocked')}</h2>
        <ul class="rows">
          ${state.blocked.map((id) => html`<li key=${id} class="row">
            <${Avatar} name=${nameOfUser(state, id)} seed=${id} />
            <span class="row-main"><span class="row-name">${nameOfUser(state, id)}</span></span>
            <button type="button" class="button" onClick=${() => act.block(id, false)}>${t('friends.unblock')}</button>
          </li>`)}
        </ul>
      </section>`}
    </div>
  </div>`;
}

function Person({ state, t, act, id, show }) {
  const name = nameOfUser(state, id);
  const status = state.presence[id] ?? 0;
  return html`<li class="row-with">
    <a class="row-link" href=${chat(act.sessionOf({ user: id }))} data-user=${id} data-status=${status}>
      <${Avatar} name=${name} seed=${id} status=${status} />
      <span class="row-main">
        <span class="row-name">${name}</span>
        <span class="row-text">${t(`status.${status}`)}</span>
      </span>
    </a>
    <button type="button" class="button icon-button row-more" aria-label=${t('friends.more', { name })}
        onClick=${() => show({ kind: 'person', userId: id })}><${Icon} name="more" /></button>
  </li>`;
}
