/** How many take part: processes on one Redis, and masters of a Redis Cluster. */
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { RedisSessionStore } from 'express-redis-suite/session';
import { createCluster } from 'redis';
import { startCluster } from '../../support/redis-topologies.js';
import { connect } from '../redis-view.js';
import type { Axis } from './axis.js';
import { openBench, openBenchOn } from './cost.js';

const CALLS = 60;
const COMMON = { deadlineMs: 60_000 } as const;
/** Tags are judged by one clock, and each master has its own. */
const ASKED = 'each master is asked what time it is, all at once';
const SESSION = { cookie: { originalMaxAge: 3_600_000 }, user: 'ada' } as never;

export const processes: Axis = {
  name: 'processes',
  of: 'processes on one Redis, each with copies in memory',
  sizes: [1, 2, 4],
  bigSizes: [8, 16],
  operations: {
    'limiter, allowed': { law: 'constant' },
    'session, read': { law: 'constant' },
    'cached value, hit in memory': { law: 'constant' },
    'cached value, set': { law: 'linear', because: 'Redis tells each process that its copy is old' },
  },

  async measure(size, { redisUrl }) {
    const bench = await openBench(redisUrl);
    // To Redis a process is its connections.
    const others = await Promise.all(Array.from({ length: size - 1 }, () => connect(redisUrl)));
    const caches = [bench.client, ...others].map((client) =>
      createCache({ client, memory: { maxBytes: 1_000_000 }, beta: 0, ...COMMON }),
    );
    const limiters = [bench.client, ...others].map((client) => rateLimit({ client, limit: 1e6, ...COMMON }));
    const store = new RedisSessionStore({ client: bench.client, ...COMMON });
    try {
      await store.set('id', SESSION);
      for (const time of [1, 2]) for (const cache of caches) await cache.getOrLoad('key', () => time);
      return {
        'limiter, allowed': await bench.cost({
          calls: CALLS,
          before: () => Promise.all(limiters.map((limiter) => limiter.consume('me'))),
          call: () => limiters[0]?.consume('me'),
        }),
        'session, read': await bench.cost({ calls: CALLS, call: () => store.get('id') }),
        'cached value, hit in memory': await bench.cost({
          calls: CALLS,
          before: () => Promise.all(caches.map((cache) => cache.getOrLoad('key', () => 1))),
          call: () => caches[0]?.getOrLoad('key', () => 1),
        }),
        'cached value, set': await bench.cost({ calls: CALLS, call: (i) => caches[0]?.set('key', i) }),
      };
    } finally {
      for (const other of others) other.destroy();
      await bench.end();
    }
  },
};

export const nodes: Axis = {
  name: 'nodes',
  of: 'masters of a Redis Cluster',
  sizes: [1, 2, 3],
  bigSizes: [],
  operations: {
    'limiter, allowed': { law: 'logarithmic' },
    'session, read': { law: 'logarithmic' },
    'session, saved': { law: 'logarithmic' },
    'cached value, hit': { law: 'logarithmic' },
    'cached value with 2 tags, hit': { law: 'logarithmic' },
    'cached value with 2 tags, set': { law: 'linear', because: ASKED },
    'invalidate a tag': { law: 'linear', because: ASKED },
  },

  async measure(size) {
    const cluster = await startCluster([], size);
    const [rootNodes, urls] = [
      cluster.nodes.map(({ url }) => ({ url })),
      cluster.nodes.map(({ url }) => url),
    ];
    const client = createCluster({ rootNodes });
    client.on('error', () => {});
    await client.connect();
    const bench = await openBenchOn(client as never, urls);
    const limiter = rateLimit({ client: bench.client, limit: 1e6, ...COMMON });
    const store = new RedisSessionStore({ client: bench.client, ...COMMON });
    const cache = createCache({ client: bench.client, beta: 0, ...COMMON });
    const tags = ['one', 'another'];
    const each = (call: (name: string) => unknown) =>
      bench.cost({ calls: CALLS, call: (index) => call(`name-${index}`) });
    const load = () => 1;
    try {
      const costs = {
        'limiter, allowed': await each((name) => limiter.consume(name)),
        'session, saved': await each((name) => store.set(name, SESSION)),
        'session, read': await each((name) => store.get(name)),
        'cached value, hit': await each((name) => cache.getOrLoad(name, load)),
        'cached value with 2 tags, set': await each((name) => cache.set(`tagged-${name}`, 1, { tags })),
        'cached value with 2 tags, hit': await each((name) =>
          cache.getOrLoad(`tagged-${name}`, load, { tags }),
        ),
        'invalidate a tag': await each((name) => cache.invalidateTags(name)),
      };
      await requireStraightWays(bench.admin);
      return costs;
    } finally {
      await bench.end();
      await cluster.stop();
    }
  },
};

/** Each command went to the right master at once. */
async function requireStraightWays(admin: { info(section: string): Promise<string> }): Promise<void> {
  const errors = await admin.info('errorstats');
  if (/MOVED|ASK/.test(errors)) throw new Error(`commands went astray: ${errors}`);
}
