import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { FollowingFlight, SingleFlight } from '../../lib/fill/single-flight.js';

function gate() {
  let open: (value: string) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const passed = new Promise<string>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { passed, open, fail };
}

describe('a single flight', () => {
  it('is found while it is under way, by its key only', async () => {
    const flights = new SingleFlight<string>();
    const { passed, open } = gate();
    const flight = flights.begin('a', () => passed);
    expect(flights.find('a')).toBe(flight);
    expect(flights.find('b')).toBeUndefined();
    open('landed');
    expect(await flight.landing).toBe('landed');
    expect(flights.find('a')).toBeUndefined();
  });

  it('fails for all who share it, and is not remembered', async () => {
    const flights = new SingleFlight<string>();
    const boom = new Error('boom');
    const { landing } = flights.begin('a', () => Promise.reject(boom));
    const joined = flights.find('a')?.landing;
    await expect(landing).rejects.toBe(boom);
    await expect(joined).rejects.toBe(boom);
    expect(flights.find('a')).toBeUndefined();
  });

  it('is not remembered when it throws at once', async () => {
    const flights = new SingleFlight<string>();
    const { landing } = flights.begin('a', () => {
      throw new Error('at once');
    });
    await expect(landing).rejects.toThrow('at once');
    expect(flights.find('a')).toBeUndefined();
  });

  it('can be replaced, and its end does not forget the one that came after it', async () => {
    const flights = new SingleFlight<string>();
    const first = gate();
    const second = gate();
    flights.begin('a', () => first.passed);
    const flight = flights.begin('a', () => second.passed);
    first.open('1');
    await turn();
    expect(flights.find('a')).toBe(flight);
    second.open('2');
    await turn();
    expect(flights.find('a')).toBeUndefined();
  });

  it('can be forgotten, and lands all the same', async () => {
    const flights = new SingleFlight<string>();
    const { passed, open } = gate();
    const { landing } = flights.begin('a', () => passed);
    flights.forget('a');
    expect(flights.find('a')).toBeUndefined();
    open('landed');
    expect(await landing).toBe('landed');
  });
});

describe('a following flight', () => {
  it('shares only loads that begin after all who share them have asked', async () => {
    const flights = new FollowingFlight<number>();
    const gates = [gate(), gate(), gate()];
    let loads = 0;
    const load = async () => {
      const mine = loads++;
      await gates[mine]?.passed;
      return mine;
    };
    const first = flights.run('a', load);
    const followers = [flights.run('a', load), flights.run('a', load), flights.run('a', load)];
    expect(loads).toBe(1);
    expect([first, ...followers].map(({ isOwn }) => isOwn)).toEqual([true, false, false, false]);

    gates[0]?.open('');
    expect(await first.landing).toBe(0);
    await turn();
    expect(loads).toBe(2);
    const late = flights.run('a', load);
    gates[1]?.open('');
    expect(await Promise.all(followers.map(({ landing }) => landing))).toEqual([1, 1, 1]);
    gates[2]?.open('');
    expect(await late.landing).toBe(2);
    expect(loads).toBe(3);
  });

  it('begins the next load though the one before it failed', async () => {
    const flights = new FollowingFlight<string>();
    const { passed, fail } = gate();
    const first = flights.run('a', () => passed);
    const second = flights.run('a', async () => 'fine');
    fail(new Error('boom'));
    await expect(first.landing).rejects.toThrow('boom');
    expect(await second.landing).toBe('fine');
    expect(flights.run('a', async () => 'again').isOwn).toBe(true);
  });
});
