// Pages go by their tags, or by the folder they are in: at once or softly, everywhere, and for good.
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { type ResponseCacheOptions, responseCache } from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit, plainSite, type Site } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

async function redisOptions(): Promise<ResponseCacheOptions> {
  return { client: await connect(), namespace: uniqueNamespace() };
}

const places: [string, () => Promise<ResponseCacheOptions>][] = [
  ['Redis', redisOptions],
  ['memory', async () => ({})],
];

const tag = (res: unknown, ...tags: string[]) => (res as Express.Response).cacheTags(...tags);

/** `/products/42` carries `product:42` and `products`. */
const tagged = (req: { url?: string | undefined }, res: ServerResponse, run: number) => {
  tag(res, 'products', `product:${req.url?.split('/').at(-1)}`);
  return res.writeHead(200, fresh).end(`run ${run}`);
};

async function areHits(site: Site, ...paths: string[]): Promise<boolean[]> {
  const replies = [];
  for (const path of paths) replies.push(isHit(await site.get(path)));
  return replies;
}

async function fill(site: Site, ...paths: string[]): Promise<Site> {
  await areHits(site, ...paths);
  expect(await areHits(site, ...paths)).toEqual(paths.map(() => true));
  return site;
}

describe.each(places)('tags in %s', (_name, options) => {
  it('take the pages that carry them, and no others', async () => {
    const site = await fill(await expressSite(await options(), tagged), '/products/1', '/products/2');
    await site.cache.purgeTags('product:1');
    expect(await areHits(site, '/products/1', '/products/2')).toEqual([false, true]);
    expect(await areHits(site, '/products/1', '/products/2')).toEqual([true, true]);
    await site.cache.purgeTags('nothing', 'products');
    expect(await areHits(site, '/products/1', '/products/2')).toEqual([false, false]);
  });

  it('may come in a header, which the client gets, and from the route', async () => {
    const site = await expressSite(
      { ...(await options()), tags: (req) => [`path:${req.url}`] },
      (_req, res) => res.writeHead(200, { ...fresh, 'Cache-Tag': 'a, b,,c' }).end(),
    );
    await fill(site, '/1', '/2');
    expect((await site.get('/1')).headers['cache-tag']).toBe('a, b,,c');
    await site.cache.purgeTags('b');
    expect(await areHits(site, '/1', '/2')).toEqual([false, false]);
    await site.cache.purgeTags('path:/2');
    expect(await areHits(site, '/1', '/2')).toEqual([true, false]);
  });

  it('may be anything', async () => {
    const hostile = ['*', '{x}', 'a b', 'ä\n', ' ', 'x'.repeat(10_000), '\ud800', 'page:{}', '__proto__'];
    const site = await expressSite(await options(), (req, res) => {
      tag(res, hostile[Number(req.url?.slice(1))] as string);
      res.writeHead(200, fresh).end();
    });
    const paths = hostile.map((_, i) => `/${i}`);
    await fill(site, ...paths);
    for (const [i, path] of paths.entries()) {
      await site.cache.purgeTags(hostile[i] as string);
      expect(await areHits(site, path)).toEqual([false]);
    }
    expect(await areHits(site, ...paths)).toEqual(paths.map(() => true));
  });

  it('hold back what was begun before they were purged', async () => {
    let finish = () => {};
    const site = await expressSite(await options(), async (_req, res, run) => {
      tag(res, 'products');
      if (run === 1)
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      res.writeHead(200, { ...fresh, Vary: 'X-Team' }).end(`run ${run}`);
    });
    const early = site.get('/');
    while (site.runs.count === 0) await new Promise(setImmediate);
    await site.cache.purgeTags('products');
    finish();
    expect((await early).text).toBe('run 1');
    const next = await site.get('/');
    expect([isHit(next), next.text]).toEqual([false, 'run 2']);
  });

  it('stay with a page that is found unchanged', async () => {
    const site = await expressSite(await options(), (req, res, run) => {
      if (run === 1) tag(res, 'first');
      if (run === 2) tag(res, 'second');
      if (req.headers['if-none-match'] === '"1"') return res.writeHead(304, { ETag: '"1"', ...fresh }).end();
      return res.writeHead(200, { ETag: '"1"', 'Cache-Control': 'max-age=1', Age: '5' }).end();
    });
    await site.get('/');
    await site.get('/');
    expect(await areHits(site, '/')).toEqual([true]);
    await site.cache.purgeTags('first');
    expect(await areHits(site, '/')).toEqual([false]);
  });

  it('take softly: a page is served while it is renewed, and validated where it may not be', async () => {
    const site = await expressSite(await options(), (req, res, run) => {
      tag(res, 'all');
      const more = req.url === '/strict' ? ', must-revalidate' : '';
      res.writeHead(200, { 'Cache-Control': `max-age=60${more}` }).end(`run ${run}`);
    });
    await fill(site, '/', '/strict');
    await site.cache.expireTags('all');
    const strict = await site.get('/strict');
    expect([isHit(strict), strict.text]).toEqual([false, 'run 3']);
    expect((await site.get('/')).text).toBe('run 1');
    while ((await site.get('/')).text === 'run 1') await new Promise(setImmediate);
    expect((await site.get('/')).text).toBe('run 4');
    await site.cache.expire(`${site.url}/`);
    expect((await site.get('/')).text).toBe('run 4');
    while ((await site.get('/')).text === 'run 4') await new Promise(setImmediate);
  });

  it('stand for the folders of a path with folderTags', async () => {
    const options2 = { ...(await options()), folderTags: true };
    const site = await expressSite(options2, (_req, res) => res.writeHead(200, fresh).end());
    const inside = ['/shop', '/shop/', '/shop?x=/a', '/shop/a', '/shop/a/b?c', '/shop//x'];
    const outside = ['/', '/shopping', '/shop%2Fa', '/other/shop/a', '/?/shop/'];
    await fill(site, ...inside, ...outside);
    await site.cache.purgeBelow(`${site.url}/shop`);
    expect(await areHits(site, ...inside)).toEqual(inside.map(() => false));
    expect(await areHits(site, ...outside)).toEqual(outside.map(() => true));
    await site.cache.purgeBelow(`${site.url}/shop/a/`);
    expect(await areHits(site, ...inside)).toEqual([true, true, true, false, false, true]);
    await site.cache.expireBelow(site.url);
    const soft = await site.get('/');
    expect(soft.headers['cache-status']).toContain('hit');
  });

  it('of folders deeper than eight take the eighth', async () => {
    const options2 = { ...(await options()), folderTags: true };
    const site = await expressSite(options2, (_req, res) => res.writeHead(200, fresh).end());
    await fill(site, '/1/2/3/4/5/6/7/8/9/10/11', '/1/2/3/4/5/6/7/x');
    await site.cache.purgeBelow(`${site.url}/1/2/3/4/5/6/7/8/9/`);
    expect(await areHits(site, '/1/2/3/4/5/6/7/8/9/10/11', '/1/2/3/4/5/6/7/x')).toEqual([false, true]);
  });
});

