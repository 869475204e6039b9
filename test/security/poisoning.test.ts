/** What one client sends besides the URL does not end up in the page that others get. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { expressSite, isHit, type Site, watch } from '../response-cache/site.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { eventually } from '../support/until.js';
import { credentialNames, parameterNames, steeringNames } from './unkeyed-names.js';

const CANARY = 'canary.evil.example';
const AT_ONCE = 16;

/** An app that puts everything it is sent into its pages. */
function reflect(req: IncomingMessage, res: ServerResponse): void {
  const { url, method, headers } = req;
  res.setHeader('Cache-Control', 'max-age=60');
  res.end(JSON.stringify({ url, method, headers, host: (req as { hostname?: string }).hostname }));
}

async function reflecting(options: ResponseCacheOptions = {}, respond = reflect): Promise<Site> {
  return expressSite({ client: await connect(), namespace: uniqueNamespace(), ...options }, respond);
}

/** Several at a time, as tests with a thousand requests have to. */
async function forEach<Item>(
  items: readonly Item[],
  act: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  const work = async () => {
    for (const [index, item] of entries) await act(item, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

describe('a page of an app that reflects all that it is sent', () => {
  const count = steeringNames.length + parameterNames.length;

  it(`holds nothing of ${count} headers and parameters of other clients`, async () => {
    expect(count).toBeGreaterThan(1_000);
    const site = await reflecting({ maxVariants: 10 * count });
    await forEach(steeringNames, async (name) => {
      const canary = `${name}.${CANARY}`;
      const value = name === 'forwarded' ? `for=203.0.113.1;host=${canary};proto=https` : canary;
      // Their own, and not what another of them left behind.
      expect((await site.get('/', { [name]: value })).text).toContain(canary);
    });
    await forEach(parameterNames, async (name, i) => {
      expect((await site.get(`/?a=1&${name}=${i}.${CANARY}`)).text).toContain(`=${i}.${CANARY}`);
    });
    for (const victim of ['/', '/?', '/?a=1']) expect((await site.get(victim)).text).not.toContain(CANARY);
  }, 60_000);

  it('holds nothing of any header that its handler names in Vary', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `x-anything-${i}`);
    const site = await reflecting({}, (req, res) => {
      res.setHeader(
        'Vary',
        Object.keys(req.headers).filter((name) => name.startsWith('x-anything')),
      );
      reflect(req, res);
    });
    await forEach(names, async (name, i) => {
      await site.get(`/${i}`, { [name]: CANARY });
      expect((await site.get(`/${i}`)).text).not.toContain(CANARY);
    });
    const all = Object.fromEntries(names.map((name) => [name, CANARY]));
    expect((await site.get('/all', all)).headers['cache-status']).toContain('detail=vary');
    expect((await site.get('/all')).text).not.toContain(CANARY);
  });

  it('is kept for those who send the same', async () => {
    const site = await reflecting();
    const settled = watch();
    await site.get('/', { 'x-forwarded-host': CANARY });
    await site.get('/');
    await settled.next(2);
    expect(isHit(await site.get('/', { 'x-forwarded-host': CANARY }))).toBe(true);
    expect(isHit(await site.get('/', { 'x-forwarded-host': 'other.example' }))).toBe(false);
    expect(isHit(await site.get('/'))).toBe(true);
    await site.purge(`http://127.0.0.1:${site.port}/`);
    expect(isHit(await site.get('/', { 'x-forwarded-host': CANARY }))).toBe(false);
  });
});

describe('behind an honest proxy', () => {
  const said = {
    'x-forwarded-host': 'shop.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '443',
  };

  it.each([[true], [false]])('one page serves all its clients (trust proxy: %s)', async (isTrusted) => {
    const trust = (req: IncomingMessage, _res: unknown, next: () => void) => {
      (req as unknown as { app: { set(name: string, value: unknown): void } }).app.set(
        'trust proxy',
        isTrusted,
      );
      next();
    };
    const options = { client: await connect(), namespace: uniqueNamespace() };
    const site = await expressSite(options, reflect, [trust as never]);
    const settled = watch();
    await site.get('/', { ...said, 'x-forwarded-for': '203.0.113.1', forwarded: 'for=203.0.113.1' });
    await settled.next(1);
    const other = await site.get('/', {
      ...said,
      'x-forwarded-for': '203.0.113.2',
      forwarded: 'for=203.0.113.2',
    });
    expect(isHit(other)).toBe(true);
  });

  it('a stale page is renewed behind for those who go the same way', async () => {
    const site = await reflecting({ ttl: 1, swrMs: 60_000 }, (_req, res) => res.end(String(Date.now())));
    const settled = watch();
    const before = await site.get('/', said);
    await settled.next(1);
    await eventually(async () => {
      const now = await site.get('/', said);
      expect(now.headers['cache-status']).toMatch(/; hit/);
      expect(now.text).not.toBe(before.text);
    });
  });
});

describe('a page for one client', () => {
  it('is not shared, whatever its credential is called', async () => {
    const site = await reflecting();
    const shared: string[] = [];
    await forEach(credentialNames, async (name, i) => {
      const own = await site.get(`/${i}`, { [name]: CANARY });
      expect([name, own.headers['cache-status']]).toEqual([
        name,
        expect.stringContaining('detail=credential'),
      ]);
      if ((await site.get(`/${i}`)).text.includes(CANARY)) shared.push(name);
      // Nor does it take what was made for nobody.
      expect((await site.get(`/${i}`, { [name]: CANARY })).text).toContain(CANARY);
    });
    expect(shared).toEqual([]);
  });

  it('is shared when it is declared public, or when the route names the header', async () => {
    const open = await reflecting({ public: true, ttl: 60_000 });
    const settled = watch();
    await open.get('/', { 'x-api-key': 'ada' });
    await settled.next(1);
    expect(isHit(await open.get('/', { 'x-api-key': 'bob' }))).toBe(true);
    const named = await reflecting({ vary: { headers: ['X-Api-Key'] } });
    await named.get('/', { 'x-api-key': 'ada' });
    await settled.next(3);
    expect(isHit(await named.get('/', { 'x-api-key': 'ada' }))).toBe(true);
    expect(isHit(await named.get('/', { 'x-api-key': 'bob' }))).toBe(false);
  });

  it.each(['user|', 'credential|', 'steering|', 'cookie|sid'])(
    'cannot be passed off as everybody’s by a header called %s',
    async (name) => {
      const site = await reflecting();
      await site.get('/', { cookie: `sid=${CANARY}`, [name]: 'x' });
      expect((await site.get('/')).text).not.toContain(CANARY);
      await site.get('/token', { 'x-api-key': CANARY, [name]: 'x' });
      expect((await site.get('/token')).text).not.toContain(CANARY);
    },
  );
});
