// What could not be undone is tried again, target by target.
import { describe, expect, it } from '@jest/globals';
import { type Target, Writers } from '../../lib/fill/writers.js';
import { until } from '../support/until.js';

describe('writers', () => {
  it('make good what they can, though hundreds of other targets fail for good', async () => {
    const writers = new Writers({ markMs: 1_000, onChanged: () => {} });
    const undone: string[] = [];
    const targetOf = (id: string, isLost: boolean): Target => ({
      id,
      key: id,
      mark: async () => ({ key: id, token: '', since: 0 }),
      keepMark: async () => {},
      async unmark() {
        if (isLost) throw new Error('this node is away');
        undone.push(id);
      },
      drop: () => Promise.reject(new Error('away')),
    });
    for (let i = 0; i < 150; i += 1) await writers.drop(targetOf(`lost:${i}`, true));
    await writers.drop(targetOf('found', false));
    expect(writers.isHeldBack('found')).toBe(true);
    await until(() => undone.length > 0);
    expect(undone).toEqual(['found']);
    expect(writers.isHeldBack('found')).toBe(false);
    expect(writers.isHeldBack('lost:0')).toBe(true);
  });
});
