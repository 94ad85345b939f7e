// Languages. A text is a string, or { one, other } where a number decides; `{name}` is filled in.

import en from '../i18n/en.js';
import zh from '../i18n/zh.js';

export const languages = { en, zh };
export const names = { en: 'English', zh: '中文' };
const tags = { en: 'en', zh: 'zh-CN' };

/** The first language of `preferred` that is there, else English. */
export function pick(preferred) {
  const short = preferred.map((tag) => tag.toLowerCase().split('-')[0]);
  return short.find((tag) => languages[tag]) ?? 'en';
}

/** For dates, and the document's `lang`. */
export const tagOf = (lang) => tags[lang];

/** `t(key, values)` of a language. A key that is not there is shown: a test keeps that from happening. */
export function translator(lang) {
  const texts = languages[lang];
  const plural = new Intl.PluralRules(tags[lang]);
  return (key, values = {}) => {
    let text = texts[key] ?? en[key] ?? key;
    if (typeof text === 'object') text = text[plural.select(values.n)] ?? text.other;
    return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  };
}

/** What went wrong, in the user's words. */
export function explain(t, error) {
  if (error.name === 'Lost') return t('error.lost');
  if (error.retryAfterMs >= 1000) return t('error.wait', { n: Math.ceil(error.retryAfterMs / 1000) });
  const byWords = `error.${(error.words ?? '').replaceAll(' ', '_')}`;
  if (en[byWords]) return t(byWords);
  const byCode = `error.${error.code}`;
  if (en[byCode]) return t(byCode);
  return error.words ? t('error.words', { words: error.words }) : t('error.unknown');
}
