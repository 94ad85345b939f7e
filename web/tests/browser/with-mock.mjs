// Runs the browser's tests against the mock, and makes the faults that they ask for.
//
//   node browser/with-mock.mjs [options of run.mjs]

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createMock } from '../mock/server.mjs';

const mock = createMock();
const base = await mock.up(0);
const run = fileURLToPath(new URL('run.mjs', import.meta.url));
const child = spawn(process.execPath, [run, '--base', base, '--faults', 'down,up', ...process.argv.slice(2)], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const faults = {
  down: () => mock.down(),
  up: () => mock.up(),
};
for await (const line of createInterface({ input: child.stdout })) {
  const { fault, failed, error } = JSON.parse(line);
  if (!fault) {
    console.log(failed ? `FAILED ${failed}\n${error}` : line);
    continue;
  }
  await faults[fault]();
  child.stdin.write(`${JSON.stringify({ done: fault })}\n`);
}
process.exit(child.exitCode ?? await new Promise((resolve) => child.on('exit', resolve)));
