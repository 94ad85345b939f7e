import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { POLICY } from '../mock/server.mjs';

test('the mock allows a page what the gateway does', () => {
  const source = readFileSync(new URL('../../../im-gateway/src/http/web.rs', import.meta.url), 'utf8');
  const [, policy] = /const POLICY: &str = "([^"]+)"/.exec(source);
  assert.equal(policy.replace(/\\\n\s*/g, ''), POLICY);
});
