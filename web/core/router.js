// The part of the address behind `#` says what is shown, so that going back works as everywhere.
//
//   #/chats, #/chats/c2c_1_2, #/friends, #/groups, #/groups/join/7, #/devices, #/settings

const sections = ['chats', 'friends', 'groups', 'devices', 'settings'];

/** {section, sessionId?, join?} of an address. What it does not know is the list of chats. */
export function parse(hash) {
  const [section, ...rest] = hash.replace(/^#?\/?/, '').split('/');
  if (!sections.includes(section)) return { section: 'chats' };
  if (section === 'chats' && /^(c2c_\d+_\d+|grp_\d+)$/.test(rest[0] ?? '')) {
    return { section, sessionId: rest[0] };
  }
  if (section === 'groups' && rest[0] === 'join' && /^\d{1,15}$/.test(rest[1] ?? '')) {
    return { section, join: Number(rest[1]) };
  }
  return { section };
}

export const chat = (sessionId) => `#/chats/${sessionId}`;
export const invitation = (groupId) => `#/groups/join/${groupId}`;

export function createRouter(window = globalThis.window) {
  let route = parse(window.location.hash);
  const listeners = new Set();
  window.addEventListener('hashchange', () => {
    route = parse(window.location.hash);
    for (const listener of listeners) listener();
  });
  return {
    get: () => route,
    go(hash) {
      window.location.hash = hash;
    },
    subscribe: (listener) => listeners.add(listener),
  };
}
