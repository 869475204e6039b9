/** What the middlewares decide shows in prom-client, by name and verb, and never with anything about a client. */
import { expect, test } from '@jest/globals';
import express from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { collectMetrics } from 'express-redis-suite/metrics';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { Registry } from 'prom-client';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

const SECRET_PATH = 'a-path-nobody-should-see';

test('every feature is counted and timed, and what identifies a client stays out', async () => {
  const { registry, stop } = collect();
  const client = await connect();
  const namespace = uniqueNamespace();
  const app = express();
  app.use(rateLimit({ client, namespace, name: 'api', limit: 5 }));
  app.use(
    sessions({ client, prefix: `${namespace}:`, secret: 'a secret of no use', cookie: { secure: false } }),
  );
  app.use(responseCache({ client, namespace, ttl: 60_000, public: true }));
  const cache = createCache({ client, namespace });
  app.get('/login', (req, res) => {
    Object.assign(req.session, { userId: 'ada@example.com' });
    res.set('Cache-Control', 'no-store').send('in');
  });
  app.use(async (_req, res) => void res.json(await cache.getOrLoad('user:ada@example.com', () => 1)));
  const browser = (await serve(app)).browser();

  await browser.get('/login');
  for (let time = 0; time < 7; time += 1) await browser.get(`/${SECRET_PATH}`);

  const text = await registry.metrics();
  expect(sumOf(text, 'rate_limit_decisions_total', { name: 'api', decision: 'allow', source: 'redis' })).toBe(
    5,
  );
  expect(sumOf(text, 'rate_limit_decisions_total', { name: 'api', decision: 'deny' })).toBe(3);
  expect(sumOf(text, 'session_operations_total', { operation: 'set', outcome: 'ok' })).toBe(1);
  expect(sumOf(text, 'session_operations_total', { operation: 'get', outcome: 'hit' })).toBe(4);
  expect(sumOf(text, 'session_lives_total', { event: 'created' })).toBe(1);
  expect(sumOf(text, 'response_cache_requests_total', { outcome: 'hit' })).toBe(3);
  expect(sumOf(text, 'cache_aside_lookups_total', { namespace, outcome: 'miss' })).toBe(1);
  for (const feature of ['rate-limit', 'session', 'response-cache', 'cache-aside']) {
    expect(sumOf(text, 'duration_seconds_count', { feature })).toBeGreaterThan(0);
  }
  for (const secret of [
    SECRET_PATH,
    'ada@example.com',
    '127.0.0.1',
    [...browser.cookies.values()][0] as string,
  ]) {
    expect(text).not.toContain(secret);
  }

  stop();
  await browser.get('/');
  expect(await registry.metrics()).not.toContain('express_redis_suite_');
});

test('an outage shows as redis_up 0, and its end as 1', async () => {
  const { registry } = collect();
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const cache = createCache({ client: await connect(server.url), namespace: 'metrics' });
  await cache.get('key');
  await server.kill();
  await cache.get('key');
  expect(sumOf(await registry.metrics(), 'redis_up', { feature: 'cache-aside' })).toBe(0);
  expect(sumOf(await registry.metrics(), 'redis_outages_total', { feature: 'cache-aside' })).toBe(1);
  await server.restart();
  const giveUpAt = performance.now() + 5_000;
  while (sumOf(await registry.metrics(), 'redis_up', { feature: 'cache-aside' }) !== 1) {
    expect(performance.now()).toBeLessThan(giveUpAt);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test('a registry that has the metrics already says so', () => {
  const { registry } = collect();
  expect(() => collectMetrics({ registry })).toThrow(/already been registered/);
});

function collect() {
  const registry = new Registry();
  const stop = collectMetrics({ registry });
  onTestEnd(stop);
  return { registry, stop };
}

/** The sum over all series that have these labels. */
function sumOf(text: string, name: string, labels: Record<string, string>): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`express_redis_suite_${name}{`))
    .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
