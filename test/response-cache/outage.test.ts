// Redis away, slow or unwilling: the handler answers, as if there were no cache.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { wireTo } from '../support/network.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { expressSite, isHit, watch } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

async function siteOn(server: RedisServer, deadlineMs = 100) {
  const client = await connect(server.url);
  const options = { client, namespace: uniqueNamespace(), deadlineMs };
  const site = await expressSite(options, (_req, res, run) => res.writeHead(200, fresh).end(`run ${run}`));
  return { ...site, client };
}

async function untilHit(site: Awaited<ReturnType<typeof siteOn>>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (isHit(await site.get('/'))) return;
    await sleep(50);
  }
  throw new Error('Redis is not in use again');
}

it('a Redis that was killed costs its hits only, and is used again when it is back', async () => {
  const server = await RedisServer.start();
  const site = await siteOn(server);
  await untilHit(site);

  await server.kill();
  for (let tries = 0; tries < 5; tries += 1) {
    const reply = await site.get('/');
    expect([reply.status, reply.headers['cache-status']]).toEqual([
      200,
      'ExpressRedisSuite; fwd=bypass; detail=redis-unavailable',
    ]);
    expect((await site.send('/', { method: 'POST' })).status).toBe(200);
  }
  await server.restart();
  await untilHit(site);
});

it('a frozen Redis is waited for a moment only', async () => {
  const server = await RedisServer.start();
  const site = await siteOn(server);
  await untilHit(site);
  server.freeze();
  const replies = await Promise.all(Array.from({ length: 10 }, () => site.get('/')));
  for (const reply of replies) {
    expect([reply.status, reply.headers['cache-status']]).toEqual([
      200,
      'ExpressRedisSuite; fwd=bypass; detail=redis-unavailable',
    ]);
    expect(reply.durationMs).toBeLessThan(2_000);
  }
  server.thaw();
  await untilHit(site);
});

it('what could not be forgotten while Redis was away is forgotten before it is read again', async () => {
  const server = await RedisServer.start();
  const site = await siteOn(server);
  await untilHit(site);
  const { text: old } = await site.get('/');
  server.freeze();
  expect((await site.send('/', { method: 'POST' })).status).toBe(200);
  await expect(site.purge(`${site.url}/other`)).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
  server.thaw();
  for (let tries = 0; tries < 100; tries += 1) {
    const reply = await site.get('/');
    expect(reply.text).not.toBe(old);
    if (isHit(reply)) return;
    await sleep(50);
  }
});

it('what one process could not forget while Redis was away from it, it forgets for all others as soon as it is back', async () => {
  const server = await RedisServer.start();
  const wire = await wireTo(server.port);
  const namespace = uniqueNamespace();
  const options = { namespace, deadlineMs: 100, key: () => 'page', tags: ['all'] };
  const openOn = async (url: string) =>
    expressSite({ ...options, client: await connect(url) }, (_req, res, run) =>
      res.writeHead(200, fresh).end(`run ${run}`),
    );
  const [cutOff, other] = [await openOn(wire.url), await openOn(server.url)];
  for (const forget of [() => cutOff.send('/', { method: 'POST' }), () => cutOff.cache.purgeTags('all')]) {
    await until(async () => isHit(await other.get('/')));
    wire.swallow();
    await forget().catch(() => {});
    expect(isHit(await other.get('/'))).toBe(true);
    wire.mend();
    wire.reset();
    // Nobody asks the process that owes it.
    await until(async () => !isHit(await other.get('/')));
  }
});

it('tags that could not be purged while Redis was away are purged before anything is read again', async () => {
  const server = await RedisServer.start();
  const client = await connect(server.url);
  const options = { client, namespace: uniqueNamespace(), tags: ['all'], deadlineMs: 100 };
  const site = await expressSite(options, (_req, res, run) => res.writeHead(200, fresh).end(`run ${run}`));
  await untilHit({ ...site, client });
  const { text: old } = await site.get('/');
  server.freeze();
  await expect(site.cache.purgeTags('all')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
  await expect(site.cache.expireTags('all')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
  server.thaw();
  for (let tries = 0; tries < 100; tries += 1) {
    const reply = await site.get('/');
    expect(reply.text).not.toBe(old);
    if (isHit(reply)) return;
    await sleep(50);
  }
  throw new Error('Redis is not in use again');
});

it('a page that takes Redis longer than the deadline to store holds up nobody, and is stored', async () => {
  const server = await RedisServer.start();
  const wire = await wireTo(server.port);
  const client = await connect(wire.url);
  const options = { client, namespace: uniqueNamespace(), deadlineMs: 400 };
  const site = await expressSite(options, async (_req, res, run) => {
    // From now on Redis is slow.
    wire.delay(600);
    res.writeHead(200, fresh).end(`run ${run}`);
  });
  const settled = watch();
  const reply = await site.get('/');
  expect(reply.text).toBe('run 1');
  await settled.next(1);
  expect(settled.events[0]?.trace).toContain('store');
  wire.delay(0);
  await untilHit({ ...site, client });
  expect(site.runs.count).toBe(1);
});

it('a Redis without room is read from and not written to', async () => {
  const server = await RedisServer.start({
    args: ['--maxmemory', '100mb', '--maxmemory-policy', 'noeviction'],
  });
  const site = await siteOn(server, 5_000);
  const settled = watch();
  await site.get('/');
  await settled.next(1);
  await site.client.configSet('maxmemory', '1');
  expect(isHit(await site.get('/'))).toBe(true);
  const absent = await site.get('/absent');
  expect([absent.status, isHit(await site.get('/absent'))]).toEqual([200, false]);
});

it('a page that Redis has no room for keeps no other process waiting, though it turned out to have variants', async () => {
  const server = await RedisServer.start({ args: ['--maxmemory-policy', 'noeviction'] });
  const client = await connect(server.url);
  const options = { client, namespace: uniqueNamespace() };
  const settled = watch();
  const answer: Parameters<typeof expressSite>[1] = async (_req, res) => {
    await sleep(100);
    const [, used] = /used_memory:(\d+)/.exec(await client.info('memory')) ?? [];
    // For a lease there is room, for the page there is not.
    await client.configSet('maxmemory', String(Number(used) + 300_000));
    res.writeHead(200, { ...fresh, Vary: 'X-Team' }).end('x'.repeat(900_000));
  };
  const one = await expressSite(options, answer);
  const other = await expressSite(options, answer);
  const host = { host: 'shop.example' };
  const first = one.get('/', host);
  await until(() => one.runs.count === 1);
  // Less than a lease.
  expect((await other.get('/', host)).durationMs).toBeLessThan(3_000);
  await first;
  await settled.next(1);
  expect(settled.events[0]?.reason).toBe('not-stored');
});

it('a client that is not connected yet is no reason to wait', async () => {
  const { createClient } = await import('redis');
  const client = createClient({ url: 'redis://127.0.0.1:1' });
  const site = await expressSite({ client }, (_req, res) => res.writeHead(200, fresh).end('x'));
  const reply = await site.get('/');
  expect([reply.status, reply.headers['cache-status']]).toEqual([
    200,
    'ExpressRedisSuite; fwd=bypass; detail=redis-unavailable',
  ]);
});
