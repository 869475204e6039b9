// Stored responses as bytes: what reads back, and what is no entry.
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeEntry, type Entry, encodeEntry } from '../../lib/response-cache/entry.js';

const entry: Entry = {
  status: 200,
  reason: 'Fine',
  fields: [
    ['Content-Type', 'text/plain'],
    ['X-Latin', 'ü'],
    ['Link', '<a>'],
    ['Link', '<b>'],
  ],
  vary: ['accept'],
  variant: 'v:1',
  requestedAtMs: 1,
  receivedAtMs: 2,
  body: Buffer.from('line 1\nline 2'),
};

function tampered(change: (meta: Record<string, unknown>) => void): Buffer {
  const bytes = encodeEntry(entry);
  const end = bytes.indexOf('\n');
  const meta = JSON.parse(bytes.toString('utf8', 0, end)) as Record<string, unknown>;
  change(meta);
  return Buffer.concat([Buffer.from(`${JSON.stringify(meta)}\n`), bytes.subarray(end + 1)]);
}

describe('an entry', () => {
  it('reads back as it was', () => {
    expect(decodeEntry(encodeEntry(entry), 'v:1')).toEqual(entry);
  });

  it('reads back whatever its body is', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const body = Buffer.from(bytes);
        expect(decodeEntry(encodeEntry({ ...entry, body }), 'v:1')?.body.equals(body)).toBe(true);
      }),
    );
  });

  it('is none for another variant', () => {
    expect(decodeEntry(encodeEntry(entry), 'v:2')).toBeUndefined();
  });

  it('is none when anything of it is missing', () => {
    const bytes = encodeEntry(entry);
    for (let length = 0; length < bytes.length; length += 1)
      expect(decodeEntry(bytes.subarray(0, length), 'v:1')).toBeUndefined();
  });

  it('is none when it is random', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.json(), (bytes, json) => {
        expect(decodeEntry(Buffer.from(bytes), 'v:1')).toBeUndefined();
        expect(decodeEntry(Buffer.from(`${json}\n`), 'v:1')).toBeUndefined();
      }),
    );
  });

  it.each<[string, (meta: Record<string, unknown>) => void]>([
    ['another version', (meta) => Object.assign(meta, { version: 2 })],
    ['another length', (meta) => Object.assign(meta, { bodyBytes: 1 })],
    ['a split header', (meta) => Object.assign(meta, { fields: [['X', 'a\r\nSet-Cookie: b=c']] })],
    ['a bare line feed in a header', (meta) => Object.assign(meta, { fields: [['X', 'a\nb']] })],
    ['a split name', (meta) => Object.assign(meta, { fields: [['X: a\r\nY', 'b']] })],
    ['a split reason', (meta) => Object.assign(meta, { reason: 'OK\r\nX: 1' })],
    [
      'a header that frames the body',
      (meta) => Object.assign(meta, { fields: [['Transfer-Encoding', 'chunked']] }),
    ],
    ['a length of its own', (meta) => Object.assign(meta, { fields: [['content-length', '1']] })],
    ['a number for a value', (meta) => Object.assign(meta, { fields: [['X', 1]] })],
    ['no fields', (meta) => delete meta.fields],
    ['a status that is no number', (meta) => Object.assign(meta, { status: '200' })],
    ['an informational status', (meta) => Object.assign(meta, { status: 101 })],
    ['a partial status', (meta) => Object.assign(meta, { status: 206 })],
    ['a time that is none', (meta) => Object.assign(meta, { receivedAtMs: 'now' })],
    ['a Vary that is none', (meta) => Object.assign(meta, { vary: ['a b'] })],
  ])('is none with %s', (_name, change) => {
    expect(decodeEntry(tampered(change), 'v:1')).toBeUndefined();
  });
});