describe('tags', () => {
  it('take pages from all processes', async () => {
    const namespace = uniqueNamespace();
    const [one, two] = [
      await expressSite({ client: await connect(), namespace, key: (req) => String(req.url) }, tagged),
      await expressSite({ client: await connect(), namespace, key: (req) => String(req.url) }, tagged),
    ];
    await one.get('/products/1');
    expect(isHit(await two.get('/products/1'))).toBe(true);
    await one.cache.purgeTags('product:1');
    expect(isHit(await two.get('/products/1'))).toBe(false);
  });

  it('are there for a handler whose page is not cached, and without Express', async () => {
    const site = await plainSite({ skip: () => true }, (_req, res) => {
      tag(res, 'a');
      res.writeHead(200, fresh).end('ok');
    });
    expect((await site.get('/')).text).toBe('ok');
    expect((await site.send('/', { method: 'POST' })).text).toBe('ok');
  });

  it('are heard by all caches in a row', async () => {
    const inner = responseCache({ ...(await redisOptions()), deadlineMs: 5_000 });
    const site = await expressSite(await redisOptions(), tagged, [], [inner]);
    await fill(site, '/products/1');
    await inner.purgeTags('product:1');
    await site.cache.purgeTags('product:1');
    expect((await site.get('/products/1')).text).toBe('run 2');
  });

  it('that are too many are a reason not to store', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      for (let i = 0; i <= 64; i += 1) tag(res, `tag ${i}`);
      res.writeHead(200, fresh).end();
    });
    await site.get('/');
    expect(isHit(await site.get('/'))).toBe(false);
  });

  it('that are none are refused', async () => {
    const site = await expressSite({}, (_req, res) => {
      tag(res, '');
      res.end();
    });
    expect((await site.get('/')).status).toBe(500);
    await expect(site.cache.purgeTags('')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
    await expect(site.cache.purgeBelow(site.url)).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
    for (const tags of ['a', [1], ['']] as never[]) expect(() => responseCache({ tags })).toThrow(/tags/);
    const broken = await expressSite({ tags: () => [1] as never }, (_req, res) => res.end());
    expect((await broken.get('/')).status).toBe(500);
  });
});
