import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initials } from '../../views/parts.js';

test('a picture has letters of the name, whatever people call themselves', () => {
  const names = { ada: 'ad', 'Saturday hike': 'Sh', 'marianne.weber': 'mw', x: 'x', '#7': '7', '小雨': '小', 'Zoë': 'Zo', '_-_': '_-', '👋 hi': '👋', '': '' };
  for (const [name, letters] of Object.entries(names)) assert.equal(initials(name), letters, name);
});
