// A process of its own with a cache: it does what it is told over IPC, and tells how often it loaded.
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { type Cache, createCache, type LoadOptions } from '../../lib/cache-aside/index.js';

export type Order =
  | {
      readonly ask: string;
      readonly times: number;
      readonly loadMs: number;
      readonly fails?: boolean;
      readonly options?: LoadOptions;
    }
  /** Commits and never comes back. */
  | { readonly commit: string }
  /** Begins to load and never comes back. */
  | { readonly load: string };

export interface Asked {
  readonly is: 'asked';
  readonly loads: number;
  /** What all who asked were given, and the messages of what they were rejected with. */
  readonly values: readonly unknown[];
  readonly errors: readonly string[];
  /** Until the last of them had it, in milliseconds. */
  readonly tookMs: number;
}

/** `begun` comes unasked for, whenever a load begins. */
export type Answer = { readonly is: 'ready' | 'committed' | 'loading' | 'begun' } | Asked;

const answer = (message: Answer) => process.send?.(message);

/** Says where it is, and stays there. */
function stay(message: Answer): Promise<never> {
  answer(message);
  return new Promise(() => {});
}

async function obey(cache: Cache, order: Order): Promise<void> {
  if ('commit' in order) {
    await cache.write(order.commit, () => stay({ is: 'committed' }));
  } else if ('load' in order) {
    await cache.getOrLoad(order.load, () => stay({ is: 'loading' }));
  } else {
    const { loadMs, fails = false, options = {} } = order;
    let loads = 0;
    async function load() {
      loads += 1;
      answer({ is: 'begun' });
      await sleep(loadMs);
      if (fails) throw new Error('the database is away');
      return `loaded by ${process.pid}`;
    }
    const startedAt = performance.now();
    const asked = Array.from({ length: order.times }, () => cache.getOrLoad(order.ask, load, options));
    const outcomes = await Promise.allSettled(asked);
    const values = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [String(outcome.reason.message)] : [],
    );
    answer({ is: 'asked', values, errors, loads, tookMs: performance.now() - startedAt });
  }
}

async function work(): Promise<void> {
  const { url, namespace, markMs, leaseMs } = JSON.parse(process.argv[2] ?? '{}');
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  const cache = createCache({ client, namespace, markMs, leaseMs, deadlineMs: 5_000 });
  process.on('message', (order: Order) => obey(cache, order));
  process.on('disconnect', () => process.exit());
  answer({ is: 'ready' });
}

work();
