/** The short form of `npm run soak`. */
import { expect, test } from '@jest/globals';
import { soak } from './soak.js';

test('4,000 keys and 5 restarts of Redis leave no files, timers, listeners or keys behind', async () => {
  const { statuses, before, after } = await soak({
    minutes: 0.1,
    keys: 4_000,
    restarts: 5,
    warmUp: { minutes: 0.02, keys: 400, restarts: 1 },
  });
  expect(Object.keys(statuses).filter((status) => !['200', '503'].includes(status))).toEqual([]);
  expect(after.files).toBeLessThanOrEqual(before.files);
  expect(after.timers).toBeLessThanOrEqual(before.timers);
  expect(after.listeners).toBeLessThanOrEqual(before.listeners);
  expect(after.redisKeys).toBe(0);
}, 90_000);
