/** What this process measures of itself, a sample a second: the report's times, what the caches did, and how Redis is. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { RequestHandler } from 'express';
import type { RedisClient } from '../database/redis.js';
import type { Source } from '../events/streams.js';
import { type Outages, watchOutages } from './outages.js';

/** One second of a route. Times in milliseconds; null when nothing was answered. */
interface Timing {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
}

type Counts = Readonly<Record<string, number>>;

interface Sample {
  readonly kind: 'sample';
  /** The end of the second, in milliseconds since 1970. */
  readonly at: number;
  readonly cached: Timing;
  readonly uncached: Timing;
  /** Since the start of this process: answers of the response cache by outcome, its bypasses by reason, look-ups by outcome. */
  readonly pages: Counts;
  readonly bypasses: Counts;
  readonly values: Counts;
  /** What a PING took, in milliseconds; null: no answer yet, or no Redis. */
  readonly pingMs: number | null;
  /** Features that do without Redis just now, and why. */
  readonly outages: Outages;
}

/** Told at once: three seconds without Redis are short. */
interface OutageChange extends Pick<Sample, 'outages'> {
  readonly kind: 'redis';
}

export interface Meter extends Source {
  /** Times the answers of a route, from here to the last byte. */
  time(route: 'cached' | 'uncached'): RequestHandler;
  /** The last two minutes, oldest first. */
  samples(): readonly Sample[];
  close(): void;
}

const EVERY_MS = 1000;
const SAMPLES_KEPT = 120;
/** More answers in one second than this are counted, but not timed. */
const TIMES_KEPT = 5000;
/** Outcomes and reasons are few; a listener should not rely on it. */
const COUNTERS_KEPT = 32;
/** As documented: a request that a response cache sends to its own app has no client who waits. */
const REVALIDATION = Symbol.for('express-redis-suite.revalidation');

/** Measures until it is closed. */
export function openMeter(redis: RedisClient | undefined): Meter {
  const seconds = { cached: newSecond(), uncached: newSecond() };
  const [pages, bypasses, values] = [newCounter(), newCounter(), newCounter()];
  const listeners = new Set<(event: { readonly kind: string }) => void>();
  const samples: Sample[] = [];
  const ping = openPing(redis);

  const stopListening = [
    listen('response-cache', function countAnswer({ outcome, reason }) {
      pages.add(outcome);
      if (outcome === 'bypass') bypasses.add(reason ?? 'other');
    }),
    listen('cache-aside', ({ outcome }) => values.add(outcome)),
  ];
  const outages = watchOutages((now) => tell({ kind: 'redis', outages: now }));
  const timer = setInterval(takeSample, EVERY_MS).unref();

  function takeSample() {
    const sample: Sample = {
      kind: 'sample',
      at: Date.now(),
      cached: timingOf(seconds.cached),
      uncached: timingOf(seconds.uncached),
      pages: pages.counts(),
      bypasses: bypasses.counts(),
      values: values.counts(),
      pingMs: ping.take(),
      outages: outages.now(),
    };
    Object.assign(seconds, { cached: newSecond(), uncached: newSecond() });
    samples.push(sample);
    if (samples.length > SAMPLES_KEPT) samples.shift();
    tell(sample);
  }

  function tell(event: Sample | OutageChange) {
    for (const listener of listeners) listener(event);
  }

  return {
    time(route) {
      return function timeAnswer(req, res, next) {
        if (Object.hasOwn(req, REVALIDATION)) return next();
        const beganAt = performance.now();
        res.once('finish', () => note(seconds[route], performance.now() - beganAt));
        next();
      };
    },
    follow: (onEvent) => void listeners.add(onEvent),
    samples: () => samples,
    close() {
      clearInterval(timer);
      for (const stop of stopListening) stop();
      outages.close();
      listeners.clear();
    },
  };
}

interface Second {
  count: number;
  readonly times: number[];
}

function newSecond(): Second {
  return { count: 0, times: [] };
}

function note(second: Second, durationMs: number): void {
  second.count += 1;
  if (second.times.length < TIMES_KEPT) second.times.push(durationMs);
}

function timingOf({ count, times }: Second): Timing {
  times.sort((a, b) => a - b);
  return { count, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** The nearest rank: a time that somebody did wait. */
function quantile(sorted: readonly number[], share: number): number | null {
  const time = sorted[Math.ceil(share * sorted.length) - 1];
  return time === undefined ? null : Math.round(time * 1000) / 1000;
}

function newCounter() {
  const counts = new Map<string, number>();
  return {
    add(name: string) {
      if (counts.has(name) || counts.size < COUNTERS_KEPT) counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    counts: (): Counts => Object.fromEntries(counts),
  };
}

/** One PING at a time: a frozen Redis is asked once, however long it is frozen. */
function openPing(redis: RedisClient | undefined) {
  let lastMs: number | null = null;
  let isUnderWay = false;

  async function measure(client: RedisClient) {
    isUnderWay = true;
    const sentAt = performance.now();
    try {
      await client.ping();
      lastMs = Math.round((performance.now() - sentAt) * 1000) / 1000;
    } catch {
      // The next one tells.
    } finally {
      isUnderWay = false;
    }
  }

  return {
    /** What the one of before took, and sends the next. */
    take(): number | null {
      const taken = lastMs;
      lastMs = null;
      if (redis !== undefined && !isUnderWay) void measure(redis);
      return taken;
    },
  };
}

interface CacheEvent {
  readonly outcome: string;
  readonly reason?: string;
}

function listen(name: string, onEvent: (event: CacheEvent) => void): () => void {
  const channel = `express-redis-suite:${name}`;
  const listener = (event: unknown) => onEvent(event as CacheEvent);
  subscribe(channel, listener);
  return () => void unsubscribe(channel, listener);
}
