// Where one is signed in.

import { html, useEffect, useState } from '../vendor/preact.js';
import { deviceWords } from '../core/device.js';
import { Confirm } from './dialog.js';
import { Icon } from './parts.js';

const icons = { web: 'browser', mobile: 'phone', desktop: 'devices', bot: 'terminal', text: 'terminal' };

export function Devices({ state, t, act }) {
  const [asked, setAsked] = useState(null);
  const online = state.link.state === 'online';
  useEffect(() => {
    if (online) act.attempt(act.devices);
  }, [online]);
  const devices = [...(state.devices ?? [])].sort((a, b) => b.current - a.current || b.online - a.online);
  return html`<div class="page">
    <h1>${t('devices.title')}</h1>
    <p class="lead">${t('devices.lead')}</p>
    ${!state.devices && html`<p class="page-wait" role="status"><span class="spinner"></span><span class="hidden">${t('app.loading')}</span></p>`}
    <ul class="cards">
      ${devices.map((device) => {
        const [kind, id] = device.name.split(':');
        return html`<li key=${device.name} class="card device" data-device=${device.name}>
          <span class="device-icon"><${Icon} name=${icons[kind] ?? 'devices'} /></span>
          <span class="row-main">
            <span class="row-name">${deviceWords(id) || (icons[kind] ? t(`devices.class_${kind}`) : kind)}
              ${device.current && html`<span class="tag">${t('devices.this')}</span>`}</span>
            <span class="row-text">
              <span class="dot inline status-${device.online ? 1 : 0}"></span>
              ${t(device.online ? 'devices.online' : 'devices.offline')}${id ? ` · ${id.split('-').pop()}` : ''}
            </span>
          </span>
          ${!device.current && html`<button type="button" class="button" onClick=${() => setAsked(device.name)}
              aria-label=${`${t('devices.revoke')} ${device.name}`}>${t('devices.revoke')}</button>`}
        </li>`;
      })}
    </ul>
    ${asked && html`<${Confirm} t=${t} title=${t('devices.revoke')} lead=${t('devices.revoke_sure', { name: asked })}
      action=${t('devices.revoke')} onYes=${() => act.revoke(asked)} onClose=${() => setAsked(null)} />`}
  </div>`;
}
