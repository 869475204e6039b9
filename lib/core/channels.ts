/** What this package tells the world through `node:diagnostics_channel`, one event per decision, only when someone listens. */
import { channel } from 'node:diagnostics_channel';

/** A diagnostics channel and what it carries. Look at `hasSubscribers` before building an event. */
export interface EventChannel<Event> {
  readonly hasSubscribers: boolean;
  publish(event: Event): void;
}

/** One decision of a rate limiter. */
export interface RateLimitEvent {
  /** The limiter's `name`. */
  readonly name: string;
  /** `would-deny`: a limiter on trial (`dryRun`) let it pass. `refuse`: Redis is away and the policy says no. */
  readonly decision: 'allow' | 'deny' | 'would-deny' | 'skip' | 'refuse';
  /** Who decided: Redis, this process' own window, or this process repeating an earlier denial. */
  readonly source: 'redis' | 'memory' | 'denial' | 'policy' | 'store';
  readonly durationMs: number;
}

/** One operation of a session store. */
export interface SessionEvent {
  readonly operation: 'get' | 'set' | 'touch' | 'destroy';
  readonly outcome: 'hit' | 'miss' | 'ok' | 'error';
  readonly durationMs: number;
}

/** What became of one session. */
export interface SessionLifeEvent {
  /**
   * `created`: stored for the first time. `renewed`: that under a new id, in place of another session that was destroyed
   * for it, as at a login. `destroyed`: by its request, from afar, or as one too many. `expired`: somebody came with a
   * valid id, and there was no session.
   */
  readonly event: 'created' | 'renewed' | 'destroyed' | 'expired';
  /** As `store.list` has it. No session id can be made of it. */
  readonly handle: string;
  /** Whose it is, where the store has the option `userId` and knows it at this moment. */
  readonly user: string | undefined;
  /** For `renewed`: the handle of the session before. */
  readonly replaces: string | undefined;
}

/** One request through a response cache. */
export interface ResponseCacheEvent {
  /** The verbs the request went through, such as `['lookup', 'fresh', 'serve']`. */
  readonly trace: readonly string[];
  readonly outcome: 'hit' | 'stale' | 'miss' | 'validate' | 'bypass';
  /** Why the cache stood aside, when it did. */
  readonly reason?: string;
  readonly durationMs: number;
}

/** One look-up of a cache-aside cache. */
export interface CacheAsideEvent {
  readonly namespace: string;
  readonly outcome: 'hit' | 'stale' | 'miss' | 'shared' | 'bypass';
  readonly durationMs: number;
}

/** Redis went out of use, or came back, for one feature. */
export interface RedisStateEvent {
  readonly feature: string;
  readonly state: 'up' | 'down';
  /** Why: `not-ready`, `deadline`, `connection`, `loading`; absent for `up`. */
  readonly reason?: string;
}

/** An `error` event of a client that was handed to us. */
export interface RedisErrorEvent {
  readonly error: unknown;
}

export const rateLimitChannel: EventChannel<RateLimitEvent> = open('rate-limit');
export const sessionChannel: EventChannel<SessionEvent> = open('session');
export const sessionLifeChannel: EventChannel<SessionLifeEvent> = open('session-life');
export const responseCacheChannel: EventChannel<ResponseCacheEvent> = open('response-cache');
export const cacheAsideChannel: EventChannel<CacheAsideEvent> = open('cache-aside');
export const redisStateChannel: EventChannel<RedisStateEvent> = open('redis-state');
export const redisErrorChannel: EventChannel<RedisErrorEvent> = open('redis-error');

function open<Event>(name: string): EventChannel<Event> {
  return channel(`express-redis-suite:${name}`);
}
