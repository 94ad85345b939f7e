// What this browser remembers of how its user wants it: language, theme, and whether it tells them of messages.

import { pick, tagOf } from './i18n.js';

const KEY = 'mpim.preferences';
export const themes = ['system', 'light', 'dark'];

export function createPreferences({ storage = localStorage, root = document.documentElement } = {}) {
  let value = { lang: pick(navigator.languages ?? ['en']), theme: 'system', notices: false, ...stored(storage) };
  const listeners = new Set();

  function apply() {
    root.lang = tagOf(value.lang);
    root.dataset.theme = value.theme;
  }

  apply();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      storage.setItem(KEY, JSON.stringify(value));
      apply();
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Only what is known, whatever stands there. */
function stored(storage) {
  try {
    const { lang, theme, notices } = JSON.parse(storage.getItem(KEY) ?? '{}');
    return {
      ...(pick([lang ?? '']) === lang && { lang }),
      ...(themes.includes(theme) && { theme }),
      ...(notices === true && { notices }),
    };
  } catch {
    return {};
  }
}
