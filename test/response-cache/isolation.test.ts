// Nobody gets what was made for somebody else.
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { unhandledRejections } from '../support/unhandled.js';
import { expressSite, isHit } from './site.js';

const ADA = { cookie: 'sid=ada' };
const BOB = { cookie: 'sid=bob' };
const TOKEN = { authorization: 'Bearer ada' };

async function site(headers: Record<string, string | string[]>, options: ResponseCacheOptions = {}) {
  return expressSite(
    { client: await connect(), namespace: uniqueNamespace(), ...options },
    (req, res, run) => {
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
      res.end(`${req.headers.cookie ?? req.headers.authorization ?? 'anonymous'} ${run}`);
    },
  );
}

const fresh = { 'Cache-Control': 'max-age=60' };

describe('the safe profile', () => {
  it('shares nothing with or from requests with a Cookie that is not explicitly public', async () => {
    const shop = await site(fresh);
    expect((await shop.get('/', ADA)).text).toBe('sid=ada 1');
    expect((await shop.get('/', BOB)).text).toBe('sid=bob 2');
    expect((await shop.get('/')).text).toBe('anonymous 3');
    const bob = await shop.get('/', BOB);
    expect([bob.text, bob.headers['cache-status']]).toEqual([
      'sid=bob 4',
      'ExpressRedisSuite; fwd=request; detail=cookie',
    ]);
    expect((await shop.get('/')).text).toBe('anonymous 3');
  });

  it('shares nothing with or from requests with Authorization either', async () => {
    const shop = await site(fresh);
    expect((await shop.get('/', TOKEN)).text).toBe('Bearer ada 1');
    expect((await shop.get('/')).text).toBe('anonymous 2');
    expect((await shop.get('/', TOKEN)).text).toBe('Bearer ada 3');
  });

  it.each([['public, max-age=60'], ['s-maxage=60']])(
    'shares %s with everybody, before and after login',
    async (value) => {
      const shop = await site({ 'Cache-Control': value });
      await shop.get('/');
      for (const headers of [{}, ADA, BOB, TOKEN]) expect(isHit(await shop.get('/', headers))).toBe(true);
      expect(shop.runs.count).toBe(1);
    },
  );

  it('shares the pages of a public route with everybody', async () => {
    const shop = await site({}, { public: true, ttl: 60_000 });
    await shop.get('/', ADA);
    for (const headers of [{}, BOB, TOKEN]) expect(isHit(await shop.get('/', headers))).toBe(true);
  });

  it.each<[string, Record<string, string | string[]>]>([
    ['private', { 'Cache-Control': 'private, max-age=60' }],
    ['no-store', { 'Cache-Control': 'public, no-store, max-age=60' }],
    ['Set-Cookie', { 'Cache-Control': 'public, max-age=60', 'Set-Cookie': 'sid=new' }],
    ['several Set-Cookies', { 'Cache-Control': 'public, max-age=60', 'Set-Cookie': ['a=1', 'b=2'] }],
    ['Vary: *', { 'Cache-Control': 'public, max-age=60', Vary: '*' }],
  ])('never stores a response with %s, on a public route neither', async (_name, headers) => {
    const shop = await site(headers, { public: true, ttl: 60_000 });
    for (let run = 1; run <= 3; run += 1) expect((await shop.get('/')).text).toBe(`anonymous ${run}`);
  });

  it('does not store a cookie that a middleware before it sets, nor what came with it', async () => {
    const options = { client: await connect(), namespace: uniqueNamespace(), public: true, ttl: 60_000 };
    const shop = await expressSite(options, (_req, res, run) => res.end(`csrf ${run}`), [
      (_req, res, next) => {
        res.setHeader('Set-Cookie', 'csrf=1');
        next();
      },
    ]);
    expect([(await shop.get('/')).text, (await shop.get('/')).text]).toEqual(['csrf 1', 'csrf 2']);
  });

  it('stores errors only where the route names them', async () => {
    const fail = (_req: unknown, res: ServerResponse) => void res.writeHead(404, fresh).end('gone');
    const options = { client: await connect(), namespace: uniqueNamespace() };
    const plain = await expressSite(options, fail);
    await plain.get('/a');
    expect(isHit(await plain.get('/a'))).toBe(false);
    const named = await expressSite({ ...options, statuses: [404] }, fail);
    await named.get('/b');
    expect(isHit(await named.get('/b'))).toBe(true);
  });

  it('is not switched off by any header of a client', async () => {
    const shop = await site(fresh);
    await shop.get('/');
    for (const value of ['no-cache', 'no-store', 'max-age=0', 'only-if-cached'])
      expect(isHit(await shop.get('/', { 'cache-control': value, pragma: 'no-cache' }))).toBe(true);
  });
});

