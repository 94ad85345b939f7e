// A few possibilities of which one holds, as a row of buttons.

import { html } from '../vendor/preact.js';
import { names, tagOf } from '../core/i18n.js';
import { themes } from '../core/preferences.js';

/** `options`: [[value, text, lang?]] */
export function Choice({ name, label, options, value, onChoose }) {
  return html`<fieldset class="choice">
    <legend>${label}</legend>
    <div class="choice-row">
      ${options.map(([option, text, lang]) => html`<label key=${option} class="choice-item">
        <input type="radio" name=${name} value=${option} checked=${option === value}
          onChange=${() => onChoose(option)} />
        <span lang=${lang}>${text}</span>
      </label>`)}
    </div>
  </fieldset>`;
}

export function LanguageChoice({ t, preferences }) {
  const options = Object.entries(names).map(([lang, name]) => [lang, name, tagOf(lang)]);
  return html`<${Choice} name="language" label=${t('settings.language')} options=${options}
    value=${preferences.get().lang} onChoose=${(lang) => preferences.set({ lang })} />`;
}

export function ThemeChoice({ t, preferences }) {
  const options = themes.map((theme) => [theme, t(`settings.theme_${theme}`)]);
  return html`<${Choice} name="theme" label=${t('settings.theme')} options=${options}
    value=${preferences.get().theme} onChoose=${(theme) => preferences.set({ theme })} />`;
}
