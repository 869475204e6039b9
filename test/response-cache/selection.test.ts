// The option `vary`: cookies and users that choose between variants.
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions, VaryOptions } from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { unhandledRejections } from '../support/unhandled.js';
import { expressSite, isHit } from './site.js';

async function site(
  vary: VaryOptions,
  options: ResponseCacheOptions = {},
  headers: Record<string, string> = {},
) {
  return expressSite(
    { client: await connect(), namespace: uniqueNamespace(), ttl: 60_000, ...options, vary },
    (req, res, run) => {
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
      res.end(`${req.headers.cookie ?? '-'} ${req.headers.authorization ?? '-'} ${run}`);
    },
  );
}

const cookie = (cookie: string) => ({ cookie });

describe('vary.cookies', () => {
  it('keeps a variant for each value, whatever other cookies there are, and tells caches downstream', async () => {
    const shop = await site({ cookies: ['theme'] }, { public: true });
    const dark = await shop.get('/', cookie('theme=dark; sid=1'));
    expect(dark.headers.vary).toBe('cookie');
    const again = await shop.get('/', cookie('sid=2; theme=dark'));
    expect([isHit(again), again.text, again.headers.vary]).toEqual([true, dark.text, 'cookie']);
    for (const other of ['theme=light', 'theme=dark; theme=light', 'theme="dark"', 'Theme=dark'])
      expect([other, isHit(await shop.get('/', cookie(other)))]).toEqual([other, false]);
    for (const none of ['Theme=dark', 'xtheme=dark', 'theme'])
      expect([none, isHit(await shop.get('/', cookie(none)))]).toEqual([none, true]);
    expect(isHit(await shop.get('/'))).toBe(true);
    expect(isHit(await shop.get('/', { 'cookie|theme': 'dark' }))).toBe(true);
  });

  it('does not make a page public', async () => {
    const shop = await site({ cookies: ['theme'] });
    await shop.get('/', cookie('theme=dark'));
    expect(isHit(await shop.get('/', cookie('theme=dark')))).toBe(false);
  });

  it('tells apart names that differ in case only', async () => {
    const shop = await site({ cookies: ['A', 'a', '^a'] }, { public: true });
    for (const own of ['A=1', 'a=1', '^a=1', 'A=1; a=1']) {
      expect(isHit(await shop.get('/', cookie(own)))).toBe(false);
      expect(isHit(await shop.get('/', cookie(own)))).toBe(true);
    }
  });
});

