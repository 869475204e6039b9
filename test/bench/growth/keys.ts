/** Keys in one Redis: clients of a limiter, sessions, pages, values. */
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { RedisSessionStore } from 'express-redis-suite/session';
import type { Axis } from './axis.js';
import { type Bench, bytesHeld, copyKey, openBench } from './cost.js';
import { keyOf, openShop } from './shop.js';

const CALLS = 200;
const CALLS_BY_HTTP = 60;
const A_WEEK_MS = 7 * 24 * 3_600_000;
const HITS = 20;
const ROW = { id: 17, name: 'Ada Lovelace', bio: 'x'.repeat(150) };
const SESSION = {
  cookie: { originalMaxAge: A_WEEK_MS, expires: new Date(Date.now() + A_WEEK_MS), httpOnly: true, path: '/' },
  user: { id: 17, name: 'Ada Lovelace', roles: ['author', 'editor'] },
  visits: 3,
};

export const keys: Axis = {
  name: 'keys',
  of: 'keys of one kind in Redis',
  sizes: [1_000, 10_000, 100_000],
  bigSizes: [1_000_000],
  operations: {
    'limiter, allowed': { law: 'logarithmic' },
    'session, read': { law: 'logarithmic' },
    'page of 1 KB, hit': { law: 'logarithmic' },
    'cached value, hit': { law: 'logarithmic' },
    'bytes per client of a limiter, 20 hits': { law: 'constant' },
    'bytes per session': { law: 'constant' },
    'bytes per page of 1 KB': { law: 'constant' },
    'bytes per cached value of 190': { law: 'constant' },
  },

  async measure(size, { redisUrl }) {
    const anyOf = () => String(Math.floor(Math.random() * size));
    const parts = [clients, theSessions, values];
    const costs = {};
    for (const part of parts) {
      const bench = await openBench(redisUrl);
      try {
        Object.assign(costs, await part(bench, size, anyOf));
      } finally {
        await bench.end();
      }
    }
    return { ...costs, ...(await pages(redisUrl, size, anyOf)) };
  },
};

async function clients(bench: Bench, size: number, anyOf: () => string) {
  const { client } = bench;
  const limiter = rateLimit({
    client,
    name: 'growth',
    windowMs: 3_600_000,
    limit: 1_000,
    deadlineMs: 60_000,
  });
  for (let hit = 0; hit < HITS; hit += 1) await limiter.consume('10.0.0.0');
  const nameOf = (place: string) => `rl:growth:{10.0.0.${place}}`;
  const bytes = await weighCopies(bench, nameOf('0'), size, nameOf);
  const call = () => limiter.consume(`10.0.0.${anyOf()}`);
  return {
    'limiter, allowed': await bench.cost({ calls: CALLS, call }),
    'bytes per client of a limiter, 20 hits': { bytes },
  };
}

async function theSessions(bench: Bench, size: number, anyOf: () => string) {
  const store = new RedisSessionStore({ client: bench.client, deadlineMs: 60_000 });
  const head = 'an-id-of-twenty-four-by-';
  await store.set(`${head}0`, SESSION as never);
  const nameOf = (place: string) => `sess:${head}${place}`;
  const bytes = await weighCopies(bench, nameOf('0'), size, nameOf);
  async function call() {
    if ((await store.get(head + anyOf())) === null) throw new Error('the session is lost');
  }
  return { 'session, read': await bench.cost({ calls: CALLS, call }), 'bytes per session': { bytes } };
}

async function values(bench: Bench, size: number, anyOf: () => string) {
  const cache = createCache({ client: bench.client, beta: 0, ttlMs: 3_600_000, deadlineMs: 60_000 });
  await cache.set('user:0', ROW);
  const nameOf = (place: string) => `cache:user:${place}`;
  const bytes = await weighCopies(bench, nameOf('0'), size, nameOf);
  async function call() {
    if ((await cache.get(`user:${anyOf()}`)) === undefined) throw new Error('the value is lost');
  }
  return {
    'cached value, hit': await bench.cost({ calls: CALLS, call }),
    'bytes per cached value of 190': { bytes },
  };
}

async function pages(redisUrl: string, size: number, anyOf: () => string) {
  const shop = await openShop(redisUrl);
  try {
    await shop.get('/0');
    const bytes = await weighCopies(shop.bench, keyOf('/0'), size, (place) => keyOf(`/${place}`));
    const hit = await shop.bench.cost({ calls: CALLS_BY_HTTP, call: () => shop.get(`/${anyOf()}`) });
    return { 'page of 1 KB, hit': hit, 'bytes per page of 1 KB': { bytes } };
  } finally {
    await shop.end();
  }
}

/** Bytes of Redis per key, with its share of Redis' tables. */
async function weighCopies({ admin }: Bench, from: string, size: number, nameOf: (place: string) => string) {
  const before = await bytesHeld(admin);
  await copyKey(admin, from, size, nameOf);
  return ((await bytesHeld(admin)) - before) / (size - 1);
}
