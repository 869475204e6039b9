// The server that every cache is measured in: bare node:http, for what is measured is the cache.

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { serveBench } from '../../contender-process.mjs';

/** How many keys one request asks for, one after the other; how many keys there are. */
const HITS_PER_REQUEST = 10;
const KEYS = 200;
export const LONG_S = 3_600;
export const SHORT_S = 1;
const STAMPEDE_LOAD_MS = 100;

/** About 200 bytes of JSON, as a row is. */
const row = {
  id: 17,
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  roles: ['author', 'editor'],
  bio: 'Wrote the first program, for a machine that was never built, and saw what it might do.',
};

/**
 * What a contender does: the value of a key, else what `load` returns, which is kept for `LONG_S` or `SHORT_S`.
 *
 * @typedef {(key: string, load: () => Promise<unknown>, lifetimeS: number) => Promise<unknown>} GetOrLoad
 */

/** @param {GetOrLoad} getOrLoad */
export async function serveCache(getOrLoad) {
  const counter = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
  let asked = 0;

  const load = async () => row;

  async function hit() {
    for (let times = 0; times < HITS_PER_REQUEST; times += 1) {
      asked += 1;
      check(await getOrLoad(`user:${asked % KEYS}`, load, LONG_S));
    }
  }

  async function miss() {
    asked += 1;
    check(await getOrLoad(`new:${process.pid}:${asked}`, load, SHORT_S));
  }

  /** @param {string} key */
  async function stampede(key) {
    async function slowLoad() {
      await counter.incr(`loads:${key}`);
      return sleep(STAMPEDE_LOAD_MS, row);
    }
    check(await getOrLoad(key, slowLoad, LONG_S));
  }

  serveBench(async function answer(req, res) {
    const [, path = '', key = ''] = (req.url ?? '').split('/');
    try {
      await (path === 'hit' ? hit() : path === 'miss' ? miss() : stampede(key));
    } catch (error) {
      console.error(error);
      res.statusCode = 500;
    }
    res.setHeader('Content-Length', 2).end('ok');
  });
}

/** A contender that returns something else has done other work. */
function check(/** @type {unknown} */ value) {
  if (/** @type {typeof row} */ (value)?.id !== row.id)
    throw new Error(`not the row: ${JSON.stringify(value)}`);
}
