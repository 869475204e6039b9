/** A visitor's own windows: what each limiter counts for them, and when every hit in it will leave. Never anybody else's. */
import type { Request } from 'express';
import { ipKeyGenerator, type RateLimiter } from 'express-redis-suite/rate-limit';
import type { RedisClient } from '../database/redis.js';
import { within } from '../database/within.js';

/** A limiter of this app, and the policy it was made with. */
export interface ShownLimiter {
  readonly limiter: RateLimiter;
  readonly name: string;
  readonly what: string;
  readonly windowMs: number;
}

export interface ShownWindow {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly used: number;
  readonly remaining: number;
  /** Until another request is let in, in milliseconds; 0: now. */
  readonly nextSlotMs: number;
  /** How long ago each hit came, in milliseconds, newest last; of very many the newest. Undefined: nobody can tell. */
  readonly hitsAgoMs: readonly number[] | undefined;
  /** Until the oldest hit leaves, in milliseconds. */
  readonly resetMs: number;
  /** Who counted: Redis, or this process by itself. */
  readonly source: string;
}

const HITS_SHOWN = 400;
const REDIS_WITHIN_MS = 100;

/** Asks, and counts nothing. */
export async function windowOf(
  { limiter, name, windowMs }: ShownLimiter,
  redis: RedisClient | undefined,
  req: Request,
): Promise<ShownWindow> {
  const key = ipKeyGenerator(req.ip ?? '');
  const { limit, used, remaining, retryAfterMs, resetMs = 0, source } = await limiter.peek(key);
  const hitsAgoMs =
    redis === undefined || source !== 'redis'
      ? undefined
      : await within(REDIS_WITHIN_MS, () => hitsAgo(redis, `rl:${name}:{${key}}`, windowMs));
  return { name, limit, windowMs, used, remaining, nextSlotMs: retryAfterMs, hitsAgoMs, resetMs, source };
}

/** Members are the microseconds of Redis' clock, as docs/operations.md has it. */
async function hitsAgo(redis: RedisClient, key: string, windowMs: number): Promise<number[]> {
  const [members, [seconds, micros]] = await Promise.all([
    redis.zRange(key, -HITS_SHOWN, -1),
    redis.time() as unknown as Promise<[string, string]>,
  ]);
  const now = Number(seconds) * 1000 + Number(micros) / 1000;
  return members
    .map((member) => Math.round(now - Number(member) / 1000))
    .filter((agoMs) => agoMs >= -windowMs && agoMs < windowMs);
}
