/** Every call to Redis on a request's path goes through here: a deadline over each, a breaker over all. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Breaker, breakerOf, callSafely, type OutageReason, outageIn } from './breaker.js';
import { type RedisClient, redisOf } from './client.js';
import { startDeadline } from './deadline.js';
import { SuiteError } from './errors.js';
import type { Redis } from './redis.js';

export interface Guard {
  /** The same client without a deadline, for what is not on a request's path. */
  readonly redis: Redis;
  /** Whether a call made now would be sent, one that needs `key` only where that is given. */
  isUsable(key?: string): boolean;
  /**
   * Runs one call under the deadline; an answer that comes later is dropped.
   *
   * @param key of a call that needs one node of a cluster only: while that is away, the keys of the others stay in use.
   * @throws SuiteError ERS_REDIS_UNAVAILABLE: Redis is away, too slow, or the breaker is open (then within microseconds,
   * and nothing was sent). ERS_REDIS_REFUSED: Redis answered with an error (OOM, READONLY, NOAUTH ...), see `cause`.
   */
  run<T>(call: (redis: Redis) => Promise<T>, key?: string): Promise<T>;
}

export interface GuardOptions {
  /** All guards of one feature on one client share a breaker. */
  readonly feature: string;
  /** How long one call may take, in milliseconds. */
  readonly deadlineMs: number;
}

/** @throws SuiteError ERS_INVALID_CLIENT when `client` is no client that we know. */
export function guardRedis(client: RedisClient, { feature, deadlineMs }: GuardOptions): Guard {
  const redis = redisOf(client);
  const breaker = breakerOf(redis, feature);
  const general: Setting = { redis, feature, breaker, deadlineMs, key: undefined };
  let startedAt: number | undefined;

  function settingFor(key: string | undefined): Setting {
    const node = key === undefined ? undefined : redis.nodeOf(key);
    return node === undefined ? general : { ...general, breaker: breaker.ofNode(node), key };
  }

  async function runWhenReady<T>(call: (redis: Redis) => Promise<T>, key: string | undefined): Promise<T> {
    startedAt ??= performance.now();
    if (!redis.isOpen()) warnOnceNotConnected(redis);
    // A client that is just being connected is worth a moment, once; one that is away is not.
    while (redis.isOpen() && performance.now() - startedAt < deadlineMs) {
      await sleep(READY_POLL_MS, undefined, { ref: false });
      if (redis.isReady()) return runWithin(settingFor(key), call);
    }
    breaker.open('not-ready', deadlineMs);
    throw unavailable(feature, 'not-ready');
  }

  return {
    redis,
    isUsable: (key) => redis.isReady() && settingFor(key).breaker.openBecause === undefined,
    run(call, key) {
      const setting = settingFor(key);
      const { openBecause } = setting.breaker;
      if (openBecause !== undefined) return Promise.reject(unavailable(feature, openBecause));
      if (!redis.isReady()) return runWhenReady(call, key);
      startedAt ??= Number.NEGATIVE_INFINITY;
      return runWithin(setting, call);
    },
  };
}

const READY_POLL_MS = 5;
const warned = new WeakSet<Redis>();

/** The commonest mistake, and without a word about it an app would just do without Redis. */
function warnOnceNotConnected(redis: Redis): void {
  if (warned.has(redis)) return;
  warned.add(redis);
  console.warn(
    'express-redis-suite: the Redis client is not connected: connect it at start-up (client.connect(), or connectRedis()), and close it last.',
  );
}

interface Setting {
  readonly redis: Redis;
  readonly feature: string;
  readonly breaker: Breaker;
  readonly deadlineMs: number;
  /** Where the breaker is of one node: a key that it has. */
  readonly key: string | undefined;
}

function runWithin<T>(setting: Setting, call: (redis: Redis) => Promise<T>): Promise<T> {
  const { redis, feature, breaker, deadlineMs, key } = setting;
  return new Promise<T>((resolve, reject) => {
    let isMissed = false;
    const callOff = startDeadline(deadlineMs, function miss() {
      isMissed = true;
      breaker.noteMiss(deadlineMs, key);
      reject(unavailable(feature, 'deadline'));
    });

    callSafely(() => call(redis)).then(
      function answered(reply) {
        callOff();
        if (isMissed) return;
        breaker.noteAnswer();
        resolve(reply);
      },
      function failed(error: unknown) {
        callOff();
        if (isMissed) return;
        const reason = outageIn(error);
        noteFailure(setting, reason);
        reject(reason === undefined ? refused(feature, error) : unavailable(feature, reason, error));
      },
    );
  });
}

function noteFailure(setting: Setting, reason: OutageReason | undefined): void {
  const { redis, breaker, deadlineMs, key } = setting;
  if (reason === undefined) breaker.noteAnswer();
  // Nodes come and go, and what one of them says may be said of another.
  else if (redis.hasManyNodes) breaker.noteMiss(deadlineMs, key);
  else breaker.open(reason, deadlineMs, key);
}

const EXPLAINED: Record<OutageReason, string> = {
  'not-ready': 'the client is not connected',
  deadline: 'no answer within the deadline',
  connection: 'the connection failed',
  loading: 'Redis is still loading its data',
};

function unavailable(feature: string, reason: OutageReason, cause?: unknown): SuiteError {
  return new SuiteError(
    'ERS_REDIS_UNAVAILABLE',
    `${feature}: Redis is not available (${EXPLAINED[reason]})`,
    { cause },
  );
}

function refused(feature: string, cause: unknown): SuiteError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new SuiteError(
    'ERS_REDIS_REFUSED',
    `${feature}: Redis refused the command: ${message.slice(0, 200)}`,
    { cause },
  );
}
