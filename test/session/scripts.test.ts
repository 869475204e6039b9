/** The Lua scripts by themselves: what they answer and what they leave behind. */

import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { redisOf } from '../../lib/core/client.js';
import { runScript, type Script } from '../../lib/core/script.js';
import { readScript } from '../../lib/session/read.lua.js';
import { saveScript } from '../../lib/session/save.lua.js';
import { touchScript } from '../../lib/session/touch.lua.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { A_MINUTE, AN_HOUR } from './support.js';

let client: TestClient;
let key: string;

beforeEach(async () => {
  client = await connect();
  key = uniqueNamespace();
});

const run = (script: Script, ...args: (string | number)[]) =>
  runScript(redisOf(client), script, [key, `${key}:gone`], args.map(String));
const read = (fallbackMs: number, touchAfterMs = 0, absoluteTtlMs = 0, nowMs = 0) =>
  run(readScript, fallbackMs, touchAfterMs, absoluteTtlMs, nowMs);
const touch = (ttlMs: number, touchAfterMs = 0) => run(touchScript, ttlMs, touchAfterMs);
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');

describe('read', () => {
  it.each([
    ['{"cookie":{"originalMaxAge":3600000,"path":"/"},"a":1}', 1, AN_HOUR],
    ['{"cookie":{"originalMaxAge":3600000}}', 1, AN_HOUR],
    ['{"cookie":{"originalMaxAge":3599999.5}}', 1, AN_HOUR],
    ['{"cookie":{"originalMaxAge":null}}', 1, 2 * AN_HOUR],
    ['{"a":1,"cookie":{"path":"/","originalMaxAge":null}}', 1, 2 * AN_HOUR],
    ['{"cookie":{"path":"/"}}', 0, A_MINUTE],
    ['{"cookie":{"originalMaxAge":0}}', 0, A_MINUTE],
    ['[]', 0, A_MINUTE],
    ['', 0, A_MINUTE],
    ['7', 0, A_MINUTE],
  ])('of %s says %i and leaves %i ms', async (text, isSlid, ttlMs) => {
    await client.set(key, text, { PX: A_MINUTE });
    const [value, slid, idleMs = 0] = (await read(2 * AN_HOUR)) as [string, number, number?];
    expect([value, slid]).toEqual([text, isSlid]);
    expect(Math.abs(idleMs - (ttlMs - A_MINUTE))).toBeLessThan(10_000);
    const left = await client.pTTL(key);
    expect(left).toBeGreaterThan(ttlMs - 10_000);
    expect(left).toBeLessThanOrEqual(ttlMs);
  });

  it('of nothing, or of another type, is nil', async () => {
    expect(await read(AN_HOUR)).toBeNull();
    await client.hSet(key, 'a', '1');
    expect(await read(AN_HOUR)).toBeNull();
  });
});

describe('save', () => {
  it('replaces the bytes it expects, and no others', async () => {
    expect(await run(saveScript, 'one', A_MINUTE, sha1('none'))).toEqual([0]);
    expect(await client.get(key)).toBeNull();
    expect(await run(saveScript, 'one', A_MINUTE, '')).toEqual([1]);
    expect(await run(saveScript, 'two', A_MINUTE, sha1('one'))).toEqual([1]);
    expect(await run(saveScript, 'three', A_MINUTE, sha1('one'))).toEqual([2, 'two']);
    expect(await client.get(key)).toBe('two');
    expect(await client.pTTL(key)).toBeGreaterThan(0);
  });

  it('takes another type of value for gone', async () => {
    await client.hSet(key, 'a', '1');
    expect(await run(saveScript, 'one', A_MINUTE, sha1('one'))).toEqual([0]);
    expect(await client.type(key)).toBe('hash');
  });
});

describe('touch', () => {
  it('lengthens, never shortens, never makes', async () => {
    await touch(AN_HOUR);
    expect(await client.exists(key)).toBe(0);
    await client.set(key, 'x', { PX: A_MINUTE });
    await touch(AN_HOUR);
    await touch(A_MINUTE);
    expect(await client.pTTL(key)).toBeGreaterThan(AN_HOUR - A_MINUTE);
  });

  it('of 0 says what is left and changes nothing', async () => {
    expect(await touch(0)).toBe(-2);
    await client.set(key, 'x');
    expect(await touch(0)).toBe(-1);
    expect(await client.pTTL(key)).toBe(-1);
  });

  it('finds nothing behind a tombstone', async () => {
    await client.set(key, 'x', { PX: A_MINUTE });
    await client.set(`${key}:gone`, '', { PX: A_MINUTE });
    expect(await touch(AN_HOUR)).toBe(-2);
  });
});
