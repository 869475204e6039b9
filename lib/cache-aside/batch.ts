/** One load for all keys of a list that nobody has: it begins when it is known of each key whether it must be loaded. */

/** Loads several keys at once; a key that is not among the entries is a missing row. */
export type LoadMissing<Value> = (
  keys: readonly string[],
) => Promise<Iterable<readonly [string, Value]>> | Iterable<readonly [string, Value]>;

interface Wish<Value> {
  resolve(value: Value | undefined): void;
  reject(error: unknown): void;
}

export class Batch<Value> {
  readonly #loadMissing: LoadMissing<Value>;
  readonly #undecided: Set<string>;
  #wishes = new Map<string, Wish<Value>>();
  #isPlanned = false;

  constructor(keys: readonly string[], loadMissing: LoadMissing<Value>) {
    this.#undecided = new Set(keys);
    this.#loadMissing = loadMissing;
  }

  /** This key must be loaded. */
  load(key: string): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#wishes.set(key, { resolve, reject });
      this.decide(key);
    });
  }

  /** The others need not wait for this key: it is there, or somebody else loads it. */
  decide(key: string): void {
    this.#undecided.delete(key);
    if (this.#isPlanned || this.#undecided.size > 0 || this.#wishes.size === 0) return;
    this.#isPlanned = true;
    // What is decided in the same turn goes along.
    queueMicrotask(() => this.#loadAll());
  }

  async #loadAll(): Promise<void> {
    const wishes = this.#wishes;
    this.#wishes = new Map();
    this.#isPlanned = false;
    try {
      const loaded = new Map(await this.#loadMissing([...wishes.keys()]));
      for (const [key, wish] of wishes) wish.resolve(loaded.get(key));
    } catch (error) {
      for (const wish of wishes.values()) wish.reject(error);
    }
  }
}