describe('pages', () => {
  it('are told apart by host and by every byte of their URL', async () => {
    const shop = await site(fresh);
    const urls = ['/a', '/a/', '/A', '/a?', '/a?x=1', '/a?x=2', '/a%2Fb', '/a/b', '//a'];
    for (const url of urls) expect(isHit(await shop.get(url))).toBe(false);
    expect(isHit(await shop.get('/a', { host: 'other.example' }))).toBe(false);
    expect(shop.runs.count).toBe(urls.length + 1);
    for (const url of urls) expect(isHit(await shop.get(url))).toBe(true);
  });

  it.each([['GET'], ['HEAD']])('are not what is answered to a %s with a body', async (method) => {
    const shop = await site(fresh);
    const bodies = [{ 'content-length': '2' }, { 'transfer-encoding': 'chunked' }];
    for (const headers of bodies) {
      const reply = await shop.send('/', { method, headers, body: '{}' });
      expect(reply.headers['cache-status']).toBe('ExpressRedisSuite; fwd=bypass; detail=body');
    }
    expect(isHit(await shop.get('/'))).toBe(false);
    expect(isHit(await shop.send('/', { method, headers: { 'content-length': '0' } }))).toBe(true);
  });

  it('cannot be put where another page lies by a Host that spells part of its URL', async () => {
    const shop = await site(fresh);
    for (const host of ['shop.example/safe', 'shop.example?', 'shop.example#', 'me@shop.example']) {
      const reply = await shop.get('/a', { host });
      expect([reply.status, reply.headers['cache-status']]).toEqual([
        200,
        'ExpressRedisSuite; fwd=bypass; detail=host',
      ]);
    }
    for (const path of ['/safe/a', '/?/a', '/'])
      expect(isHit(await shop.get(path, { host: 'shop.example' }))).toBe(false);
  });

  it('are told apart by the headers in Vary, and found again', async () => {
    const shop = await site({ ...fresh, Vary: 'X-Team' });
    const red = await shop.get('/', { 'x-team': 'red' });
    const blue = await shop.get('/', { 'x-team': 'blue' });
    const none = await shop.get('/');
    expect(new Set([red.text, blue.text, none.text]).size).toBe(3);
    expect(blue.headers['cache-status']).toBe('ExpressRedisSuite; fwd=vary-miss; stored');
    expect((await shop.get('/', { 'x-team': 'red' })).text).toBe(red.text);
    expect((await shop.get('/', { 'x-team': 'blue' })).text).toBe(blue.text);
    expect((await shop.get('/')).text).toBe(none.text);
    expect(shop.runs.count).toBe(3);
  });

  it('are told apart by the headers that the route names', async () => {
    const shop = await site(fresh, { vary: { headers: ['X-Team'] } });
    await shop.get('/', { 'x-team': 'red' });
    expect(isHit(await shop.get('/', { 'x-team': 'blue' }))).toBe(false);
    expect(isHit(await shop.get('/', { 'x-team': 'red' }))).toBe(true);
  });

  it('are what the key option says they are', async () => {
    const shop = await site(fresh, { key: (req) => new URL(req.url ?? '/', 'http://x').pathname });
    await shop.get('/a?utm_source=mail');
    expect(isHit(await shop.get('/a?utm_source=web'))).toBe(true);
    await shop.purge('/a');
    expect(isHit(await shop.get('/a'))).toBe(false);
  });

  it('are left alone when they are skipped, or on hosts that are not listed', async () => {
    const shop = await site(fresh, { skip: (req) => req.url === '/skip', hosts: ['shop.example'] });
    const host = { host: 'shop.example' };
    for (const _ of [1, 2]) {
      expect((await shop.get('/skip', host)).headers['cache-status']).toBe(
        'ExpressRedisSuite; fwd=bypass; detail=skip',
      );
      expect((await shop.get('/', { host: 'evil.example' })).headers['cache-status']).toContain(
        'detail=host',
      );
    }
    await shop.get('/', host);
    expect(isHit(await shop.get('/', host))).toBe(true);
  });

  it('are errors where skip answers later: each would be skipped', async () => {
    const unhandled = unhandledRejections();
    const shop = await site(fresh, { skip: (async () => Promise.reject(new Error('no'))) as never });
    expect((await shop.get('/')).status).toBe(500);
    expect(unhandled).toEqual([]);
  });
});

describe('the rfc9111 profile', () => {
  it('follows the letter: cookies do not matter, and clients may ask for more', async () => {
    const shop = await site({ ...fresh, 'Set-Cookie': 'a=1' }, { profile: 'rfc9111' });
    await shop.get('/', ADA);
    const bob = await shop.get('/', BOB);
    expect([isHit(bob), bob.text, bob.headers['set-cookie']]).toEqual([true, 'sid=ada 1', ['a=1']]);
    expect(isHit(await shop.get('/', { 'cache-control': 'no-cache' }))).toBe(false);
    const absent = await shop.get('/absent', { 'cache-control': 'only-if-cached' });
    expect([absent.status, absent.headers['cache-status']]).toEqual([
      504,
      'ExpressRedisSuite; fwd=request; detail=only-if-cached',
    ]);
  });
});

describe('options', () => {
  it.each<[string, unknown]>([
    ['ttl', 0],
    ['ttl', 1.5],
    ['ttl', '60'],
    ['profile', 'unsafe'],
    ['public', 'yes'],
    ['statuses', [200]],
    ['statuses', 404],
    ['vary', ['Accept']],
    ['vary', { headers: ['*'] }],
    ['maxBodyBytes', -1],
    ['maxVariants', 0],
    ['hosts', 'shop.example'],
    ['deadlineMs', Number.NaN],
    ['skip', true],
    ['key', 'url'],
    ['namespace', 'a b'],
  ])('%s: %p is refused at once, with a remedy', async (name, value) => {
    await expect(site(fresh, { [name]: value })).rejects.toMatchObject({
      code: 'ERS_INVALID_OPTION',
      message: expect.stringContaining(name),
    });
  });

  it('that throw for a request are an error of that request', async () => {
    const shop = await site(fresh, {
      skip: (req) => {
        if (req.url === '/bad') throw new Error('skip failed');
        return false;
      },
      key: (req) => (req.url === '/worse' ? (undefined as unknown as string) : String(req.url)),
    });
    expect((await shop.get('/bad')).status).toBe(500);
    expect((await shop.get('/worse')).status).toBe(500);
    expect((await shop.get('/')).status).toBe(200);
  });
});
