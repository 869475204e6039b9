/** What a page costs that no machine changes: commands and waits for Redis, bytes of its key, runs of its handler. They must not rise. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { type ResponseCacheOptions, responseCache } from 'express-redis-suite/response-cache';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { counted, heaviest } from './counting.js';

const HOST = 'shop.example';
const BODY = 'x'.repeat(1_024);
/** Beside its body: the head, the URL in the key, and Redis' own. */
const BYTES_AROUND_A_PAGE = 900;
const BYTES_OF_A_TAG = 200;

async function site(options: ResponseCacheOptions = {}, namespace: string = uniqueNamespace()) {
  const redis = await connect();
  const { client, during } = counted(redis);
  const cache = responseCache({ client, namespace, hosts: [HOST], beta: 0, deadlineMs: 10_000, ...options });
  let runs = 0;
  const app = express().use(cache);
  app.use((req, res) => {
    runs += 1;
    const { path, query } = req;
    res.set('Cache-Control', `public, max-age=${path === '/stale' ? 0 : 60}`);
    if (path === '/tagged') (res as never as { cacheTags(...tags: string[]): void }).cacheTags('a', 'b');
    if (query.slow !== undefined) return void setTimeout(() => res.send(BODY), 100);
    res.send(BODY);
  });
  const served = await serve(app);
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const { status } = await served.get(path, { host: HOST, ...headers });
    expect([200, 304]).toContain(status);
  };
  // Redis knows all scripts from here on, and this process what time it is there.
  for (const path of ['/warm', '/warm', '/stale', '/stale']) await get(path);
  await cache.purge(`http://${HOST}/warm`);
  const ask = (path: string, headers?: Record<string, string>) => during(() => get(path, headers));
  return { redis, namespace, cache, get, ask, during, runs: () => runs };
}

const ONE = '1 hmGet in 1 round trip';

describe('A request under the response cache asks Redis for', () => {
  test('one command when it hits, also with conditions, ranges and HEAD', async () => {
    const { get, ask } = await site();
    await get('/page');
    expect(await ask('/page')).toBe(ONE);
    expect(await ask('/page', { 'if-modified-since': new Date().toUTCString() })).toBe(ONE);
    expect(await ask('/page', { 'cache-control': 'max-age=60' })).toBe(ONE);
  });

  test('three when it misses: look, lease, store', async () => {
    const { ask } = await site();
    expect(await ask('/page')).toBe('1 hmGet + 2 evalSha in 3 round trips');
  });

  test('three when it validates', async () => {
    const { get, ask } = await site();
    await get('/stale?1');
    expect(await ask('/stale?1')).toBe('1 hmGet + 2 evalSha in 3 round trips');
  });

  test('one when it hits a page with tags', async () => {
    const { get, ask } = await site();
    for (const path of ['/tagged?1', '/tagged?1', '/tagged', '/tagged']) await get(path);
    expect(await ask('/tagged')).toBe('1 evalSha in 1 round trip');
  });

  test('nothing when it hits a copy in memory', async () => {
    const { get, ask } = await site({ memory: { maxBytes: 1_000_000 } });
    for (const time of [1, 2, 3]) await get('/page', { 'x-time': String(time) }).then(() => sleep(50));
    expect(await ask('/page')).toBe('nothing');
  });
});

test('A purge is one command, by URL and by tag', async () => {
  const { cache, get, during } = await site();
  await get('/tagged');
  await cache.purgeTags('warm');
  const url = `http://${HOST}/page`;
  expect(await during(() => cache.purge(url))).toBe('1 evalSha in 1 round trip');
  expect(await during(() => cache.purgeTags('a'))).toBe('1 evalSha in 1 round trip');
  expect(await during(() => cache.purgeTags('a', 'b'))).toBe('2 evalSha in 1 round trip');
});

test('A handler runs once for a page that two processes are asked for 40 times each, and once more when it has expired', async () => {
  const one = await site();
  const other = await site({}, one.namespace);
  const askBoth = async () => {
    const before = one.runs() + other.runs();
    const requests = Array.from({ length: 40 }, () => [one.get('/page?slow'), other.get('/page?slow')]);
    await Promise.all(requests.flat());
    return one.runs() + other.runs() - before;
  };
  expect(await askBoth()).toBe(1);
  expect(await askBoth()).toBe(0);
  await one.cache.purge(`http://${HOST}/page?slow`);
  expect(await askBoth()).toBe(1);
});

test('The keys of a page weigh what they did', async () => {
  const { redis, namespace, get } = await site();
  await get('/tagged');
  expect(await heaviest(redis, `${namespace}:page:{*`)).toBeLessThanOrEqual(
    BODY.length + BYTES_AROUND_A_PAGE,
  );
  expect(await heaviest(redis, `${namespace}:page:#*`)).toBeLessThanOrEqual(BYTES_OF_A_TAG);
});
