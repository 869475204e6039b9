/** What the middlewares publish, as prom-client metrics: listens to the diagnostics channels, asks nobody. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, Gauge, Histogram, type Registry, register } from 'prom-client';
import type {
  CacheAsideEvent,
  RateLimitEvent,
  RedisStateEvent,
  ResponseCacheEvent,
  SessionEvent,
  SessionLifeEvent,
} from '../core/channels.js';
import { requireKnown } from '../core/errors.js';

export interface MetricsOptions {
  /** Where the metrics are registered. Default: prom-client's global registry. */
  readonly registry?: Registry;
  /** What every metric's name begins with. Default: `express_redis_suite_`. */
  readonly prefix?: string;
}

/** Seconds. A Redis round trip takes a fraction of a millisecond; a deadline is 0.1 or 0.25. */
const BUCKETS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * Counts and times what all middlewares of this process decide, from now on. Labels hold names, verbs and reasons; never
 * a key, an address or a session id.
 *
 * Returns a function that stops it and takes the metrics off the registry.
 *
 * @throws SuiteError ERS_INVALID_OPTION for an option that there is not, and when the registry has metrics of these names already, as prom-client does.
 */
export function collectMetrics(options: MetricsOptions = {}): () => void {
  requireKnown(options, 'registry prefix');
  const { registry = register, prefix = 'express_redis_suite_' } = options;
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: prefix + name, help, labelNames, registers });

  const decisions = counter('rate_limit_decisions_total', 'Requests judged by a rate limiter', [
    'name',
    'decision',
    'source',
  ]);
  const operations = counter('session_operations_total', 'Operations of the session store', [
    'operation',
    'outcome',
  ]);
  const lives = counter(
    'session_lives_total',
    'Sessions created, renewed, destroyed, and asked for in vain',
    ['event'],
  );
  const responses = counter('response_cache_requests_total', 'Requests seen by the response cache', [
    'outcome',
    'reason',
  ]);
  const lookups = counter('cache_aside_lookups_total', 'Look-ups in a cache-aside cache', [
    'namespace',
    'outcome',
  ]);
  const outages = counter('redis_outages_total', 'Times a feature stopped using Redis', [
    'feature',
    'reason',
  ]);
  const errors = counter('redis_client_errors_total', 'Error events of the Redis clients', []);
  const isUp = new Gauge({
    name: `${prefix}redis_up`,
    help: 'Whether a feature uses Redis (1) or does without (0), once it has been in trouble',
    labelNames: ['feature'],
    registers,
  });
  const duration = new Histogram({
    name: `${prefix}duration_seconds`,
    help: 'Time from the start of an operation to its decision',
    labelNames: ['feature'],
    buckets: BUCKETS,
    registers,
  });
  const time = (feature: string, durationMs: number) => duration.observe({ feature }, durationMs / 1000);

  const downByFeature = new Map<string, number>();
  const stops = [
    listen<RateLimitEvent>('rate-limit', function countDecision({ name, decision, source, durationMs }) {
      decisions.inc({ name, decision, source });
      time('rate-limit', durationMs);
    }),
    listen<SessionEvent>('session', function countOperation({ operation, outcome, durationMs }) {
      operations.inc({ operation, outcome });
      time('session', durationMs);
    }),
    listen<SessionLifeEvent>('session-life', ({ event }) => lives.inc({ event })),
    listen<ResponseCacheEvent>('response-cache', function countRequest({ outcome, reason = '', durationMs }) {
      responses.inc({ outcome, reason });
      time('response-cache', durationMs);
    }),
    listen<CacheAsideEvent>('cache-aside', function countLookup({ namespace, outcome, durationMs }) {
      lookups.inc({ namespace, outcome });
      time('cache-aside', durationMs);
    }),
    listen<RedisStateEvent>('redis-state', function noteState({ feature, state, reason = '' }) {
      // A feature may have several clients; it is up when none of them is down.
      const down = Math.max(0, (downByFeature.get(feature) ?? 0) + (state === 'up' ? -1 : 1));
      downByFeature.set(feature, down);
      isUp.set({ feature }, down === 0 ? 1 : 0);
      if (state === 'down') outages.inc({ feature, reason });
    }),
    listen('redis-error', () => errors.inc()),
  ];

  return function stop() {
    for (const unlisten of stops) unlisten();
    for (const metric of [
      decisions,
      operations,
      lives,
      responses,
      lookups,
      outages,
      errors,
      isUp,
      duration,
    ]) {
      registry.removeSingleMetric((metric as unknown as { name: string }).name);
    }
  };
}

function listen<Event>(name: string, onEvent: (event: Event) => void): () => void {
  const channel = `express-redis-suite:${name}`;
  const listener = (event: unknown) => onEvent(event as Event);
  subscribe(channel, listener);
  return () => void unsubscribe(channel, listener);
}
