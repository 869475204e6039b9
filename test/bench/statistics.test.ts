/** A bench is worth what its arithmetic is worth. */
import { describe, expect, test } from '@jest/globals';
import { ratioOf, spellSpread, spreadOf } from './statistics.js';
import { atLeast, atMost } from './verdicts.js';

describe('Figures of several rounds', () => {
  test('are told by their median and the middle half of them', () => {
    expect(spreadOf([9, 1, 5, 3, 7])).toEqual({ median: 5, lower: 3, upper: 7, min: 1, max: 9 });
    expect(spreadOf([4, 2])).toEqual({ median: 3, lower: 2.5, upper: 3.5, min: 2, max: 4 });
    expect(spellSpread(spreadOf([1.234, 1, 2]), 2)).toBe('1.23 (1.12-1.62)');
  });

  test('are compared round by round, so that a slow moment of the machine tells nothing', () => {
    expect(ratioOf([10, 100, 20], [20, 200, 40])).toMatchObject({ median: 0.5, min: 0.5, max: 0.5 });
  });
});

describe('A target', () => {
  test('is met when the median is, and shows the range', () => {
    expect(atMost('cost', { ...spreadOf([]), median: 1.1, lower: 0.9, upper: 1.4 }, 1.1)).toEqual({
      target: 'cost <= 1.1',
      measured: '1.10 (0.90-1.40)',
      isMet: true,
    });
    expect(atLeast('speed', 0.89, 0.9)).toMatchObject({ measured: '0.89', isMet: false });
  });

  test('that could not be measured is neither met nor missed', () => {
    expect(atLeast('speed', undefined, 0.9)).toMatchObject({ measured: '-', isMet: undefined });
  });
});
