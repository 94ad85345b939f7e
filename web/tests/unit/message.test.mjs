import assert from 'node:assert/strict';
import { test } from 'node:test';
import { richText } from '../../views/message.js';

const HERE = 'https://chat.example';
/** Text as it is, links as [href, text, target]. */
const parts = (text) => richText(text, HERE).map((part) =>
  (typeof part === 'string' ? part : [part.props.href, part.props.children, part.props.target]));

test('an address of the web becomes a link, without what ends the sentence', () => {
  assert.deepEqual(parts('see https://example.com/a?b=c#d, or (http://example.org/).'), [
    'see ', ['https://example.com/a?b=c#d', 'https://example.com/a?b=c#d', '_blank'],
    ', or (', ['http://example.org/', 'http://example.org/', '_blank'], ').',
  ]);
  assert.deepEqual(parts('看 https://例子.测试/路。好'), ['看 ', ['https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF', 'https://例子.测试/路', '_blank'], '。好']);
});

test('nothing else does', () => {
  for (const text of [
    'javascript:alert(1)', 'data:text/html,<b>', 'ftp://example.com', 'file:///etc/passwd', 'https://', 'http:/example.com', '//example.com',
    '<a href="x">y</a>', 'https:// example.com',
  ]) assert.deepEqual(parts(text), [text], text);
});

test('an address that looks like another is no link', () => {
  for (const text of ['https://mpim.example@evil.example/', 'https://a:b@evil.example/']) assert.deepEqual(parts(text), [text]);
  const [[href]] = parts('https://evil.example"onclick=x');
  assert.equal(href, 'https://evil.example/');
});

test('an invitation of this server opens here, and one of another there', () => {
  assert.deepEqual(parts(`${HERE}/#/groups/join/7`), [['#/groups/join/7', `${HERE}/#/groups/join/7`, undefined]]);
  assert.equal(parts('https://other.example/#/groups/join/7')[0][2], '_blank');
  assert.equal(parts(`${HERE}/docs#/groups`)[0][2], '_blank');
});
