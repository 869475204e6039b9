/** What docs/metrics.md shows compiles and does what the page says, and its tables have every metric and every event. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { collectMetrics } from 'express-redis-suite/metrics';
import { Registry } from 'prom-client';
import type { Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { benchOf } from './snippets.js';

const AMBIENT = `
import type { Express } from 'express';
declare global {
  const app: Express;
  function log(line: string): void;
}
`;

const { text, workbench, modules } = benchOf('docs/metrics.md', AMBIENT);

/** The first two columns of a section's first table, without the names' common beginning. */
function tableOf(title: string): [string, string[]][] {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  const table = section.split('\n\n').find((part) => part.startsWith('|')) ?? '';
  const rows = table.matchAll(/^\| `([\w-]+)` \| ?(.*?) ?\|/gm);
  return [...rows].map(([, name = '', cell = '']) => [name, cell.match(/\w+/g) ?? []]);
}

test('every metric is in the table, with its labels', () => {
  const registry = new Registry();
  const stop = collectMetrics({ registry });
  const names = registry.getMetricsAsArray().map(({ name }) => name);
  const labelsOf = (name: string) =>
    (registry.getSingleMetric(name) as unknown as { labelNames: string[] }).labelNames;
  const shown = tableOf('Metrics').map(([name, labels]) => [`express_redis_suite_${name}`, labels]);
  const declared = names.map((name) => [name, labelsOf(name)]);
  stop();
  expect(shown.sort()).toEqual(declared.sort());
});

test('every event is in the table, with its fields', () => {
  const source = readFileSync(join(__dirname, '../../lib/core/channels.ts'), 'utf8');
  const fieldsOf = (event: string) => {
    const body = new RegExp(`interface ${event} \\{(.*?)^\\}`, 'ms').exec(source)?.[1] ?? '';
    return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name);
  };
  const declared = [...source.matchAll(/EventChannel<(\w+)> = open\('([\w-]+)'\)/g)];
  expect(tableOf('Events')).toEqual(declared.map(([, event = '', channel]) => [channel, fieldsOf(event)]));
});

test('every value of an event is named', () => {
  const source = readFileSync(join(__dirname, '../../lib/core/channels.ts'), 'utf8');
  const values = [...source.matchAll(/^ {2}readonly \w+\??: ('.*);$/gm)].flatMap(([, type = '']) =>
    type.match(/[\w-]+/g),
  );
  expect(values.length).toBeGreaterThan(20);
  for (const value of values) expect(text).toMatch(new RegExp(`[\`']${value}[\`']`));
});

test('every snippet compiles', async () => {
  expect(await workbench.complaints()).toBe('');
}, 60_000);

describe('Each snippet does what the page says:', () => {
  const deeds: Readonly<Record<string, (app: Served, redis: RedisServer) => Promise<void>>> = {
    async collect(app) {
      await app.get('/limited');
      expect((await app.get('/metrics')).text).toContain(
        'express_redis_suite_rate_limit_decisions_total{name="api",decision="allow",source="redis"} 1',
      );
    },
    async listen(app, redis) {
      await redis.kill();
      await app.get('/limited');
      expect((await app.get('/lines')).text).toContain('rate-limit does without Redis: ');
      await redis.restart();
      await until(async () => {
        await app.get('/limited');
        return (await app.get('/lines')).text.includes('rate-limit uses Redis again');
      });
    },
  };

  test('there is a deed for each', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });

  test.each(Object.keys(deeds))('%s', async (id) => {
    const redis = await RedisServer.start();
    const app = await workbench.serve(modules.get(id) as string, 'metrics-process.mts', {
      REDIS_URL: redis.url,
    });
    await deeds[id]?.(app, redis);
  });
});
