/**
 * Nobody fills the memory of a process by coming under another name each time.
 *
 * `MANY=200000 SOME=200000 npm test -- security/exhaustion` floods every feature with as many.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RedisServer } from '../support/redis-server.js';

const MB = 2 ** 20;
const FLOODED_WITHIN_MS = 30 * 60_000;

/** Megabytes that may be held afterwards; caches have 1 MB for themselves here. */
const bounds: Readonly<Record<string, number>> = {
  // 250,000 clients at most.
  'limiter in this process': 140,
  'limiter without its Redis': 140,
  // 10,000 denials at most.
  'limiter on Redis, every client denied': 15,
  // Besides, when 100,000 tags were purged at most.
  'cache-aside in this process': 40,
  'cache-aside, tags purged': 20,
  'cache-aside on Redis with copies': 25,
  // 100,000 deletes that are owed at most.
  'cache-aside without its Redis': 200,
  'pages in this process': 25,
  'pages in this process, with tags': 40,
  'pages that are not stored': 10,
  'pages on Redis': 20,
  'pages on Redis with copies': 25,
  'pages without their Redis': 10,
  sessions: 10,
};

let held: Readonly<Record<string, number>> = {};

beforeAll(async () => {
  const server = await RedisServer.start();
  const flood = join(__dirname, 'flood-process.mts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', flood], {
    env: { ...process.env, REDIS_URL: server.url },
    timeout: FLOODED_WITHIN_MS,
  });
  held = JSON.parse(stdout);
  if (process.env.SOME) console.log(held);
}, FLOODED_WITHIN_MS);
afterAll(() => {
  held = {};
});

test.each(Object.entries(bounds))('%s: at most %d MB are held', (name, most) => {
  expect(held[name]).toBeLessThan(most * MB);
});

test('nothing is flooded without a bound', () => {
  expect(Object.keys(held).sort()).toEqual(Object.keys(bounds).sort());
});
