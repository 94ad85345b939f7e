// The browser's tests, against whatever serves the client.
//
//   node browser/run.mjs --base URL [--chromium PATH] [--pictures DIR] [--only NAME,NAME] [--faults down,up,…]
//
// Tells what happens on stdout, one JSON object a line, and asks there for what it cannot do itself:
//
//   {"fault":"down"}                 take the gateway away; answered on stdin by {"done":"down"}
//   {"fault":"up"}                   bring it back; {"done":"up"} once it can be reached
//   {"fault":"kill-1"}               of two gateways behind the address; start-1, kill-2, start-2
//   {"passed":NAME} {"failed":NAME,"error":TEXT} {"skipped":NAME,"reason":TEXT}
//   {"summary":{"passed":N,"failed":N}}
//
// Faults that `--faults` does not name are not asked for, and what needs them is skipped and says so.

import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openBrowser } from './people.mjs';
import * as access from './scenes/access.mjs';
import * as faults from './scenes/faults.mjs';
import * as pictures from './scenes/pictures.mjs';
import * as talk from './scenes/talk.mjs';
import * as use from './scenes/use.mjs';

const { values } = parseArgs({
  options: {
    base: { type: 'string' },
    chromium: { type: 'string', default: process.env.CHROMIUM ?? '/usr/bin/chromium' },
    pictures: { type: 'string' },
    only: { type: 'string' },
    faults: { type: 'string', default: '' },
  },
});
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const possible = values.faults.split(',');

async function fault(name) {
  if (!possible.includes(name)) return false;
  tell({ fault: name });
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`nobody answers: ${name}`);
    if (JSON.parse(value).done === name) return true;
  }
}

const scenes = { ...talk, ...use, ...access, ...faults, ...(values.pictures && pictures) };
if (values.pictures) mkdirSync(values.pictures, { recursive: true });
const wanted = values.only?.split(',');
const needs = {
  a_gateway_dies_in_between: ['down', 'up'],
  one_of_two_gateways_dies: ['kill-1', 'start-1', 'kill-2', 'start-2'],
};
const counts = { passed: 0, failed: 0, skipped: 0 };
const browser = await openBrowser(values.chromium);
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted && !wanted.includes(name)) continue;
  const lacking = (needs[name] ?? []).filter((one) => !possible.includes(one));
  if (lacking.length) {
    counts.skipped += 1;
    tell({ skipped: name, reason: `needs the faults ${lacking}` });
    continue;
  }
  const world = { browser, base: values.base, pictures: values.pictures, fault, people: [] };
  try {
    await scene(world);
    const complaints = world.people.flatMap((someone) => someone.complaints.map((text) => `${someone.name}: ${text}`));
    if (complaints.length) throw new Error(complaints.join('\n'));
    counts.passed += 1;
    tell({ passed: name });
  } catch (error) {
    counts.failed += 1;
    tell({ failed: name, error: error.stack ?? String(error) });
    if (values.pictures) {
      for (const [index, { page }] of world.people.entries()) {
        if (!page.isClosed()) await page.screenshot({ path: `${values.pictures}/failed-${name}-${index}.png` }).catch(() => {});
      }
    }
  } finally {
    for (const { context } of world.people) await context.close().catch(() => {});
  }
}
await browser.close();
tell({ summary: counts });
process.exit(counts.failed ? 1 : 0);
