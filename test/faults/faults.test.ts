/** The short form of `npm run faults`: the same faults for a second or less, and room for a busy machine. */
import { expect, test } from '@jest/globals';
import { faults } from './faults.js';
import { tryFault } from './harness.js';

/** The peers hang for as long as the fault lasts, or for five seconds. */
const NO_HANG_MS = 1_500;

test.each(faults({ absent: 1, frozen: 2, down: 0.5 }))(
  '$name',
  async (fault) => {
    const { rows, exits, unhandled } = await tryFault(fault);
    expect({ exits, unhandled }).toEqual({ exits: 0, unhandled: 0 });
    for (const { feature, requests, statuses, slowestMs, backAfterMs } of rows) {
      expect(requests).toBeGreaterThan(10);
      const others = Object.keys(statuses).filter((status) => status !== '200');
      expect({ feature, others }).toEqual({
        feature,
        others: feature === 'session' && others.length > 0 ? ['503'] : [],
      });
      // An app that blocks itself is slow by itself.
      if (!fault.name.includes('blocked')) expect(slowestMs).toBeLessThan(NO_HANG_MS);
      expect(backAfterMs).toBeDefined();
    }
  },
  60_000,
);
