import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Turnstile } from '../../lib/fill/turnstile.js';

describe('a turnstile', () => {
  it('lets so many calls in at a time, and the others in their order', async () => {
    const turnstile = new Turnstile(3);
    const begun: number[] = [];
    let inside = 0;
    let most = 0;
    const calls = Array.from({ length: 20 }, (_, i) =>
      turnstile.pass(async () => {
        begun.push(i);
        inside += 1;
        most = Math.max(most, inside);
        await sleep(1);
        inside -= 1;
        return i;
      }),
    );
    const inOrder = Array.from({ length: 20 }, (_, i) => i);
    expect(await Promise.all(calls)).toEqual(inOrder);
    expect(begun).toEqual(inOrder);
    expect(most).toBe(3);
  });

  it('lets the next one in when a call fails or throws', async () => {
    const turnstile = new Turnstile(1);
    const failing = turnstile.pass(() => Promise.reject(new Error('boom')));
    const throwing = turnstile.pass(() => {
      throw new Error('bang');
    });
    const last = turnstile.pass(async () => 'in');
    await expect(failing).rejects.toThrow('boom');
    await expect(throwing).rejects.toThrow('bang');
    expect(await last).toBe('in');
  });
});
