/** A table of one row that is slow enough to be caught in the act, and gates to hold a step of an interleaving. */
import { type Cache, type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { connect, type TestClient } from '../support/redis.js';

/** Opens when `step` is reached, and holds it there until it is let go. */
export class Hold {
  readonly reached: Promise<void>;
  readonly #reached = gate();
  readonly #gone = gate();

  constructor() {
    this.reached = this.#reached.passed;
  }

  async step(): Promise<void> {
    this.#reached.open();
    await this.#gone.passed;
  }

  letGo(): void {
    this.#gone.open();
  }
}

function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

/** A cache on the shared Redis with a client of its own, as another process would have. */
export async function openCache(
  namespace: string,
  options: CacheOptions = {},
  url?: string,
): Promise<{ cache: Cache; client: TestClient }> {
  const client: TestClient = await connect(url);
  // Generous, for a busy machine must not look like an outage; tests of outages set their own.
  const cache = createCache({ client, namespace, deadlineMs: 2_000, ...options });
  return { cache, client };
}

/** All keys of a namespace, each with its TTL in milliseconds. */
export async function keysOf(client: TestClient, namespace: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const keys of client.scanIterator({ MATCH: `${namespace}:*`, COUNT: 1_000 })) {
    for (const key of keys) found.set(key, await client.pTTL(key));
  }
  return found;
}
