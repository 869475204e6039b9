/** Whether one feature may use one Redis, or one node of a cluster, just now; closed means yes, open that calls fail at once. */
import { redisStateChannel } from './channels.js';
import { startDeadline } from './deadline.js';
import type { Redis } from './redis.js';

/** Why Redis counts as away. */
export type OutageReason = 'not-ready' | 'deadline' | 'connection' | 'loading';

const MISSES_TO_OPEN = 3;
const PROBE_EVERY_MS = 100;
/** A probe on a dead connection may never be answered: after this long another one may go out beside it. */
const PROBE_LOST_MS = 1000;
/** A cluster whose nodes come and go has new addresses for ever. */
const MOST_NODES = 1000;

export class Breaker {
  readonly #redis: Redis;
  readonly #feature: string;
  #reason: OutageReason | undefined;
  #misses = 0;
  #probeSentAt = Number.NEGATIVE_INFINITY;
  #probesOut = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Of the call that opened it: whichever node has it by now is asked. */
  #probeKey: string | undefined;
  readonly #nodes = new Map<string, Breaker>();

  constructor(redis: Redis, feature: string) {
    this.#redis = redis;
    this.#feature = feature;
  }

  /** Why calls fail at once; undefined while they are let through. */
  get openBecause(): OutageReason | undefined {
    // Whether the client is ready shows without asking Redis, and may change any moment.
    return this.#reason === 'not-ready' ? undefined : this.#reason;
  }

  /** The breaker of one node, for calls that go there. */
  ofNode(node: string): Breaker {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    // Whoever has one of them keeps it.
    if (this.#nodes.size === MOST_NODES) this.#nodes.clear();
    const breaker = new Breaker(this.#redis, this.#feature);
    this.#nodes.set(node, breaker);
    return breaker;
  }

  /** Redis answered, be it with an error reply. */
  noteAnswer(): void {
    this.#misses = 0;
    if (this.#reason === 'not-ready') this.#close();
  }

  /** A call missed its deadline. */
  noteMiss(deadlineMs: number, key?: string): void {
    this.#misses += 1;
    if (this.#misses >= MISSES_TO_OPEN) this.open('deadline', deadlineMs, key);
  }

  /** Fails all calls from now on, until a probe is answered within `deadlineMs`. */
  open(reason: OutageReason, deadlineMs: number, key?: string): void {
    const wasClosed = this.#reason === undefined;
    this.#probeKey = key;
    if (wasClosed || this.#reason === 'not-ready') this.#reason = reason;
    if (wasClosed && redisStateChannel.hasSubscribers)
      redisStateChannel.publish({ feature: this.#feature, state: 'down', reason });
    if (this.#timer === undefined) this.#probeLater(deadlineMs);
  }

  #close(): void {
    if (this.#reason === undefined) return;
    this.#reason = undefined;
    this.#misses = 0;
    this.#stopProbing();
    if (redisStateChannel.hasSubscribers) redisStateChannel.publish({ feature: this.#feature, state: 'up' });
  }

  #probeLater(deadlineMs: number): void {
    this.#timer = setTimeout(() => {
      // Its user has closed it, for good perhaps: should it be opened again, the next call finds out.
      if (!this.#redis.isOpen()) {
        this.#reason = 'not-ready';
        return this.#stopProbing();
      }
      if (this.#mayProbe()) this.#probe(deadlineMs);
      this.#probeLater(deadlineMs);
    }, PROBE_EVERY_MS).unref();
  }

  #stopProbing(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #mayProbe(): boolean {
    if (!this.#redis.isReady()) return false;
    return this.#probesOut === 0 || performance.now() - this.#probeSentAt >= PROBE_LOST_MS;
  }

  /** A late answer does not close the breaker, for the next call would be late too; but it is worth asking again at once. */
  #probe(deadlineMs: number): void {
    let isLate = false;
    this.#probesOut += 1;
    this.#probeSentAt = performance.now();
    const callOff = startDeadline(deadlineMs, () => {
      isLate = true;
    });
    const settle = (error?: unknown) => {
      callOff();
      this.#probesOut -= 1;
      if (this.#reason === undefined || outageIn(error) !== undefined) return;
      if (!isLate) return this.#close();
      if (this.#probesOut === 0 && this.#redis.isReady()) this.#probe(deadlineMs);
    };
    callSafely(() => this.#redis.ping(this.#probeKey)).then(() => settle(), settle);
  }
}

const breakers = new WeakMap<Redis, Map<string, Breaker>>();

/** The breaker that all instances of a feature share on one client. */
export function breakerOf(redis: Redis, feature: string): Breaker {
  const byFeature = breakers.get(redis) ?? new Map<string, Breaker>();
  breakers.set(redis, byFeature);
  const breaker = byFeature.get(feature) ?? new Breaker(redis, feature);
  byFeature.set(feature, breaker);
  return breaker;
}

/**
 * What an error says about Redis: away, or undefined when it answered.
 *
 * Redis spells error replies as an upper-case code and a text (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors);
 * whatever else a client rejects with came from the client or the network.
 */
export function outageIn(error: unknown): OutageReason | undefined {
  if (error === undefined) return undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('LOADING')) return 'loading';
  return isErrorReply(error, message) ? undefined : 'connection';
}

const ERROR_REPLY = /^[A-Z][A-Z0-9_]+(?: |$)/;

function isErrorReply(error: unknown, message: string): boolean {
  // What the client would not send says nothing of Redis.
  if (error instanceof TypeError || error instanceof RangeError) return true;
  return ERROR_REPLY.test(message) || (error as Error).name === 'ReplyError';
}

/** A client may throw where it promises to reject. */
export function callSafely<T>(call: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}
