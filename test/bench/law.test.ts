/** What the bench says of growth decides whether something is a defect. */
import { describe, expect, test } from '@jest/globals';
import { isAtMost, lawOf, worseOf } from './growth/law.js';

const SIZES = [10, 100, 1_000, 10_000];

function grows(costOf: (size: number) => number, sizes: readonly number[] = SIZES) {
  return lawOf(sizes.map((size) => ({ size, cost: costOf(size) })));
}

describe('A cost', () => {
  test('that stays, but for the noise, is constant', () => {
    expect(grows(() => 12)).toBe('constant');
    expect(grows((size) => (size === 10_000 ? 20 : 12))).toBe('constant');
    expect(grows(() => 0)).toBe('constant');
  });

  test('grows with the logarithm, with the size, or faster', () => {
    expect(grows((size) => Math.log2(size))).toBe('logarithmic');
    expect(grows((size) => 3 * size)).toBe('linear');
    expect(grows((size) => size * Math.log2(size))).toBe('linear');
    expect(grows((size) => size ** 2)).toBe('more than linear');
  });

  test('whose fixed part hides what grows is judged by the big sizes', () => {
    expect(grows((size) => 1_000 + size)).toBe('less than linear');
    expect(grows((size) => 1_000 + size, [...SIZES, 100_000, 1_000_000])).toBe('linear');
  });

  test('may grow by what is allowed, and of two laws the worse one counts', () => {
    expect(isAtMost('constant', 'logarithmic')).toBe(true);
    expect(isAtMost('less than linear', 'logarithmic')).toBe(false);
    expect(worseOf('linear', 'constant')).toBe('linear');
  });
});
