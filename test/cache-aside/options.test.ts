import { channel } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { onTestEnd } from '../support/cleanup.js';
import { connect, uniqueNamespace } from '../support/redis.js';

describe('the options of a cache', () => {
  it.each<[string, object]>([
    ['namespace', { namespace: '' }],
    ['namespace', { namespace: 'a b' }],
    ['namespace', { namespace: 'sess' }],
    ['namespace', { namespace: 'sess:' }],
    ['namespace', { namespace: 42 }],
    ['ttlMs', { ttlMs: 0 }],
    ['ttlMs', { ttlMs: Number.POSITIVE_INFINITY }],
    ['ttlMs', { ttlMs: '60' }],
    ['ttlMs', { ttlMs: Number.MAX_SAFE_INTEGER }],
    ['staleMs', { staleMs: Number.MAX_SAFE_INTEGER }],
    ['missTtlMs', { missTtlMs: -1 }],
    ['jitter', { jitter: 1 }],
    ['jitter', { jitter: Number.NaN }],
    ['leaseMs', { leaseMs: 10 }],
    ['waitMs', { waitMs: -1 }],
    ['markMs', { markMs: 0 }],
    ['deadlineMs', { deadlineMs: 0 }],
    ['maxBytes', { maxBytes: 0 }],
    ['serializer', { serializer: { encode: JSON.stringify } }],
  ])('refuse a bad %s: %j', (option, options) => {
    expect(() => createCache(options as CacheOptions)).toThrow(
      expect.objectContaining({
        code: 'ERS_INVALID_OPTION',
        message: expect.stringContaining(`${option}: `),
      }),
    );
  });

  it('refuse a client that is none', () => {
    const options = { client: {} } as unknown as CacheOptions;
    expect(() => createCache(options)).toThrow(expect.objectContaining({ code: 'ERS_INVALID_CLIENT' }));
  });

  it('refuse maxBytes beside a client, where it would do nothing', async () => {
    const client = await connect();
    expect(() => createCache({ client, maxBytes: 1_000 })).toThrow(/maxmemory/);
  });

  it('are judged per call as well', async () => {
    const cache = createCache();
    await expect(cache.getOrLoad('a', () => 1, { ttlMs: 0 })).rejects.toThrow(/ttlMs/);
    await expect(cache.set('a', 1, { missTtlMs: -1 })).rejects.toThrow(/missTtlMs/);
  });
});

it('A cache keeps values for as long as its options allow', async () => {
  const cache = createCache({ client: await connect(), namespace: uniqueNamespace(), deadlineMs: 2_000 });
  await cache.set('a', 1, { ttlMs: 1e15, staleMs: 1e15, tags: ['t'] });
  expect(await cache.getOrLoad('a', () => 2)).toBe(1);
});

describe('a cache without a client', () => {
  it('holds any number of bytes, whole or not', async () => {
    const cache = createCache({ maxBytes: 10_000.5 });
    expect(await cache.getOrLoad('a', () => 1)).toBe(1);
    expect(await cache.get('a')).toBe(1);
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each<[string, number]>([
    ['production', 1],
    ['test', 0],
  ])('in %s says %d times that it works in this process only', (environment, times) => {
    const before = process.env.NODE_ENV;
    onTestEnd(() => {
      process.env.NODE_ENV = before;
    });
    process.env.NODE_ENV = environment;
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    createCache();
    expect(warn).toHaveBeenCalledTimes(times);
  });

  it('holds no more than maxBytes', async () => {
    const cache = createCache({ maxBytes: 20_000 });
    for (let i = 0; i < 100; i += 1) await cache.set(`row:${i}`, 'x'.repeat(1_000));
    expect(await cache.get('row:0')).toBeUndefined();
    expect(await cache.get('row:99')).toHaveLength(1_000);
  });
});

it('publishes each look-up, without its key', async () => {
  const events: unknown[] = [];
  const listen = (event: unknown) => events.push(event);
  channel('express-redis-suite:cache-aside').subscribe(listen);
  onTestEnd(() => channel('express-redis-suite:cache-aside').unsubscribe(listen));

  const namespace = uniqueNamespace();
  const cache = createCache({ namespace });
  await Promise.all([cache.getOrLoad('a', async () => 1), cache.getOrLoad('a', async () => 1)]);
  await cache.getOrLoad('a', async () => 1);
  await cache.get('a');
  await cache.get('b');
  await cache.write('a', () => cache.getOrLoad('a', () => 2));

  const outcomes = ['miss', 'shared', 'hit', 'hit', 'miss', 'bypass'];
  expect(events).toEqual(outcomes.map((outcome) => ({ namespace, outcome, durationMs: expect.any(Number) })));
});
