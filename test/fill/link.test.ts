import { expect, it, jest } from '@jest/globals';
import type { Guard } from '../../lib/core/guard.js';
import type { Redis } from '../../lib/core/redis.js';
import { Link } from '../../lib/fill/link.js';
import { until } from '../support/until.js';

it('A link that was lost is not up again by a beat from before', async () => {
  const beats: [message: string, on: string][] = [];
  let hear: (message: string, on: string) => void = () => {};
  let lose: (() => void) | undefined;
  let isOpen = true;
  const redis: Pick<Redis, 'isOpen' | 'evalSha' | 'subscribe'> = {
    isOpen: () => isOpen,
    async evalSha(_sha, _keys, [on, message]) {
      beats.push([String(message), String(on)]);
    },
    async subscribe(_channels, onMessage, onLost) {
      hear = onMessage;
      lose = onLost;
      return async () => {};
    },
  };
  const guard: Guard = {
    redis: redis as Redis,
    isUsable: () => true,
    run: (call) => call(redis as Redis),
  };
  const onLost = jest.fn();
  const link = new Link({ guard, channel: 'changes', onChange: () => {}, onLost });
  const nextBeat = async () => {
    const sent = beats.length;
    await until(() => beats.length > sent, 2_000);
    return beats[sent] as (typeof beats)[number];
  };

  expect(link.isUp()).toBe(false);
  const early = await nextBeat();
  hear(...early);
  expect(link.isUp()).toBe(true);
  lose?.();
  expect(onLost).toHaveBeenCalledTimes(1);
  hear(...early);
  expect(link.isUp()).toBe(false);
  hear(...(await nextBeat()));
  expect(link.isUp()).toBe(true);
  isOpen = false;
  await until(() => onLost.mock.calls.length === 2, 2_000);
});
