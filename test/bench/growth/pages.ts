/** What a page of the response cache may have many of: bytes, variants, tags, and other pages under one tag. */
import type { Axis } from './axis.js';
import { copyKey } from './cost.js';
import { keyOf, openShop, urlOf } from './shop.js';

const CALLS = 40;

export const bodies: Axis = {
  name: 'bodies',
  of: 'bytes of a page',
  sizes: [1_024, 10_240, 102_400, 1_048_576],
  bigSizes: [10_485_760],
  operations: {
    hit: { law: 'linear', because: 'the bytes are copied, and nothing else is done with them' },
    'miss and store': { law: 'linear', because: 'as for a hit' },
    'bytes of the key': { law: 'linear' },
  },

  async measure(size, { redisUrl }) {
    const shop = await openShop(redisUrl, () => ({ bytes: size }));
    const calls = Math.max(3, Math.min(CALLS, 10_000_000 / size));
    let misses = 0;
    try {
      await shop.get('/page');
      const bytes = Number(await shop.bench.admin.memoryUsage(keyOf('/page'), { SAMPLES: 0 }));
      return {
        hit: await shop.bench.cost({ calls, call: () => shop.get('/page') }),
        'miss and store': await shop.bench.cost({
          calls,
          before: () => shop.bench.admin.flushAll(),
          call: () => {
            misses += 1;
            return shop.get(`/page?${misses}`);
          },
        }),
        'bytes of the key': { bytes },
      };
    } finally {
      await shop.end();
    }
  },
};

export const variants: Axis = {
  name: 'variants',
  of: 'variants of one page (maxVariants: 64)',
  sizes: [1, 4, 16, 64],
  bigSizes: [],
  operations: {
    hit: { law: 'logarithmic' },
    'miss and store of another one': {
      law: 'linear',
      because: 'at maxVariants the names of all are looked at, 64 of them, to put one out',
    },
    purge: { law: 'linear', because: 'all variants go' },
  },

  async measure(size, { redisUrl }) {
    const shop = await openShop(redisUrl, () => ({ vary: 'x-kind' }));
    const { admin } = shop.bench;
    const refill = async () => {
      if (saved !== null) await admin.restore(keyOf('/page'), 3_600_000, saved as never, { REPLACE: true });
    };
    let saved: Buffer | null = null;
    let others = 0;
    try {
      for (let kind = 0; kind < size; kind += 1) await shop.get('/page', { 'X-Kind': String(kind) });
      saved = (await admin.withTypeMapping({ 36: Buffer }).dump(keyOf('/page'))) as Buffer | null;
      return {
        hit: await shop.bench.cost({
          calls: CALLS,
          call: (index) => shop.get('/page', { 'X-Kind': String(index % size) }),
        }),
        'miss and store of another one': await shop.bench.cost({
          calls: 1,
          before: refill,
          call: () => {
            others += 1;
            return shop.get('/page', { 'X-Kind': `other ${others}` });
          },
        }),
        purge: await shop.bench.cost({
          calls: 1,
          before: refill,
          call: () => shop.cache.purge(urlOf('/page')),
        }),
      };
    } finally {
      await shop.end();
    }
  },
};

export const tags: Axis = {
  name: 'tags',
  of: 'tags of one page (64 at most)',
  sizes: [1, 4, 16, 64],
  bigSizes: [],
  operations: {
    hit: { law: 'linear', because: 'the record of each tag is looked at, inside Redis, in the same command' },
    'miss and store': { law: 'linear', because: 'the record of each tag has to live as long as the page' },
    'purge of one': { law: 'constant' },
  },

  async measure(size, { redisUrl }) {
    const names = Array.from({ length: size }, (_, i) => `tag${i}`);
    const shop = await openShop(redisUrl, () => ({ tags: names }));
    let misses = 0;
    try {
      for (const time of [1, 2, 3]) await shop.get(`/page?${time % 2}`);
      return {
        hit: await shop.bench.cost({ calls: CALLS, call: () => shop.get('/page?1') }),
        'miss and store': await shop.bench.cost({
          calls: CALLS,
          call: () => {
            misses += 1;
            return shop.get(`/other?${misses}`);
          },
        }),
        'purge of one': await shop.bench.cost({ calls: CALLS, call: () => shop.cache.purgeTags('tag0') }),
      };
    } finally {
      await shop.end();
    }
  },
};

export const tagged: Axis = {
  name: 'tagged',
  of: 'pages that carry one tag',
  sizes: [1, 100, 10_000],
  bigSizes: [100_000],
  operations: {
    'purge of the tag': { law: 'constant' },
    hit: { law: 'logarithmic' },
    'miss and store, after the purge': { law: 'constant' },
  },

  async measure(size, { redisUrl }) {
    const shop = await openShop(redisUrl, () => ({ tags: ['all'] }));
    try {
      await shop.get('/0');
      await copyKey(shop.bench.admin, keyOf('/0'), size, (place) => keyOf(`/${place}`));
      await shop.get('/0');
      const hit = await shop.bench.cost({ calls: CALLS, call: (i) => shop.get(`/${(i * 7_919) % size}`) });
      return {
        hit,
        'purge of the tag': await shop.bench.cost({ calls: CALLS, call: () => shop.cache.purgeTags('all') }),
        'miss and store, after the purge': await shop.bench.cost({
          calls: 1,
          before: () => shop.cache.purgeTags('all'),
          call: () => shop.get('/0'),
        }),
      };
    } finally {
      await shop.end();
    }
  },
};
