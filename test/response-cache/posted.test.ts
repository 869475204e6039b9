// By the letter of the standard a POST may be answered with its own page, which then answers GETs (RFC 9110, 9.3.3).
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { until } from '../support/until.js';
import { expressSite, isHit, type Site } from './site.js';

const OWN = { 'Cache-Control': 'max-age=60', 'Content-Location': '/cart' };

async function redisOptions(): Promise<ResponseCacheOptions> {
  return { client: await connect(), namespace: uniqueNamespace(), profile: 'rfc9111' };
}

const post = (site: Site, path = '/cart') => site.send(path, { method: 'POST', body: 'one more' });

/** Stored after the answer has left. */
async function isStored(site: Site): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  return isHit(await site.get('/cart'));
}

describe('A POST that is answered with its own page', () => {
  it.each(['Redis', 'memory'])(
    'answers the GETs that follow, in place of the old page: %s',
    async (where) => {
      const options: ResponseCacheOptions = where === 'Redis' ? await redisOptions() : { profile: 'rfc9111' };
      const site = await expressSite(options, async (_req, res, run) => {
        res.writeHead(200, { ...OWN, 'X-Run': String(run) });
        res.write('run ');
        res.end(String(run));
      });
      expect((await site.get('/cart')).text).toBe('run 1');
      expect((await post(site)).text).toBe('run 2');
      await until(async () => isHit(await site.get('/cart')));
      const reply = await site.get('/cart');
      expect([reply.text, reply.headers['x-run'], site.runs.count]).toEqual(['run 2', '2', 2]);
      expect((await post(site)).text).toBe('run 3');
      await until(async () => isHit(await site.get('/cart')));
      expect((await site.get('/cart')).text).toBe('run 3');
    },
  );

  it.each<[string, number, Record<string, string>]>([
    [
      'which says no lifetime',
      200,
      { 'Content-Location': '/cart', 'Last-Modified': 'Mon, 05 Jan 2026 00:00:00 GMT' },
    ],
    ['which says another place', 200, { ...OWN, 'Content-Location': '/cart?x' }],
    ['which says no place', 200, { 'Cache-Control': 'max-age=60' }],
    ['which is private', 200, { ...OWN, 'Cache-Control': 'private, max-age=60' }],
    ['with another status', 201, OWN],
    ['which fails', 500, OWN],
    ['with tags', 200, { ...OWN, 'Cache-Tag': 'cart' }],
    ['which is longer than what is kept', 200, { ...OWN, 'X-Long': 'yes' }],
  ])('does not where it is one %s', async (_name, status, headers) => {
    const options = { ...(await redisOptions()), maxBodyBytes: 10 };
    const site = await expressSite(options, (_req, res) =>
      res.writeHead(status, headers).end('X-Long' in headers ? 'x'.repeat(11) : 'x'),
    );
    await post(site);
    expect(await isStored(site)).toBe(false);
  });

  it('does not in the safe profile', async () => {
    const site = await expressSite({ ...(await redisOptions()), profile: 'safe' }, (_req, res) =>
      res.writeHead(200, OWN).end('x'),
    );
    await post(site);
    expect(await isStored(site)).toBe(false);
  });

  it.each<[string, (site: Site) => Promise<unknown>]>([
    ['a PUT', (site) => site.send('/cart', { method: 'PUT' })],
    ['another POST', (site) => post(site)],
    ['another POST elsewhere that names it', (site) => post(site, '/elsewhere')],
    ['a purge', (site) => site.purge(`${site.url}/cart`)],
    ['a soft purge', (site) => site.cache.expire(`${site.url}/cart`)],
  ])('is not stored when the page was changed while it was made, by %s', async (_name, change) => {
    let isFirst = true;
    const site = await expressSite(await redisOptions(), async (req: IncomingMessage, res) => {
      const isSlow = isFirst && req.method === 'POST';
      isFirst = false;
      if (isSlow) await change(site);
      res.writeHead(200, OWN).end(isSlow ? 'old' : 'new');
    });
    expect((await post(site)).text).toBe('old');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await site.get('/cart')).text).toBe('new');
  });

  it('keeps no GET waiting while it is made', async () => {
    const site = await expressSite(await redisOptions(), async (req, res) => {
      const inner = req.method === 'POST' ? (await site.get('/cart')).text : 'the page';
      res.writeHead(200, OWN).end(inner);
    });
    const startedAt = performance.now();
    expect((await post(site)).text).toBe('the page');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
