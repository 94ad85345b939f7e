// Where one is signed in.

import { html, useEffect, useState } from '../vendor/preact.js';
import { deviceWords } from '../core/device.js';
import { Confirm } from './dialog.js';
import { Icon } from './parts.js';

const icons = { web: 'browser', mobile: 'phone', desktop: 'devices', bot: 'terminal', text: 'terminal' };

const EVERY_MS = 10_000;

export function Devices({ state, t, act }) {
  const [asked, setAsked] = useState(null);
  const online = state.link.state === 'online';
  useEffect(() => {
    if (!online) return undefined;
    act.attempt(act.devices);
    // Nobody is told of devices that come and go.
    const timer = setInterval(() => document.hidden || act.devices().catch(() => {}), EVERY_MS);
    return () => clearInterval(timer);
  }, [online]);
  const wordsOf = (name) => {
    const [kind, id] = name.split(':');
    return deviceWords(id) || (icons[kind] ? t(`devices.class_${kind}`) : kind);
  };
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
            <span class="row-name">${wordsOf(device.name)}
              ${device.current && html`<span class="tag">${t('devices.this')}</span>`}</span>
            <span class="row-text">
              <span class="dot inline status-${device.online ? 1 : 0}"></span>
              ${t(device.online ? 'devices.online' : 'devices.offline')}${id ? ` · ${id.split('-').pop()}` : ''}
            </span>
          </span>
          ${!device.current && html`<button type="button" class="button" onClick=${() => setAsked(device.name)}
              aria-label=${`${t('devices.revoke')} ${wordsOf(device.name)} ${id ?? ''}`}>${t('devices.revoke')}</button>`}
        </li>`;
      })}
    </ul>
    ${asked && html`<${Confirm} t=${t} title=${t('devices.revoke')} lead=${t('devices.revoke_sure', { name: wordsOf(asked) })}
      action=${t('devices.revoke')} onYes=${() => act.revoke(asked)} onClose=${() => setAsked(null)} />`}
  </div>`;
}
