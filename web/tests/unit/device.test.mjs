import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceId, deviceWords } from '../../core/device.js';

test('a browser is called what its user calls it, in a name that the server takes', () => {
  const agents = {
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36': ['chrome-linux-3f', 'Chrome · Linux'],
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0': ['edge-windows-3f', 'Edge · Windows'],
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15': ['safari-mac-3f', 'Safari · macOS'],
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1': ['safari-ios-3f', 'Safari · iOS'],
    'Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0': ['firefox-android-3f', 'Firefox · Android'],
    'something else': ['3f', ''],
  };
  for (const [agent, [id, words]] of Object.entries(agents)) {
    assert.equal(deviceId('3f', agent), id);
    assert.equal(deviceWords(id), words);
    assert.match(id, /^[\w.-]{1,64}$/);
  }
  assert.equal(deviceWords(undefined), '');
});
