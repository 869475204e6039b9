import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { RedisClock } from '../../lib/fill/clock.js';

const AN_HOUR = 60 * 60_000;
const never = async (): Promise<number> => Promise.reject(new Error('not asked for'));
const redisTimeUs = (aheadMs: number) => (Date.now() + aheadMs) * 1_000;

describe("Redis' clock, as a process knows it,", () => {
  it('is what the host believes until Redis says something', () => {
    const clock = new RedisClock(never);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  });

  it.each([-AN_HOUR, AN_HOUR])(
    "is Redis' own afterwards, though the host is %d ms off, and goes on",
    async (aheadMs) => {
      const clock = new RedisClock(never);
      clock.learn(redisTimeUs(aheadMs));
      const before = clock.now();
      expect(Math.abs(before - Date.now() - aheadMs)).toBeLessThan(1_000);
      await sleep(20);
      expect(clock.now() - before).toBeGreaterThanOrEqual(15);
    },
  );

  it('believes the reply that was fastest', () => {
    const clock = new RedisClock(never);
    clock.learn(redisTimeUs(0));
    clock.learn(redisTimeUs(-500));
    expect(clock.now() - Date.now()).toBeGreaterThan(-250);
  });

  it('is asked for once, and only when somebody wants to know', async () => {
    const ask = jest.fn(async () => redisTimeUs(AN_HOUR));
    const clock = new RedisClock(ask);
    await clock.askIfUnknown();
    expect(ask).not.toHaveBeenCalled();
    clock.now();
    await Promise.all([clock.askIfUnknown(), clock.askIfUnknown()]);
    await clock.askIfUnknown();
    expect(ask).toHaveBeenCalledTimes(1);
    expect(clock.now() - Date.now()).toBeGreaterThan(AN_HOUR - 1_000);
  });

  it('is asked for again when that failed', async () => {
    const ask = jest.fn(never);
    const clock = new RedisClock(ask);
    clock.now();
    await clock.askIfUnknown();
    await clock.askIfUnknown();
    expect(ask).toHaveBeenCalledTimes(2);
  });
});
