// What a browser is called among the devices of its user: `chrome-linux-3f09ab71c2d4`, so that one can
// tell which is which.

const browsers = [['Edg', 'edge', 'Edge'], ['OPR', 'opera', 'Opera'], ['Firefox', 'firefox', 'Firefox'], ['Chrome', 'chrome', 'Chrome'], ['Safari', 'safari', 'Safari']];
const systems = [
  ['Android', 'android', 'Android'], ['iPhone', 'ios', 'iOS'], ['iPad', 'ios', 'iOS'], ['Windows', 'windows', 'Windows'],
  ['Mac OS', 'mac', 'macOS'], ['CrOS', 'chromeos', 'ChromeOS'], ['Linux', 'linux', 'Linux'],
];

/** An id for this browser, of which `unique` is a part. */
export function deviceId(unique, userAgent = globalThis.navigator?.userAgent ?? '') {
  const found = [browsers, systems].map((all) => all.find(([sign]) => userAgent.includes(sign))?.[1]);
  return [...found.filter(Boolean), unique].join('-');
}

/** The words for an id: `Chrome · Linux`, or '' where it says nothing. */
export function deviceWords(id = '') {
  const said = id.split('-').slice(0, -1);
  const words = [browsers, systems].map((all) => all.find(([, name]) => said.includes(name))?.[2]);
  return words.filter(Boolean).join(' · ');
}
