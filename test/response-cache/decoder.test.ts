/** Entries that are read again: what was worked out before is used only for the same bytes. */
import { expect, test } from '@jest/globals';
import { decoderOfCopies, decoderOfOwnBytes } from '../../lib/response-cache/decoder.js';
import { type Entry, encodeEntry } from '../../lib/response-cache/entry.js';

const PAGE: Entry = {
  status: 200,
  fields: [['Content-Type', 'text/plain']],
  vary: [],
  variant: 'page',
  body: Buffer.from('one'),
  requestedAtMs: 1,
  receivedAtMs: 2,
};

test.each([
  ['copies from Redis', decoderOfCopies],
  ['bytes of this process', decoderOfOwnBytes],
])('%s read back as they were stored, each time', (_name, open) => {
  const decode = open();
  const bytes = encodeEntry(PAGE);
  expect(decode(bytes, 'k', 'page')).toEqual(PAGE);
  expect(decode(bytes, 'k', 'page')).toEqual(PAGE);
  expect(decode(Buffer.from(bytes), 'k', 'page')).toEqual(PAGE);
});

test('a head that is known is not parsed again', () => {
  const decode = decoderOfCopies();
  const first = decode(encodeEntry(PAGE), 'k', 'page');
  expect(decode(encodeEntry(PAGE), 'k', 'page')?.fields).toBe(first?.fields);
});

test('the body is always that of the bytes', () => {
  const decode = decoderOfCopies();
  decode(encodeEntry(PAGE), 'k', 'page');
  const two = { ...PAGE, body: Buffer.from('two') };
  expect(decode(encodeEntry(two), 'k', 'page')).toEqual(two);
});

test('a page that was stored anew has its new head', () => {
  const decode = decoderOfCopies();
  decode(encodeEntry(PAGE), 'k', 'page');
  const later = { ...PAGE, receivedAtMs: 3 };
  expect(decode(encodeEntry(later), 'k', 'page')).toEqual(later);
});

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['cut short', (bytes) => bytes.subarray(0, -1)],
  ['with more behind it', (bytes) => Buffer.concat([bytes, Buffer.from('!')])],
  [
    'with its first line changed',
    (bytes) => Buffer.from(bytes.toString().replace('"version":1', '"version":9')),
  ],
  ['of nothing', () => Buffer.alloc(0)],
])('a known page %s is no entry', (_name, tamper) => {
  const decode = decoderOfCopies();
  const bytes = encodeEntry(PAGE);
  decode(bytes, 'k', 'page');
  expect(decode(tamper(bytes), 'k', 'page')).toBeUndefined();
});

test('what is known of one variant is not taken for another', () => {
  const decode = decoderOfCopies();
  decode(encodeEntry(PAGE), 'k', 'page');
  expect(decode(encodeEntry(PAGE), 'kp', 'age')).toBeUndefined();
});