describe('vary.user', () => {
  const user: VaryOptions['user'] = (req) => /sid=([^;]*)/.exec(req.headers.cookie ?? '')?.[1];

  it('keeps pages of their own for each user, private downstream, and shares none of them', async () => {
    const shop = await site({ user }, {}, { 'Cache-Control': 'max-age=60' });
    const ada = await shop.get('/', cookie('sid=ada'));
    for (const reply of [ada, await shop.get('/', cookie('x=1; sid=ada'))])
      expect([reply.text, reply.headers['cache-control']]).toEqual(['sid=ada - 1', 'private, max-age=60']);
    expect((await shop.get('/', cookie('sid=bob'))).text).toBe('sid=bob - 2');
    const nobody = await shop.get('/');
    expect([nobody.text, nobody.headers['cache-control']]).toEqual(['- - 3', 'max-age=60']);
    expect((await shop.get('/', { ...cookie('sid=bob'), authorization: 'x' })).text).toBe('sid=bob - 2');
    expect(shop.runs.count).toBe(3);
  });

  it('keeps a variant for each value of what the handler varies on, credentials included', async () => {
    const shop = await site({ user }, {}, { Vary: 'Cookie, Authorization' });
    const requests = ['theme=a; sid=ada', 'theme=b; sid=ada'].map(cookie);
    for (const request of [...requests, { ...cookie('sid=ada'), authorization: 'x' }]) {
      const first = await shop.get('/', request);
      expect([isHit(first), first.text.startsWith(request.cookie)]).toEqual([false, true]);
      const second = await shop.get('/', request);
      expect([isHit(second), second.text]).toEqual([true, first.text]);
    }
  });

  it('shares nothing with cookies of nobody', async () => {
    const shop = await site({ user });
    for (const _ of [1, 2]) expect(isHit(await shop.get('/', cookie('cart=1; sid=')))).toBe(false);
  });

  it('cannot be chosen by a header of that name', async () => {
    const shop = await site({ user }, { public: true });
    await shop.get('/', cookie('sid=ada'));
    const forged = await shop.get('/', { 'user|': 'ada' });
    expect([isHit(forged), forged.text]).toEqual([false, '- - 2']);
  });

  it('goes by every character of an id', async () => {
    const shop = await site({ user: (req) => req.headers['x-user'] as string });
    for (const id of ['a,b', 'a, b', 'A,b', 'a', 'a|b'])
      expect(isHit(await shop.get('/', { 'x-user': id }))).toBe(false);
  });

  it('does not store what is declared private', async () => {
    const shop = await site({ user }, {}, { 'Cache-Control': 'private, max-age=60' });
    await shop.get('/', cookie('sid=ada'));
    expect(isHit(await shop.get('/', cookie('sid=ada')))).toBe(false);
  });

  it('is forgotten for all users at once', async () => {
    const shop = await site({ user }, { hosts: ['shop.example'] });
    const as = (id: string) => shop.get('/', { host: 'shop.example', cookie: `sid=${id}` });
    for (const id of ['ada', 'bob']) await as(id);
    for (const id of ['ada', 'bob']) expect(isHit(await as(id))).toBe(true);
    await shop.purge('/');
    for (const id of ['ada', 'bob']) expect(isHit(await as(id))).toBe(false);
  });

  it('that throws, or names a user by anything but a string, is an error of that request', async () => {
    const unhandled = unhandledRejections();
    const ids: Record<string, () => unknown> = {
      '/number': () => 7,
      '/promise': async () => 'ada',
      '/rejected': () => Promise.reject(new Error('no database')),
    };
    const shop = await site({ user: (req) => ids[req.url ?? '']?.() as string });
    for (const url of Object.keys(ids)) expect((await shop.get(url)).status).toBe(500);
    expect((await shop.get('/')).status).toBe(200);
    expect(unhandled).toEqual([]);
  });
});

describe('vary.headers', () => {
  it('are named to caches downstream, once', async () => {
    const shop = await site({ headers: ['X-Team', 'Accept'] }, {}, { Vary: 'x-team' });
    for (const _ of [1, 2]) expect((await shop.get('/')).headers.vary).toBe('x-team, accept');
  });
});

describe('options', () => {
  it.each<[string, object]>([
    ['vary', { vary: { header: ['x'] } }],
    ['vary', { vary: ['x'] }],
    ['vary', { vary: null }],
    ['vary.headers', { vary: { headers: 'x' } }],
    ['vary.headers', { vary: { headers: ['*'] } }],
    ['vary.cookies', { vary: { cookies: ['a=b'] } }],
    ['vary.query', { vary: { query: ['page[]'] } }],
    ['vary.query', { vary: { query: 'page' } }],
    ['vary.user', { vary: { user: 'ada' } }],
    ['queryParams', { queryParams: true }],
    ['queryParams', { queryParams: { ignored: [] } }],
    ['queryParams.ignore', { queryParams: { ignore: ['*'] } }],
    ['queryParams.ignore', { queryParams: { ignore: ['a'] }, vary: { query: ['b'] } }],
    ['queryParams.sort', { queryParams: { sort: 1 } }],
    ['key', { queryParams: { sort: true }, key: () => 'x' }],
  ])('%s: %p is refused at once, with a remedy', async (name, options) => {
    await expect(expressSite(options as ResponseCacheOptions, () => {})).rejects.toMatchObject({
      code: 'ERS_INVALID_OPTION',
      message: expect.stringContaining(name),
    });
  });
});
