// Copies of pages in this process, in front of Redis. Two sites with a client each stand for two processes.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type ResponseCacheOptions, responseCache } from 'express-redis-suite/response-cache';
import { commandsDuring, connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { startFleet } from './fleet.js';
import { expressSite, isHit, type Site } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

let server: RedisServer;
let namespace: string;
let observer: TestClient;

beforeEach(async () => {
  server = await RedisServer.start();
  namespace = uniqueNamespace();
  observer = await connect(server.url);
});

async function open(options: ResponseCacheOptions = {}): Promise<Site> {
  const client = await connect(server.url);
  return expressSite(
    { client, namespace, key: (req) => String(req.url), memory: { maxBytes: 1_000_000 }, ...options },
    (req, res, run) => {
      (res as unknown as Express.Response).cacheTags('all');
      res.writeHead(200, { ...fresh, Vary: 'X-Team' }).end(`run ${run} ${req.headers['x-team']}`);
    },
  );
}

const readsDuring = async (act: () => Promise<unknown>) => {
  const { hmget = 0, evalsha = 0 } = await commandsDuring(observer, act);
  return { hmget, evalsha };
};

/** Its copies are in use: whatever is read then is one. */
async function inUse(site: Site, path = '/'): Promise<void> {
  await until(async () => {
    await site.get(path);
    const { hmget, evalsha } = await readsDuring(() => site.get(path));
    return hmget === 0 && evalsha <= 2;
  });
}

describe('copies of pages in memory', () => {
  it('answer without asking Redis', async () => {
    const site = await open();
    await inUse(site);
    const { hmget, evalsha } = await readsDuring(async () => {
      for (let i = 0; i < 100; i += 1) {
        const reply = await site.get('/');
        expect([isHit(reply), reply.text]).toEqual([true, 'run 1 undefined']);
      }
    });
    // But for the beats of the link, two a second.
    expect([hmget, evalsha < 20]).toEqual([0, true]);
  });

  it('are copies of the variant that was asked for', async () => {
    const site = await open();
    await inUse(site);
    expect((await site.get('/', { 'x-team': 'a' })).text).toBe('run 2 a');
    for (const _ of [1, 2]) {
      expect((await site.get('/', { 'x-team': 'a' })).text).toBe('run 2 a');
      expect((await site.get('/')).text).toBe('run 1 undefined');
    }
  });

  it.each<[string, (there: Site) => Promise<unknown>]>([
    ['a purge', (there) => there.purge('/')],
    ['a purge of a tag', (there) => there.cache.purgeTags('all')],
    ['an unsafe request', (there) => there.send('/', { method: 'POST' })],
  ])('go with %s in another process', async (_name, change) => {
    const [here, there] = [await open(), await open()];
    await inUse(here);
    const { text } = await here.get('/');
    await change(there);
    await until(async () => (await here.get('/')).text !== text);
  });

  it('go at once with a purge in this process', async () => {
    const site = await open();
    await inUse(site);
    for (const purge of [() => site.purge('/'), () => site.cache.purgeTags('all')]) {
      const { text } = await site.get('/');
      await purge();
      expect((await site.get('/')).text).not.toBe(text);
      await inUse(site);
    }
  });

  it('are expired softly', async () => {
    const [here, there] = [await open(), await open()];
    await inUse(here);
    await there.cache.expireTags('all');
    await until(async () => (await here.get('/')).text === 'run 2 undefined');
  });

  it('are not served while Redis, and so what is purged, cannot be heard of', async () => {
    const site = await open({ deadlineMs: 100 });
    await inUse(site);
    server.freeze();
    await until(async () => !isHit(await site.get('/')));
    server.thaw();
    await until(async () => isHit(await site.get('/')));
  });

  it('wake those who wait for another process', async () => {
    const fleet = await startFleet(4, { memory: { maxBytes: 1_000_000 } });
    for (let round = 1; round <= 3; round += 1) {
      const replies = await Promise.all(
        fleet.ships.flatMap((ship) => Array.from({ length: 20 }, () => ship.get(`/page/${round}?ms=150`))),
      );
      expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
      expect(fleet.runs).toHaveLength(round);
    }
  }, 60_000);
});

it('without a client, memory says how much is kept', async () => {
  const site = await expressSite({ memory: { maxBytes: 100_000 } }, (_req, res) =>
    res.writeHead(200, fresh).end(Buffer.alloc(40_000)),
  );
  for (const path of ['/1', '/2', '/3']) await site.get(path);
  expect(isHit(await site.get('/3'))).toBe(true);
  expect(isHit(await site.get('/1'))).toBe(false);
});

it.each([{}, { maxBytes: 0 }, { maxBytes: 1.5 }, 1, null])('memory: %j is refused', (memory) => {
  expect(() => responseCache({ memory: memory as never })).toThrow(/memory/);
});
