/** Writing what a store caches: keys are marked before and unmarked after, and what fails of that is made good. */
import type { FillStore, Mark } from './store.js';
import { newToken } from './token.js';

export interface WritersOptions {
  /** How long a mark lasts that nobody keeps up, in milliseconds: what a writer that dies costs. */
  readonly markMs: number;
  /** Called with each key that this process has changed. */
  readonly onChanged: (key: string) => void;
}

/** Ends a mark. */
export type EndMark = (mark: Mark) => Promise<unknown>;

const RETRY_EVERY_MS = 250;
const RETRIES_AT_ONCE = 100;
/** Beyond this the oldest is given up, and its TTL bounds how long an old value may be served. */
const MAX_UNDONE = 100_000;

/**
 * The textbook pattern (delete after the write) has three holes: a reader that holds the old value sets it back, the
 * writer dies before it deletes, the delete fails. A mark, set before the write, closes the first two: nothing is
 * stored or served under it, and it ends by itself. Against the third this process remembers the key, believes nothing
 * that the store holds for it, and tries again until it is done.
 */
export class Writers {
  readonly #store: FillStore;
  readonly #options: WritersOptions;
  /** How many writes of this process are under way, by key. */
  readonly #atWork = new Map<string, number>();
  /** Keys that may hold an old value because a call failed, each with a mark that may still stand. */
  readonly #undone = new Map<string, string>();
  #retry: NodeJS.Timeout | undefined;

  constructor(store: FillStore, options: WritersOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Whether this process may serve what the store holds for a key; tries first to make good what failed. */
  mayServe(key: string): boolean | Promise<boolean> {
    if (this.#atWork.has(key)) return false;
    return !this.#undone.has(key) || this.#undo(key);
  }

  /**
   * Runs `write` under marks on `keys`, and ends them when it is done or has failed, as `endWith` says of its result.
   *
   * Never fails because of the store: a write to the database matters more than its cache.
   */
  async run<Result>(
    keys: readonly string[],
    write: () => Promise<Result>,
    endWith: (result: Result) => EndMark = () => this.#unmark,
  ): Promise<Result> {
    const token = newToken();
    const distinct = [...new Set(keys)];
    for (const key of distinct) this.#atWork.set(key, (this.#atWork.get(key) ?? 0) + 1);
    const marks = await Promise.all(distinct.map((key) => this.#mark(key, token)));
    const stopKeeping = this.#keepMarks(distinct, token);

    let endMark: EndMark = this.#unmark;
    try {
      const result = await write();
      endMark = endWith(result);
      return result;
    } finally {
      await stopKeeping();
      await Promise.all(marks.map((mark) => this.#end(mark, endMark)));
    }
  }

  /** Forgets a key; true when there was a value, false when there was none or the store cannot be reached just now. */
  async drop(key: string): Promise<boolean> {
    try {
      return await this.#store.drop(key);
    } catch {
      this.remember(key, newToken());
      return false;
    } finally {
      this.#options.onChanged(key);
    }
  }

  /** The key may hold an old value, and the mark `token` may stand on it: served from by nobody here until undone. */
  remember(key: string, token: string): void {
    this.#undone.delete(key);
    this.#undone.set(key, token);
    const [oldest] = this.#undone.keys();
    if (this.#undone.size > MAX_UNDONE && oldest !== undefined) this.#undone.delete(oldest);
    this.#retryLater();
  }

  readonly #unmark: EndMark = ({ key, token }) => this.#store.unmark(key, token);

  /** Failing to mark is made good by failing to unmark, or by unmarking. */
  async #mark(key: string, token: string): Promise<Mark> {
    const since = 0;
    return this.#store.mark(key, token, this.#options.markMs).catch(() => ({ key, token, since }));
  }

  /** Returns what ends it: nothing of it must reach the store after the marks have ended. */
  #keepMarks(keys: readonly string[], token: string): () => Promise<unknown> {
    let kept: Promise<unknown> = Promise.resolve();
    const { markMs } = this.#options;
    const keep = () => {
      kept = Promise.all(keys.map((key) => quietly(this.#store.keepMark(key, token, markMs))));
    };
    const timer = setInterval(keep, markMs / 3).unref();

    return function stopKeeping() {
      clearInterval(timer);
      return kept;
    };
  }

  async #end(mark: Mark, endMark: EndMark): Promise<void> {
    const { key } = mark;
    try {
      await endMark(mark);
    } catch {
      this.remember(key, mark.token);
    }
    const others = (this.#atWork.get(key) ?? 1) - 1;
    if (others === 0) this.#atWork.delete(key);
    else this.#atWork.set(key, others);
    this.#options.onChanged(key);
  }

  /** Whether it is made good. */
  async #undo(key: string): Promise<boolean> {
    const token = this.#undone.get(key);
    if (token === undefined) return true;
    try {
      await this.#store.unmark(key, token);
    } catch {
      return false;
    }
    // Another call may have failed meanwhile.
    if (this.#undone.get(key) === token) this.#undone.delete(key);
    return !this.#undone.has(key) && !this.#atWork.has(key);
  }

  /** Other processes may read the old value meanwhile, so this does not wait until somebody asks here. */
  #retryLater(): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(async () => {
      await this.#undoAll();
      this.#retry = undefined;
      if (this.#undone.size > 0) this.#retryLater();
    }, RETRY_EVERY_MS).unref();
  }

  async #undoAll(): Promise<void> {
    const keys = [...this.#undone.keys()];
    while (keys.length > 0) {
      const undone = await Promise.all(keys.splice(0, RETRIES_AT_ONCE).map((key) => this.#undo(key)));
      if (!undone.includes(true)) return;
    }
  }
}

function quietly(call: Promise<unknown>): Promise<unknown> {
  return call.catch(() => {});
}
