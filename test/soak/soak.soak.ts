/** `npm run soak -- --minutes 5`: 100,000 keys and 100 restarts of Redis leave nothing behind. */
import { expect, test } from '@jest/globals';
import { type Held, slopeOf, soak } from './soak.js';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 5);
const A_MEGABYTE = 2 ** 20;

test(
  `after ${MINUTES} min`,
  async () => {
    const { requests, restarts, statuses, before, after, samples } = await soak({
      minutes: MINUTES,
      keys: 100_000,
      restarts: 100,
      warmUp: { minutes: 1, keys: 50_000, restarts: 10 },
    });
    const perMinute = samples.length / MINUTES;
    const rows = (Object.keys(before) as (keyof Held)[]).map((what) => [
      what,
      before[what],
      Math.max(...samples.map((sample) => sample[what])),
      after[what],
      (slopeOf(samples, what) * perMinute).toFixed(1),
    ]);
    process.stdout.write(
      `${requests} requests ${JSON.stringify(statuses)}, ${restarts} restarts of Redis\n${[['', 'before', 'most', 'after', 'slope per minute, second half'], ...rows].map((row) => row.join('\t')).join('\n')}\n`,
    );
    // A session says 503 while Redis is away; nothing else does.
    expect(Object.keys(statuses).sort()).toEqual(['200', '503']);
    expect(statuses['503']).toBeLessThan(requests / 4);
    expect(after.heapBytes).toBeLessThan(before.heapBytes + 2 * A_MEGABYTE);
    expect(after.files).toBeLessThanOrEqual(before.files);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(after.listeners).toBeLessThanOrEqual(before.listeners);
    expect(after.redisKeys).toBe(0);
    expect(after.redisBytes).toBeLessThan(before.redisBytes + A_MEGABYTE);
  },
  (MINUTES + 4) * 60_000,
);
