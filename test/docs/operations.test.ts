/** What docs/operations.md says of keys, their weight, metrics and alerts is what there is; its snippets run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { collectMetrics } from '../../lib/metrics/index.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Served } from '../support/http.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { eventually, until } from '../support/until.js';
import { makeAllKeys } from './all-keys.js';
import { benchOf } from './snippets.js';
import { weigh } from './weights.js';

const AMBIENT = `
import type { once as onceType } from 'node:events';
import type { Server } from 'node:http';
import type { Express } from 'express';
import type { RedisClientType } from 'redis';
import type { Sql } from 'postgres';
declare global {
  const app: Express;
  const client: RedisClientType;
  const once: typeof onceType;
  const server: Server;
  const sql: Sql;
}
`;

const { text, workbench, modules } = benchOf('docs/operations.md', AMBIENT);

test('every snippet compiles', async () => {
  expect([...modules.keys()]).toEqual(['health', 'stopping']);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

describe('The table of keys', () => {
  const rows = rowsOf('Keys').map(([key = '', type = '', , , look = '']) => ({ key, type, look }));

  test('has the keys that there are, of the types that they have, and its lines show them', async () => {
    const client = await ownRedis();
    await makeAllKeys(client);
    const keys = await client.keys('*');
    expect(rows.length).toBeGreaterThan(8);
    for (const { key, type, look } of rows) {
      const shown = keys.filter((each) => asPattern(wordsOf(look)[1] ?? '').test(each));
      expect([look, shown.length > 0]).toEqual([look, true]);
      for (const found of shown) {
        expect([found, asPattern(key).test(found)]).toEqual([found, true]);
        expect([found, await client.type(found)]).toEqual([found, type]);
        const [command = '', , ...rest] = wordsOf(look);
        const reply = await client.sendCommand([command, found, ...rest]);
        expect([found, reply, isSomething(reply)]).toEqual([found, reply, true]);
      }
    }
    const strangers = keys.filter((found) => !rows.some(({ key }) => asPattern(key).test(found)));
    expect(strangers).toEqual([]);
    for (const found of keys) expect([found, await client.pTTL(found)]).toEqual([found, above(0)]);
  });

  /** `redis-cli` is not everywhere: its line is taken apart as a shell would. */
  function wordsOf(line: string): string[] {
    const [program, ...words] = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, bare]) => quoted ?? bare,
    );
    expect(program).toBe('redis-cli');
    return words as string[];
  }

  /** Keys of this spelling; `<id>` is anything, but for the namespace that the test has chosen. */
  function asPattern(spelling: string): RegExp {
    const parts = spelling.replace('<namespace>', 'shop').split(/<\w+>/);
    return new RegExp(
      `^${parts.map((part) => part.replace(/[{}.*+?^$()|[\]\\]/g, '\\$&')).join('[^{}#]+?')}$`,
    );
  }

  function isSomething(reply: unknown): boolean {
    return Array.isArray(reply) ? reply.length > 0 : reply !== null && reply !== '' && reply !== -2;
  }
});

test('the weights of keys are what Redis takes', async () => {
  const said = rowsOf('Memory').map(
    ([name = '', bytes = '']) => [name, Number(bytes.replaceAll(',', ''))] as const,
  );
  const weights = await weigh(await ownRedis());
  expect(said.map(([name]) => name).sort()).toEqual(Object.keys(weights).sort());
  process.stdout.write(
    `${Object.entries(weights)
      .map(([name, bytes]) => `${name}: ${Math.round(bytes)}`)
      .join('\n')}\n`,
  );
  for (const [name, bytes] of said) {
    // Allocators and tables differ from version to version.
    expect([name, weights[name]]).toEqual([name, above(bytes * 0.7)]);
    expect([name, -(weights[name] as number)]).toEqual([name, above(-bytes * 1.3)]);
  }
}, 120_000);

test('the metrics of the alerts exist, and so do the labels and the values that they ask for', () => {
  const registry = new Registry();
  const stop = collectMetrics({ registry });
  const metrics = registry.getMetricsAsArray() as unknown as { name: string; labelNames: string[] }[];
  stop();
  const asked = [...sectionOf('Alerts').matchAll(/(express_redis_suite_\w+)(?:\{([^}]*)\})?/g)];
  expect(asked.length).toBeGreaterThan(15);
  const events = readFileSync(join(__dirname, '../../lib/core/channels.ts'), 'utf8');
  for (const [, name = '', matchers = ''] of asked) {
    const labels = metrics.find((each) => each.name === name.replace(/_bucket$/, ''))?.labelNames;
    expect([name, labels !== undefined]).toEqual([name, true]);
    for (const [, label = '', values = ''] of matchers.matchAll(/(\w+)[!=]=?~?"([^"]*)"/g)) {
      expect([name, labels]).toEqual([name, expect.arrayContaining([label])]);
      if (label === 'feature') continue;
      for (const value of values.split('|')) expect(events).toContain(`'${value}'`);
    }
  }
});

describe('A snippet', () => {
  test('of the health checks: Postgres decides whether the process is ready, Redis is shown', async () => {
    const redis = await RedisServer.start();
    onTestEnd(() => redis.stop());
    const [well, ill] = await Promise.all([
      start('health', redis, {}),
      start('health', redis, { POSTGRES: 'down' }),
    ]);
    expect((await well.get('/readyz')).json()).toEqual({ isReady: true, redis: 'up' });
    expect((await ill.get('/readyz')).status).toBe(503);
    await redis.kill();
    expect((await well.get('/livez')).status).toBe(204);
    await eventually(async () => {
      const reply = await well.get('/readyz');
      expect([reply.status, reply.json()]).toEqual([200, { isReady: true, redis: 'down' }]);
    });
  });

  test('of stopping: the requests under way end, with Redis still there, and then the process', async () => {
    const redis = await RedisServer.start();
    onTestEnd(() => redis.stop());
    const app = await start('stopping', redis, {});
    const pid = Number((await app.get('/pid')).text);
    const underWay = app.get('/slow');
    await sleep(100);
    process.kill(pid, 'SIGTERM');
    expect((await underWay).text).toBe('PONG');
    await until(() => !isAlive(pid));
  });

  function start(id: string, redis: RedisServer, env: Readonly<Record<string, string>>): Promise<Served> {
    return workbench.serve(modules.get(id) as string, 'operations-process.mts', {
      REDIS_URL: redis.url,
      ...env,
    });
  }
});

async function ownRedis(): Promise<TestClient> {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  return connect(server.url);
}

/** The cells of the first table of a section, without its head. */
function rowsOf(section: string): string[][] {
  const [table = ''] = /(?:^\|.*\n)+/m.exec(sectionOf(section)) ?? [];
  const rows = table.trim().split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
  );
}

function sectionOf(title: string): string {
  return text.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? '';
}

function above(least: number): unknown {
  return {
    asymmetricMatch: (value: unknown) => typeof value === 'number' && value > least,
    toAsymmetricMatcher: () => `a number above ${least}`,
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
