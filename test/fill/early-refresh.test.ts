import { describe, expect, it } from '@jest/globals';
import { shouldRefreshEarly } from '../../lib/fill/early-refresh.js';

const value = { nowMs: 0, expiresAtMs: 1_000, loadMs: 100, beta: 1, chance: 0.5 };

/** The part of all draws, spread evenly, that refresh. */
function share(changed: Partial<typeof value>): number {
  const draws = Array.from({ length: 10_000 }, (_, i) => i / 10_000);
  return draws.filter((chance) => shouldRefreshEarly({ ...value, ...changed, chance })).length / draws.length;
}

describe('an early refresh', () => {
  it('is certain from the end on', () => {
    expect(share({ nowMs: 1_000 })).toBe(1);
    expect(share({ nowMs: 1_001, loadMs: 0 })).toBe(1);
    expect(share({ nowMs: 2_000, beta: 0 })).toBe(1);
  });

  it('has the chance e^(-remaining / (load * beta)) before it', () => {
    for (const [remainingMs, loadMs, beta] of [
      [100, 100, 1],
      [50, 100, 1],
      [300, 100, 2],
      [10, 1_000, 0.5],
    ] as const) {
      const expected = Math.exp(-remainingMs / (loadMs * beta));
      expect(share({ nowMs: 1_000 - remainingMs, loadMs, beta })).toBeCloseTo(expected, 2);
    }
  });

  it('never comes early for what takes no time, nor with beta 0', () => {
    expect(share({ nowMs: 999, loadMs: 0 })).toBe(0);
    expect(share({ nowMs: 999, beta: 0 })).toBe(0);
  });

  it('survives the most extreme draws', () => {
    expect(shouldRefreshEarly({ ...value, chance: 0 })).toBe(false);
    expect(shouldRefreshEarly({ ...value, nowMs: 999, chance: 1 - Number.EPSILON / 2 })).toBe(true);
  });
});
