/** A call to Redis ends within its deadline, costs nothing while Redis is away, and is tried again as soon as it is back. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { createClient } from 'redis';
import { connectRedis } from '../../lib/core/connect.js';
import { startDeadline } from '../../lib/core/deadline.js';
import { type Guard, guardRedis } from '../../lib/core/guard.js';
import type { Redis } from '../../lib/core/redis.js';
import { onTestEnd } from '../support/cleanup.js';
import { connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 100;
const UNAVAILABLE = { code: 'ERS_REDIS_UNAVAILABLE' };
const REFUSED = { code: 'ERS_REDIS_REFUSED' };

const get = (redis: Redis) => redis.get('key');

describe('a frozen Redis', () => {
  test('costs each waiting call its deadline, later ones nothing, and is used again when it thaws', async () => {
    const { server, guard } = await guarded();
    await guard.run(get);
    server.freeze();

    const waiting = await Promise.all(Array.from({ length: 5 }, () => timed(guard)));
    for (const { error, ms } of waiting) {
      expect(error).toMatchObject(UNAVAILABLE);
      expect(ms).toBeGreaterThanOrEqual(DEADLINE_MS - 5);
    }
    const later = await Promise.all(Array.from({ length: 100 }, () => timed(guard)));
    for (const { error } of later) expect(error).toMatchObject(UNAVAILABLE);
    expect(guard.isUsable()).toBe(false);

    server.thaw();
    await until(() => guard.isUsable(), 1_000);
    expect(await guard.run(get)).toBeNull();
  });

  test('is not sent the calls that were refused meanwhile', async () => {
    const { server, guard, client } = await guarded();
    await guard.run(get);
    server.freeze();
    await Promise.all(Array.from({ length: 3 }, () => timed(guard)));
    for (let call = 0; call < 50; call += 1) await timed(guard);
    server.thaw();
    await until(() => guard.isUsable(), 1_000);
    const calls = /cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'));
    // The first read, and the three that were under way when it froze.
    expect(Number(calls?.[1] ?? 0)).toBeLessThanOrEqual(4);
  });
});

test('a Redis that is killed and started again is used again within a second', async () => {
  const { server, guard } = await guarded();
  await guard.run(get);
  await server.kill();
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  await server.restart();
  await until(() => guard.isUsable(), 1_000);
  expect(await guard.run(get)).toBeNull();
});

test('a Redis that appears only later is used from then on', async () => {
  const absent = await RedisServer.start();
  await absent.kill();
  const client = await connectRedis({ url: absent.url });
  onTestEnd(() => client.destroy());
  const guard = guardRedis(client, { feature: 'test', deadlineMs: DEADLINE_MS });
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  await absent.restart();
  await until(() => guard.isUsable(), 1_500);
  expect(await guard.run(get)).toBeNull();
});

test('a Redis that still loads its data counts as away', async () => {
  const guard = guardRedis(
    fake(() => Promise.reject(new Error('LOADING Redis is loading the dataset in memory'))),
    {
      feature: 'test',
      deadlineMs: DEADLINE_MS,
    },
  );
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  expect(guard.isUsable()).toBe(false);
});

describe('an error reply', () => {
  test.each([
    'OOM command not allowed when used memory > maxmemory.',
    "READONLY You can't write against a read only replica.",
    'NOREPLICAS Not enough good replicas to write.',
    'MISCONF Redis is configured to save RDB snapshots',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'CLUSTERDOWN Hash slot not served',
    'NOAUTH Authentication required.',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'ERR unknown command',
  ])('fails its own call and no other: %s', async (message) => {
    const guard = guardRedis(
      fake(() => Promise.reject(new Error(message))),
      { feature: 'test', deadlineMs: 100 },
    );
    for (let call = 0; call < 10; call += 1) await expect(guard.run(get)).rejects.toMatchObject(REFUSED);
    expect(guard.isUsable()).toBe(true);
  });

  test('under OOM writes are refused and reads go on', async () => {
    const server = await RedisServer.start({
      args: ['--maxmemory', '1mb', '--maxmemory-policy', 'noeviction'],
    });
    onTestEnd(() => server.stop());
    const client = await connect(server.url);
    const guard = guardRedis(client, { feature: 'test', deadlineMs: DEADLINE_MS });
    const write = (redis: Redis) => redis.eval(`return redis.call('SET', KEYS[1], 'x')`, ['key'], [], 'text');
    await client.configSet('maxmemory', '1');
    for (let call = 0; call < 5; call += 1) await expect(guard.run(write)).rejects.toMatchObject(REFUSED);
    expect(await guard.run(get)).toBeNull();
  });
});

test('an app that blocks itself for longer than the deadline does not blame Redis', async () => {
  // More than the usual deadline: on a busy machine Redis itself may have to wait for a processor.
  const { guard } = await guarded('test', 250);
  await guard.run(get);
  let failures = 0;
  for (let round = 0; round < 15; round += 1) {
    const before = guard.run(get);
    await new Promise<void>((resolve) => setTimeout(resolve, round % 3));
    const during = guard.run(get);
    block(350);
    const outcomes = await Promise.allSettled([before, during]);
    failures += outcomes.filter(({ status }) => status === 'rejected').length;
  }
  expect(failures).toBe(0);
  expect(guard.isUsable()).toBe(true);
}, 30_000);

test('two misses, an answer and two misses open nothing; three in a row do', async () => {
  const replies: Promise<unknown>[] = [];
  const late = new Promise<never>(() => {});
  const guard = guardRedis(
    fake(() => replies.shift() ?? late),
    { feature: 'test', deadlineMs: 10 },
  );
  replies.push(late, late, Promise.resolve('text'), late, late);
  for (let call = 0; call < 5; call += 1) await guard.run(get).catch(() => {});
  expect(guard.isUsable()).toBe(true);
  await guard.run(get).catch(() => {});
  expect(guard.isUsable()).toBe(false);
});

test('a breaker that opens again and again probes ten times a second, not more each time', async () => {
  let pings = 0;
  const client = {
    ...(fake(() => Promise.reject(new Error('Socket closed unexpectedly'))) as object),
    ping: async () => {
      pings += 1;
    },
    withTypeMapping: () => client,
    withCommandOptions: () => client,
  };
  const guard = guardRedis(client as never, { feature: 'test', deadlineMs: 50 });
  const end = performance.now() + 1_500;
  while (performance.now() < end) {
    await guard.run(get).catch(() => {});
    await sleep(1);
  }
  expect(pings).toBeGreaterThan(3);
  expect(pings).toBeLessThanOrEqual(16);
});

test('a client that is closed for good is not looked at for ever, and one that is opened again is probed as before', async () => {
  let [isOpen, looks, pings] = [true, 0, 0];
  const client = {
    ...(fake(() => Promise.reject(new Error('Socket closed unexpectedly'))) as object),
    get isOpen() {
      looks += 1;
      return isOpen;
    },
    get isReady() {
      return isOpen;
    },
    ping: async () => {
      pings += 1;
    },
    withTypeMapping: () => client,
    withCommandOptions: () => client,
  };
  const guard = guardRedis(client as never, { feature: 'test', deadlineMs: 50 });
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  isOpen = false;
  await sleep(300);
  const looksSoFar = looks;
  await sleep(300);
  expect([looks - looksSoFar, guard.isUsable()]).toEqual([0, false]);

  isOpen = true;
  expect(guard.isUsable()).toBe(true);
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  expect(guard.isUsable()).toBe(false);
  await until(() => guard.isUsable(), 2_000);
  expect(pings).toBeGreaterThan(0);
});

test('a reply that lies in the socket when the time is up counts as in time', async () => {
  let isMissed = false;
  let callOff = () => {};
  // Due at the same moment, and first: what it hands on is seen one turn of the event loop later, as a reply would be.
  setTimeout(() => setImmediate(() => callOff()), 20);
  callOff = startDeadline(20, () => {
    isMissed = true;
  });
  await sleep(80);
  expect(isMissed).toBe(false);
});

test('a client that is just being connected is waited for', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const client = createClient({ url: server.url });
  const guard = guardRedis(client, { feature: 'test', deadlineMs: 2_000 });
  void client.connect();
  onTestEnd(() => client.destroy());
  expect(await guard.run(get)).toBeNull();
});

test('a client that was not ready is used the moment that it is', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const client = createClient({ url: server.url });
  onTestEnd(() => client.isOpen && client.destroy());
  const guard = guardRedis(client, { feature: 'test', deadlineMs: 2_000 });
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  warn.mockRestore();
  await client.connect();
  expect(await guard.run(get)).toBeNull();
});

test('one call that the connection failed is an outage, but of a cluster it may be one of many nodes', async () => {
  const failing = () => fake(() => Promise.reject(new Error('Socket closed unexpectedly'))) as object;
  const outcomes: boolean[] = [];
  for (const client of [failing(), Object.assign(failing(), { masters: [], slots: [] })]) {
    const guard = guardRedis(client as never, { feature: 'test', deadlineMs: 100 });
    for (const _ of [1, 2, 3]) {
      await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
      outcomes.push(guard.isUsable());
    }
  }
  expect(outcomes).toEqual([false, false, false, true, true, false]);
});

test('a client that throws or rejects with anything fails the call, not the process', async () => {
  const throwing = guardRedis(
    fake(() => {
      throw new Error('Socket closed unexpectedly');
    }),
    { feature: 'test', deadlineMs: 100 },
  );
  await expect(throwing.run(get)).rejects.toMatchObject(UNAVAILABLE);
  const rejecting = guardRedis(
    fake(() => Promise.reject('nothing useful')),
    { feature: 'test', deadlineMs: 100 },
  );
  await expect(rejecting.run(get)).rejects.toMatchObject(UNAVAILABLE);
});

test('going down and coming back are published, once each', async () => {
  const { server, guard } = await guarded('published');
  const events: unknown[] = [];
  // Breakers of the tests before may close only now.
  const listen = (event: unknown) =>
    void ((event as { feature: string }).feature === 'published' && events.push(event));
  subscribe('express-redis-suite:redis-state', listen);
  onTestEnd(() => unsubscribe('express-redis-suite:redis-state', listen));
  await guard.run(get);
  await server.kill();
  for (let call = 0; call < 5; call += 1) await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  await server.restart();
  await until(() => guard.isUsable(), 1_000);
  await guard.run(get);
  expect(events).toEqual([
    { feature: 'published', state: 'down', reason: expect.stringMatching(/not-ready|connection/) },
    { feature: 'published', state: 'up' },
  ]);
});

test('features on one client have breakers of their own, guards of one feature share one', async () => {
  const client = fake(() => Promise.reject(new Error('Socket closed unexpectedly')));
  const [limiter, other, session] = ['rate-limit', 'rate-limit', 'session'].map((feature) =>
    guardRedis(client, { feature, deadlineMs: 100 }),
  ) as [Guard, Guard, Guard];
  await expect(limiter.run(get)).rejects.toMatchObject(UNAVAILABLE);
  expect(other.isUsable()).toBe(false);
  expect(session.isUsable()).toBe(true);
});

test('a client that its user forgot to connect is named in the log, once', async () => {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  onTestEnd(() => warn.mockRestore());
  const client = createClient({ url: 'redis://127.0.0.1:1' });
  for (const feature of ['rate-limit', 'session']) {
    const guard = guardRedis(client, { feature, deadlineMs: 100 });
    await expect(guard.run(get)).rejects.toMatchObject(UNAVAILABLE);
  }
  expect(warn.mock.calls).toEqual([[expect.stringContaining('client.connect()')]]);
});

test('what is no Redis client is refused with the remedy', () => {
  for (const client of [undefined, null, {}, 'redis://127.0.0.1', { get() {} }]) {
    expect(() => guardRedis(client as never, { feature: 'test', deadlineMs: 100 })).toThrow(
      expect.objectContaining({
        code: 'ERS_INVALID_CLIENT',
        message: expect.stringContaining('createClient()'),
      }),
    );
  }
});

async function guarded(feature = 'test', deadlineMs = DEADLINE_MS) {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  // No `error` listener: the guard has to bring one, or the process ends when the server does.
  const client = createClient({ url: server.url, socket: { reconnectStrategy: 50 } });
  onTestEnd(() => client.isOpen && client.destroy());
  const guard = guardRedis(client, { feature, deadlineMs });
  await client.connect();
  return { server, client, guard };
}

/** A client whose every command ends as `reply` does: for replies that a real server gives only after much ado. */
function fake(reply: () => Promise<unknown>): never {
  const client = {
    isOpen: true,
    isReady: true,
    duplicate: () => client,
    on: () => client,
    withTypeMapping: () => client,
    withCommandOptions: () => client,
    evalSha: reply,
    eval: reply,
    get: reply,
    ping: reply,
  };
  return client as never;
}

async function timed(guard: Guard): Promise<{ ms: number; error: unknown }> {
  const sentAt = performance.now();
  const error = await guard.run(get).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { ms: performance.now() - sentAt, error };
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
