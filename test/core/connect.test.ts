/** `connectRedis` never waits for Redis, never gives up on it, and gets rid of connections that no longer answer. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { connectRedis } from 'express-redis-suite/redis';
import { redisOf } from '../../lib/core/client.js';
import { guardRedis } from '../../lib/core/guard.js';
import { onTestEnd } from '../support/cleanup.js';
import { wireTo } from '../support/network.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

test('it is connected when it resolves', async () => {
  const { client } = await connected();
  expect(client.isReady).toBe(true);
  expect(await client.ping()).toBe('PONG');
});

test('an absent Redis delays nothing and is used when it comes', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  await server.kill();
  const startedAt = performance.now();
  const client = await connectRedis({ url: server.url });
  onTestEnd(() => client.destroy());
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(client.isReady).toBe(false);
  await server.restart();
  await until(() => client.isReady, 1_500);
});

test('a black hole is left when it ends, though the old connection never closed', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const wire = await wireTo(server.port);
  const client = await connectRedis({ url: wire.url });
  onTestEnd(() => client.destroy());
  const guard = guardRedis(client, { feature: 'test', deadlineMs: 100 });
  await guard.run((redis) => redis.get('key'));

  wire.swallow();
  await expect(guard.run((redis) => redis.get('key'))).rejects.toMatchObject({
    code: 'ERS_REDIS_UNAVAILABLE',
  });
  await sleep(2_000);
  expect(guard.isUsable() && client.isReady).toBe(false);
  wire.mend();
  await until(() => guard.isUsable(), 2_500);
  expect(await guard.run((redis) => redis.get('key'))).toBeNull();
});

test('a frozen Redis is used again when it thaws', async () => {
  const { server, client } = await connected();
  const guard = guardRedis(client, { feature: 'test', deadlineMs: 100 });
  server.freeze();
  await sleep(2_500);
  server.thaw();
  await until(() => guard.isUsable() && client.isReady, 2_000);
  expect(await client.ping()).toBe('PONG');
});

test('after a freeze there is one connection, and every reply goes to the one who asked', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const wire = await wireTo(server.port);
  wire.delay(10);
  const client = await connectRedis(wire.url);
  onTestEnd(() => client.destroy());
  const errors: unknown[] = [];
  client.on('error', (error) => errors.push(error));
  for (let key = 0; key < 200; key += 1) await client.set(`key:${key}`, `value of ${key}`);

  server.freeze();
  await sleep(4_000);
  server.thaw();
  let answered = 0;
  const end = performance.now() + 3_000;
  while (performance.now() < end) {
    const keys = Array.from({ length: 20 }, () => Math.floor(Math.random() * 200));
    const values = await Promise.all(keys.map((key) => client.get(`key:${key}`).catch(() => undefined)));
    for (const [index, value] of values.entries()) {
      if (value === undefined) continue;
      answered += 1;
      expect(value).toBe(`value of ${keys[index]}`);
    }
    await sleep(2);
  }
  expect(answered).toBeGreaterThan(100);
  expect(errors.filter((error) => error instanceof TypeError)).toEqual([]);
  const own = String(await client.sendCommand(['CLIENT', 'LIST']))
    .trim()
    .split('\n');
  expect(own).toHaveLength(1);
});

test.each([400, 2_500])('closing it ends though Redis has been frozen for %d ms', async (ms) => {
  const { server, client } = await connected();
  server.freeze();
  await sleep(ms);
  await client.close();
  expect(client.isOpen).toBe(false);
});

test('closing it ends though Redis freezes when it has just answered', async () => {
  const { server, client } = await connected();
  const ping = client.ping.bind(client);
  const pingAndFreeze = async () => {
    const answer = await ping();
    server.freeze();
    client.get('key').catch(() => {});
    return answer;
  };
  Object.assign(client, { ping: pingAndFreeze });
  await client.close();
  expect(client.isOpen).toBe(false);
});

test('a duplicate may block, and a subscription be silent, for longer than a connection may be without an answer', async () => {
  const { client } = await connected();
  const redis = redisOf(client);
  const heard: string[] = [];
  const stop = await redis.subscribe(['channel'], (message) => heard.push(message));
  const blocking = client.duplicate();
  blocking.on('error', () => {});
  onTestEnd(() => blocking.destroy());
  await blocking.connect();
  const connections = async () => /total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1];
  const before = await connections();
  expect(await blocking.blPop('nothing', 3)).toBeNull();
  expect(await connections()).toBe(before);
  await client.publish('channel', 'text');
  await until(() => heard.length === 1, 1_000);
  await stop();
});

test('closed and connected again, it still leaves a connection that does not answer', async () => {
  const { server, client } = await connected();
  await client.close();
  await client.connect();
  server.freeze();
  await until(() => !client.isReady, 3_000);
});

test('a client that its user closes stays closed', async () => {
  const { client } = await connected();
  client.destroy();
  await sleep(700);
  expect(client.isOpen).toBe(false);
});

test('a reconnect strategy of the user is kept', async () => {
  let asked = 0;
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const client = await connectRedis({
    url: server.url,
    socket: {
      reconnectStrategy: () => {
        asked += 1;
        return 20;
      },
    },
  });
  onTestEnd(() => client.destroy());
  await server.kill();
  await until(() => asked > 1, 2_000);
});

describe('a script that uses everything once and closes its client ends within a second', () => {
  test.each(['alive', 'dead'] as const)('with Redis %s', async (redis) => {
    const server = await RedisServer.start();
    onTestEnd(() => server.stop());
    if (redis === 'dead') await server.kill();
    const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'use-once.ts')], {
      env: { ...process.env, REDIS_URL: server.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestEnd(() => void child.kill('SIGKILL'));
    let closedAt = Number.POSITIVE_INFINITY;
    child.stdout.on('data', () => {
      closedAt = performance.now();
    });
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect(code).toBe(0);
    expect(performance.now() - closedAt).toBeLessThan(1_000);
  });
});

async function connected() {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const client = await connectRedis({ url: server.url });
  onTestEnd(() => client.isOpen && client.destroy());
  return { server, client };
}
