// Copies in this process in front of Redis. Two caches with a client each stand for two processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Cache, type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, startServers } from '../support/client-kinds.js';
import { commandsDuring, connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { Hold, openCache } from './support.js';

const KEY = 'user:42';
const memory = { maxBytes: 1_000_000 };

/** Redis is asked once for a value that is there, but its memory is in use: whatever is read then is a copy. */
async function inUse(cache: Cache, client: TestClient): Promise<void> {
  await cache.set('probe', 1);
  await until(async () => {
    await cache.get('probe');
    const { hmget = 0, evalsha = 0 } = await commandsDuring(client, () => cache.get('probe'));
    return hmget === 0 && evalsha <= 1;
  });
}

describe('copies in memory', () => {
  let server: RedisServer;
  let namespace: string;
  let here: Cache;
  let there: Cache;
  let hereClient: TestClient;
  /** Looks at Redis and counts its commands. */
  let observer: TestClient;

  const open = (options: CacheOptions = {}) => openCache(namespace, { memory, ...options }, server.url);

  beforeEach(async () => {
    server = await RedisServer.start();
    namespace = uniqueNamespace();
    observer = await connect(server.url);
    ({ cache: here, client: hereClient } = await open());
    await inUse(here, observer);
    ({ cache: there } = await open());
  });

  it('answer without asking Redis', async () => {
    await there.set(KEY, 'value', { tags: ['t'] });
    await here.get(KEY);
    await until(async () => {
      const commands = await commandsDuring(observer, async () => {
        for (let i = 0; i < 100; i += 1) expect(await here.getOrLoad(KEY, () => 'loaded')).toBe('value');
        expect((await here.getMany([KEY, KEY])).get(KEY)).toBe('value');
      });
      // But for the beats of both.
      return (commands.hmget ?? 0) === 0 && (commands.evalsha ?? 0) <= 4;
    });
  });

  it.each<[string, (cache: Cache) => Promise<unknown>]>([
    ['set', (cache) => cache.set(KEY, 'new')],
    ['delete', (cache) => cache.delete(KEY)],
    ['invalidateTags', (cache) => cache.invalidateTags('t')],
    ['write', (cache) => cache.write(KEY, () => {})],
    ['write of the tag', (cache) => cache.write({ tags: ['t'] }, () => {})],
    ['writeThrough', (cache) => cache.writeThrough(KEY, () => 'new')],
  ])('are gone after a %s, here at once and elsewhere as soon as the message is there', async (_, change) => {
    for (const cache of [here, there]) {
      await there.set(KEY, 'old', { tags: ['t'] });
      await until(async () => (await here.get(KEY)) === 'old');
      await here.get(KEY);
      await change(cache);
      if (cache === here) expect(await here.get(KEY)).not.toBe('old');
      await until(async () => (await here.get(KEY)) !== 'old', 1_000);
    }
  });

  it('are gone before the change of a write elsewhere commits, if that takes longer than a message', async () => {
    await there.set(KEY, 'old');
    await until(async () => (await here.get(KEY)) === 'old');
    const committed = new Hold();
    const writing = there.write(KEY, () => committed.step());
    await committed.reached;
    await until(async () => (await here.get(KEY)) === undefined, 1_000);
    committed.letGo();
    await writing;
  });

  it('are not served while the link is down, and again when it is up', async () => {
    await there.set(KEY, 'old');
    await until(async () => (await here.get(KEY)) === 'old');
    await here.get(KEY);
    await observer.sendCommand(['CLIENT', 'PAUSE', '1', 'ALL']);
    await observer.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    // Changed without a message, as if it had been missed.
    await observer.del(`${namespace}:${KEY}`);
    await until(async () => (await here.get(KEY)) === undefined, 1_000);
    await inUse(here, observer);
    // What was copied before is as old as the news that was missed.
    expect(await here.get(KEY)).toBeUndefined();
  });

  it('are not served from a connection that is gone without a word', async () => {
    await there.set(KEY, 'old');
    await here.get(KEY);
    server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    expect(await here.get(KEY)).toBeUndefined();
    server.thaw();
    await until(async () => (await here.get(KEY)) === 'old');
  });

  it('stand in when Redis and the database are both away', async () => {
    await there.set(KEY, 'known', { staleMs: 60_000 });
    await until(async () => (await here.get(KEY)) === 'known');
    // The message about it may have come after that.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await here.get(KEY);
    await server.kill();
    const boom = async () => Promise.reject(new Error('boom'));
    await until(async () => (await here.get(KEY)) === undefined);
    expect(await here.getOrLoad<unknown>(KEY, boom)).toBe('known');
    expect(await here.getOrLoad(KEY, () => 'loaded')).toBe('loaded');
    await expect(here.getOrLoad('unknown', boom)).rejects.toThrow('boom');
    await here.write(KEY, () => {});
    await expect(here.getOrLoad(KEY, boom)).rejects.toThrow('boom');
  });

  it('live no longer than their values, and tell stale from fresh', async () => {
    const brief = { ttlMs: 100, staleMs: 60_000, jitter: 0, beta: 0 };
    await here.getOrLoad(KEY, () => 'old', brief);
    await here.get(KEY);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await here.get(KEY)).toBeUndefined();
    const failing = async () => Promise.reject(new Error('boom'));
    expect(await here.getOrLoad<unknown>(KEY, failing)).toBe('old');
    expect(await here.getOrLoad(KEY, () => 'new')).toBe('new');
  });

  it('are each a copy of its own for every caller', async () => {
    await there.set(KEY, { list: [1] });
    const first = await here.get<{ list: number[] }>(KEY);
    first?.list.push(2);
    expect(await here.get(KEY)).toEqual({ list: [1] });
  });

  it('take no more than their bytes', async () => {
    const small = (await open({ memory: { maxBytes: 10_000 } })).cache;
    await inUse(small, observer);
    for (let i = 0; i < 50; i += 1) {
      await there.set(`row:${i}`, 'x'.repeat(1_000), { tags: ['t', `t${i}`] });
      await small.get(`row:${i}`);
    }
    const { hmget = 0, evalsha = 0 } = await commandsDuring(observer, () =>
      small.getMany(Array.from({ length: 50 }, (_, i) => `row:${i}`)),
    );
    expect(hmget + evalsha).toBeGreaterThan(0);
    await there.set('big', 'x'.repeat(20_000));
    expect(await small.get('big')).toHaveLength(20_000);
  });

  it('let a process hear at once of what another has loaded', async () => {
    const loading = new Hold();
    const load = jest.fn(() => loading.step().then(() => 'loaded'));
    const first = there.getOrLoad(KEY, load);
    await loading.reached;
    const second = here.getOrLoad(KEY, load);
    await new Promise((resolve) => setTimeout(resolve, 300));
    loading.letGo();
    expect(await Promise.all([first, second])).toEqual(['loaded', 'loaded']);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('are refused without a client, and without a size', () => {
    expect(() => createCache({ memory })).toThrow(/memory: /);
    for (const bad of [{}, { maxBytes: 0 }, null, 5])
      expect(() => createCache({ client: hereClient, memory: bad as typeof memory })).toThrow(
        /memory\.maxBytes: /,
      );
  });

  it('keep no process alive after its client was closed, also where Redis is away', async () => {
    for (const fault of [undefined, 'kill'] as const) {
      const own = await RedisServer.start();
      const script = join(__dirname, 'memory-once.mts');
      const child = spawn(process.execPath, ['--import', 'tsx', script, own.url], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestEnd(() => child.kill('SIGKILL'));
      await once(child.stdout, 'data');
      if (fault === 'kill') await own.kill();
      const startedAt = performance.now();
      child.kill('SIGUSR2');
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
      // A second, and what a busy machine takes to end a process.
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    }
  });
});

describe('copies in memory, on every kind of client,', () => {
  const servers = startServers();

  it.each(clientKinds)('are dropped when another process changes them: $name', async (kind) => {
    const namespace = uniqueNamespace();
    const caches = await Promise.all(
      [1, 2].map(async () => {
        const opened = kind.open(servers);
        onTestEnd(() => opened.close());
        await opened.connect();
        return createCache({ client: opened.client, namespace, memory, deadlineMs: 2_000 });
      }),
    );
    const [here, there] = caches as [Cache, Cache];
    for (let i = 0; i < 5; i += 1) {
      await there.set(KEY, `value ${i}`, { tags: ['t'] });
      await until(async () => (await here.get(KEY)) === `value ${i}`, 2_000);
      if (i % 2 === 1) await there.invalidateTags('t');
      else await there.delete(KEY);
      await until(async () => (await here.get(KEY)) === undefined, 2_000);
    }
  });

  it.each(clientKinds)('close their connection within a second of their client: $name', async (kind) => {
    const nodes = {
      single: [servers.single],
      cluster: servers.cluster.nodes,
      sentinel: [servers.sentinel.master],
    };
    const observers = await Promise.all(nodes[kind.server].map(({ url }) => connect(url)));
    // Sentinel itself listens, too.
    const listeners = async () => {
      const lists = await Promise.all(
        observers.map((observer) => observer.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub'])),
      );
      return lists.join('').split('id=').length;
    };
    await until(async () => (await listeners()) <= 1 + Number(kind.server === 'sentinel'));
    const before = await listeners();
    const opened = kind.open(servers);
    await opened.connect();
    const cache = createCache({
      client: opened.client,
      namespace: uniqueNamespace(),
      memory,
      deadlineMs: 2_000,
    });
    await until(async () => {
      await cache.get(KEY);
      return (await listeners()) > before;
    });
    await opened.close();
    await until(async () => (await listeners()) === before, 1_500);
  });
});
