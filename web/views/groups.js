// The groups that one is in.

import { html } from '../vendor/preact.js';
import { chat } from '../core/router.js';
import { Avatar, Empty, Icon, moveFocus } from './parts.js';

export function Groups({ state, t, show }) {
  const nameOf = (id) => state.groups[id]?.name ?? `#${id}`;
  const ids = [...state.myGroups].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  return html`<div class="list" onKeyDown=${(event) => moveFocus(event, '.row-link')}>
    <header class="list-head">
      <h1>${t('groups.title')}</h1>
      <button type="button" class="button icon-button" aria-label=${t('groups.join')} title=${t('groups.join')}
          onClick=${() => show({ kind: 'join' })}><${Icon} name="link" /></button>
      <button type="button" class="button icon-button" aria-label=${t('groups.create')} title=${t('groups.create')}
          onClick=${() => show({ kind: 'create' })}><${Icon} name="plus" /></button>
    </header>
    <div class="list-scroll">
      ${state.synced && ids.length === 0 && html`<${Empty} icon="groups" title=${t('groups.empty')} hint=${t('groups.empty_hint')}>
        <button type="button" class="button primary" onClick=${() => show({ kind: 'create' })}>${t('groups.create')}</button>
        <button type="button" class="button" onClick=${() => show({ kind: 'join' })}>${t('groups.join')}</button>
      <//>`}
      <ul class="rows">
        ${ids.map((id) => html`<li key=${id}>
          <a class="row-link" href=${chat(`grp_${id}`)} data-group=${id}>
            <${Avatar} name=${nameOf(id)} seed=${id} group=${true} />
            <span class="row-main">
              <span class="row-name">${nameOf(id)}</span>
              <span class="row-text">${state.groups[id]?.description || t('groups.id', { id })}</span>
            </span>
          </a>
        </li>`)}
      </ul>
    </div>
  </div>`;
}
