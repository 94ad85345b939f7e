// Times as people say them.

const DAY_MS = 86_400_000;
const formats = new Map();

function format(lang, key, options) {
  const name = `${lang} ${key}`;
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat(lang, options));
  return formats.get(name);
}

/** The same number for all times of one day here. */
export function dayOf(at) {
  const date = new Date(at);
  return Math.round(new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() / DAY_MS);
}

export function clock(lang, at) {
  return format(lang, 'clock', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
}

/** With day and time, for those who want to know exactly. */
export function exact(lang, at) {
  return format(lang, 'exact', { dateStyle: 'long', timeStyle: 'short' }).format(at);
}

/** As short as a list needs it. */
export function short(lang, at, now, t) {
  const days = dayOf(now) - dayOf(at);
  if (days <= 0) return clock(lang, at);
  if (days === 1) return t('time.yesterday');
  if (days < 7) return format(lang, 'weekday', { weekday: 'short' }).format(at);
  return format(lang, 'date', { day: 'numeric', month: 'short' }).format(at);
}

/** Between the messages of two days. */
export function day(lang, at, now, t) {
  const days = dayOf(now) - dayOf(at);
  if (days <= 0) return t('time.today');
  if (days === 1) return t('time.yesterday');
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : { year: 'numeric' };
  const options = { weekday: 'long', day: 'numeric', month: 'long', ...year };
  return format(lang, `day ${Boolean(year.year)}`, options).format(at);
}
