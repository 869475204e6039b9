/** docs/api.md is what the package declares. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as suite from 'express-redis-suite';
import * as cacheAside from 'express-redis-suite/cache-aside';
import * as metrics from 'express-redis-suite/metrics';
import * as rateLimit from 'express-redis-suite/rate-limit';
import * as redis from 'express-redis-suite/redis';
import * as responseCache from 'express-redis-suite/response-cache';
import * as session from 'express-redis-suite/session';
import { apiReference } from './api.js';

const ROOT = join(__dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/api.md'), 'utf8');

test('The API reference is made of the declarations as they are; else run: npm run api', async () => {
  expect(page).toBe(await apiReference(ROOT));
}, 60_000);

test('The API reference has everything that can be imported', () => {
  const subpaths = {
    'cache-aside': cacheAside,
    metrics,
    'rate-limit': rateLimit,
    redis,
    'response-cache': responseCache,
    session,
  };
  for (const [subpath, exports] of Object.entries(subpaths)) {
    const section =
      page.split(/^## /m).find((part) => part.startsWith(`express-redis-suite/${subpath}\n`)) ?? '';
    const documented = [...section.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect(documented).toEqual(
      expect.arrayContaining(Object.keys(exports).filter((name) => name !== 'default')),
    );
  }
  for (const name of Object.keys(suite)) expect(page).toMatch(new RegExp(`^### ${name}$`, 'm'));
});
