/** What could not be forgotten while the store was away: forgotten before it is read here, and as soon as the store is back. */
import { LRUCache } from 'lru-cache';
import type { FillStore } from '../fill/store.js';

export type Forgetting = 'drop' | 'expire' | 'purgeTag' | 'expireTag';

/** Beyond these the oldest is left to its freshness. */
const MAX_KEYS = 10_000;
const MAX_TAGS = 1_000;
const RETRY_EVERY_MS = 250;
const RETRIES_AT_ONCE = 100;

export class Debts {
  readonly #store: Pick<FillStore, Forgetting>;
  readonly #keys = new LRUCache<string, Forgetting>({ max: MAX_KEYS });
  readonly #tags = new LRUCache<string, Forgetting>({ max: MAX_TAGS });
  #retry: NodeJS.Timeout | undefined;

  constructor(store: Pick<FillStore, Forgetting>) {
    this.#store = store;
  }

  /** No page says beforehand which tags it carries. */
  mayConcern(key: string): boolean {
    return this.#tags.size > 0 || this.#keys.has(key);
  }

  /** Rejects as the store does; from then on it is owed. */
  async forget(act: Forgetting, name: string): Promise<void> {
    const debts = this.#debtsOf(act);
    try {
      await this.#store[act](name);
      if (debts.get(name) === act) debts.delete(name);
    } catch (error) {
      if (!isHard(debts.get(name))) debts.set(name, act);
      this.#payLater();
      throw error;
    }
  }

  /** What may concern a page that is about to be read. */
  async pay(key: string): Promise<void> {
    const act = this.#keys.get(key);
    if (act !== undefined) await this.forget(act, key);
    await Promise.all([...this.#tags].map(([tag, act]) => this.forget(act, tag)));
  }

  /** Other processes may serve it meanwhile, so this does not wait until somebody asks here. */
  #payLater(): void {
    this.#retry ??= setTimeout(async () => {
      await this.#payAll();
      this.#retry = undefined;
      if (this.#keys.size + this.#tags.size > 0) this.#payLater();
    }, RETRY_EVERY_MS).unref();
  }

  async #payAll(): Promise<void> {
    const owed = [...this.#tags, ...this.#keys];
    while (owed.length > 0) {
      const attempts = owed
        .splice(0, RETRIES_AT_ONCE)
        // Who has read it meanwhile has paid.
        .filter(([name, act]) => this.#debtsOf(act).get(name) === act)
        .map(([name, act]) => this.forget(act, name));
      const results = await Promise.allSettled(attempts);
      if (results.length > 0 && results.every(({ status }) => status === 'rejected')) return;
    }
  }

  #debtsOf(act: Forgetting): LRUCache<string, Forgetting> {
    return act.endsWith('Tag') ? this.#tags : this.#keys;
  }
}

function isHard(act: Forgetting | undefined): boolean {
  return act === 'drop' || act === 'purgeTag';
}
