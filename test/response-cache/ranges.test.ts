// Parts of pages: answered from whole ones, and stored as parts where the letter of the standard is wanted.
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { fieldsToStore, holdsRange } from '../../lib/response-cache/ranges.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit, watch } from './site.js';

const PAGE = '0123456789';

/** A handler that knows ranges itself. */
async function site(options: ResponseCacheOptions, headers: Record<string, string> = {}) {
  const asked: (string | undefined)[] = [];
  const shop = await expressSite(
    { client: await connect(), namespace: uniqueNamespace(), ...options },
    (req, res) => {
      asked.push(req.headers.range);
      for (const [name, value] of Object.entries({ 'Cache-Control': 'max-age=60', ...headers }))
        res.setHeader(name, value);
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? '') ?? [];
      if (first === undefined) return res.end(PAGE);
      res.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/10` });
      return res.end(PAGE.slice(Number(first), Number(last) + 1));
    },
  );
  return Object.assign(shop, { asked });
}

const bytes = (range: string) => ({ range: `bytes=${range}` });

describe('the safe profile', () => {
  it('asks for the whole page and answers every range from it', async () => {
    const shop = await site({});
    await shop.get('/', bytes('2-4'));
    for (const [range, text, told] of [
      ['2-4', '234', 'bytes 2-4/10'],
      ['8-', '89', 'bytes 8-9/10'],
      ['-3', '789', 'bytes 7-9/10'],
      ['5-99', '56789', 'bytes 5-9/10'],
    ] as const) {
      const reply = await shop.get('/', bytes(range));
      expect([reply.status, reply.text, reply.headers['content-range']]).toEqual([206, text, told]);
    }
    expect((await shop.get('/', bytes('10-'))).status).toBe(416);
    expect((await shop.get('/', bytes('0-1,3-4'))).text).toBe(PAGE);
    expect(shop.asked).toEqual([undefined]);
  });

  it('answers a HEAD with a Range as one without', async () => {
    const shop = await site({});
    await shop.get('/');
    const reply = await shop.send('/', { method: 'HEAD', headers: bytes('2-4') });
    expect([reply.status, reply.headers['content-length']]).toEqual([200, '10']);
  });
});

describe('the rfc9111 profile', () => {
  const letter = { profile: 'rfc9111' } as const;

  it('stores a part and answers what lies in it', async () => {
    const shop = await site(letter);
    expect((await shop.get('/', bytes('2-6'))).text).toBe('23456');
    for (const [range, text] of [
      ['2-6', '23456'],
      ['3-4', '34'],
    ] as const) {
      const reply = await shop.get('/', bytes(range));
      expect([isHit(reply), reply.status, reply.text]).toEqual([true, 206, text]);
      expect(reply.headers['content-range']).toBe(`bytes ${range}/10`);
    }
    expect(shop.asked).toEqual(['bytes=2-6']);
  });

  it('asks the handler for what does not lie in it, and keeps the whole page once it has it', async () => {
    const shop = await site(letter);
    for (const range of ['2-6', '1-3', '7-9']) await shop.get('/', bytes(range));
    expect((await shop.get('/')).text).toBe(PAGE);
    expect(shop.asked).toEqual(['bytes=2-6', 'bytes=1-3', 'bytes=7-9', undefined]);
    for (const range of ['2-6', '1-3', '7-9']) expect(isHit(await shop.get('/', bytes(range)))).toBe(true);
    expect(isHit(await shop.get('/'))).toBe(true);
  });

  it('gives nobody a part who asks for the whole, or for a part of another version', async () => {
    const shop = await site(letter, { ETag: '"1"' });
    await shop.get('/', bytes('2-6'));
    const other = await shop.get('/', { ...bytes('3-4'), 'if-range': '"0"' });
    expect([other.status, other.text]).toEqual([200, PAGE]);
    expect((await shop.get('/')).text).toBe(PAGE);
  });

  it('does not store a part that has fewer bytes than it says', async () => {
    const seen = watch();
    const shop = await expressSite({ ...letter, ttl: 60_000 }, (_req, res) => {
      res.writeHead(206, { 'Content-Range': 'bytes 2-3/10' });
      res.end('0123456789');
    });
    await shop.get('/', bytes('2-3'));
    await seen.next(1);
    expect(isHit(await shop.get('/', bytes('2-3')))).toBe(false);
  });
});

describe('a stored part', () => {
  const part = (range: string) => ({
    status: 206,
    fields: [['Content-Range', range]] as const,
    requestedAtMs: 0,
    receivedAtMs: 0,
  });

  it.each([['bytes 4-2/10'], ['bytes 4-10/10'], ['bytes 0-4/*'], ['items 0-4/10'], ['bytes */10'], ['x']])(
    'is none with the Content-Range %s',
    (range) => {
      expect(fieldsToStore(part(range), 5)).toBeUndefined();
      expect(holdsRange(part(range), { range: 'bytes=4-4' })).toBe(false);
    },
  );

  it('has as many bytes as it has, whatever it says', () => {
    const [[, told] = []] = fieldsToStore(part('bytes 4-9/10'), 5) ?? [];
    expect(told).toBe('bytes 4-8/9');
    expect(fieldsToStore(part('bytes 4-5/10'), 7)).toBeUndefined();
    expect(fieldsToStore(part('bytes 4-5/10'), 0)).toBeUndefined();
  });
});
