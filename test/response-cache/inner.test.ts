// Several caches on the way of one request: the last one keeps the page.
import { describe, expect, it } from '@jest/globals';
import {
  type ResponseCacheOptions,
  responseCache,
  type VaryOptions,
} from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit, type Site } from './site.js';

const user: VaryOptions['user'] = (req) => /sid=([^;]*)/.exec(req.headers.cookie ?? '')?.[1];

/** A cache of the app with a cache of a route behind it, on one Redis. */
async function site(
  outer: ResponseCacheOptions,
  inner: ResponseCacheOptions,
  headers: Record<string, string> = {},
): Promise<Site & { readonly shared: ResponseCacheOptions }> {
  const shared = { client: await connect(), namespace: uniqueNamespace(), deadlineMs: 5_000 };
  const built = await expressSite(
    { ...shared, ...outer },
    (req, res, run) => {
      for (const [name, value] of Object.entries({ ETag: '"1"', ...headers })) res.setHeader(name, value);
      res.end(`${req.headers.cookie ?? 'nobody'} ${run}`);
    },
    [],
    [responseCache({ ...shared, ...inner })],
  );
  return { ...built, shared };
}

describe("a route's cache behind the app's", () => {
  it('keeps the page by its own options, and nobody waits for a lease of their own', async () => {
    const shop = await site({}, { ttl: 60_000, public: true });
    const before = Date.now();
    const replies = await Promise.all(Array.from({ length: 10 }, () => shop.get('/', { cookie: 'a=1' })));
    expect(new Set(replies.map((reply) => reply.text))).toEqual(new Set(['a=1 1']));
    expect(isHit(await shop.get('/'))).toBe(true);
    expect(Date.now() - before).toBeLessThan(8_000);
    expect(shop.runs.count).toBe(1);
  });

  it('has its pages kept by nobody else: what it chooses by, the other one may not know', async () => {
    const shop = await site(
      { public: true, ttl: 60_000 },
      { public: true, ttl: 60_000, vary: { cookies: ['theme'] } },
    );
    for (const theme of ['dark', 'light', 'dark', 'light'])
      expect((await shop.get('/', { cookie: `theme=${theme}` })).text).toContain(theme);
    expect(shop.runs.count).toBe(2);
  });

  it('answers conditions and ranges itself', async () => {
    const shop = await site({}, { ttl: 60_000 });
    for (const _ of ['miss', 'hit']) {
      expect((await shop.get('/', { 'if-none-match': '"1"' })).status).toBe(304);
      expect((await shop.get('/')).text).toBe('nobody 1');
    }
    expect((await shop.get('/', { range: 'bytes=0-2' })).text).toBe('nob');
  });

  it('does the renewing, with its own tags', async () => {
    const declared = { 'Cache-Control': 'max-age=1, stale-while-revalidate=60' };
    const shop = await site({}, { tags: ['news'] }, declared);
    await shop.get('/');
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    const old = await shop.get('/');
    expect(old.text).toBe('nobody 1');
    while (!(await shop.get('/')).text.endsWith('2')) await new Promise((resolve) => setTimeout(resolve, 20));
    await responseCache(shop.shared).purgeTags('news');
    expect(isHit(await shop.get('/'))).toBe(false);
  });
});

describe('a cache that knows nothing of the users that another one keeps pages for', () => {
  it("serves none of their pages to whoever sends a header of the user's name", async () => {
    const shared = { client: await connect(), namespace: uniqueNamespace(), deadlineMs: 5_000, ttl: 60_000 };
    const handler: Parameters<typeof expressSite>[1] = (req, res) => void res.end(`for ${user(req)}`);
    const headers = { host: 'shop.example' };
    const own = await expressSite({ ...shared, vary: { user } }, handler);
    expect((await own.get('/', { ...headers, cookie: 'sid=ada' })).text).toBe('for ada');
    const other = await expressSite(shared, handler);
    for (const _ of [1, 2])
      expect((await other.get('/', { ...headers, 'user|': 'ada' })).text).toBe('for undefined');
  });
});
