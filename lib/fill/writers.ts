/** Writing what a store caches: marked before, unmarked after, and what fails of that is made good. */
import type { FillStore, Mark } from './store.js';
import { spellTag } from './tags.js';
import { newToken } from './token.js';

/** What a write concerns: one key, or all that carries one tag. */
export interface Target {
  /** Unlike any other key's or tag's. */
  readonly id: string;
  /** Undefined for a tag, which may be any key's. */
  readonly key: string | undefined;
  mark(token: string, markMs: number): Promise<Mark>;
  keepMark(token: string, markMs: number): Promise<unknown>;
  unmark(token: string): Promise<unknown>;
  /** True when there was a value; for a tag nobody knows. */
  drop(): Promise<boolean>;
}

export function keyTarget(store: FillStore, key: string): Target {
  return {
    id: key,
    key,
    mark: (token, markMs) => store.mark(key, token, markMs),
    keepMark: (token, markMs) => store.keepMark(key, token, markMs),
    unmark: (token) => store.unmark(key, token),
    drop: () => store.drop(key),
  };
}

export function tagTarget(store: FillStore, tag: string): Target {
  const id = tagId(spellTag(tag));
  async function mark(token: string, markMs: number): Promise<Mark> {
    await store.markTag(tag, token, markMs);
    return { key: id, token, since: 0 };
  }
  return {
    id,
    key: undefined,
    mark,
    keepMark: mark,
    unmark: (token) => store.unmarkTag(tag, token),
    drop: () => store.purgeTag(tag).then(() => false),
  };
}

/** The id of a tag that is spelled already. Keys do not begin so. */
export function tagId(spelled: string): string {
  return `#${spelled}`;
}

export interface WritersOptions {
  /** How long a mark lasts that nobody keeps up, in milliseconds: what a writer that dies costs. */
  readonly markMs: number;
  /** Called with each key that this process has changed; without one for those of a tag. */
  readonly onChanged: (key: string | undefined) => void;
}

/** Ends a mark. */
export type EndMark = (mark: Mark) => Promise<unknown>;

/** A mark that FLUSHALL removed is back after that. */
const KEEP_AT_LEAST_EVERY_MS = 1_000;
const RETRY_EVERY_MS = 250;
const RETRIES_AT_ONCE = 100;
/** Beyond this the oldest is given up, and its TTL bounds how long an old value may be served. */
const MAX_UNDONE = 100_000;

/**
 * The textbook pattern (delete after the write) has three holes: a reader that holds the old value sets it back, the
 * writer dies before it deletes, the delete fails. A mark, set before the write, closes the first two: nothing is
 * stored or served under it, and it ends by itself. Against the third this process remembers what it could not delete,
 * believes nothing that the store holds of it, and tries again until it is done.
 */
export class Writers {
  readonly #options: WritersOptions;
  /** How many writes of this process are under way, by target. */
  readonly #atWork = new Map<string, number>();
  /** What may be old in the store because a call failed, each with a mark that may still stand. */
  readonly #undone = new Map<string, { readonly target: Target; readonly token: string }>();
  /** Writes under way here on tags that could not be marked. */
  #unmarked = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: WritersOptions) {
    this.#options = options;
  }

  /** Whether this process may serve what the store holds; tries first to make good what failed. */
  mayServe(id: string): boolean | Promise<boolean> {
    if (this.#atWork.has(id)) return false;
    return !this.#undone.has(id) || this.#undo(id);
  }

  /** The same without trying anything. */
  isHeldBack(id: string): boolean {
    return this.#atWork.has(id) || this.#undone.has(id);
  }

  /** False while nobody can tell whether a load under way concerns what is being written here. */
  mayShareLoads(): boolean {
    return this.#unmarked === 0;
  }

  /**
   * Runs `write` under marks, and ends them when it is done or has failed, as `endWith` says of its result.
   *
   * Never fails because of the store: a write to the database matters more than its cache.
   */
  async run<Result>(
    targets: readonly Target[],
    write: () => Promise<Result>,
    endWith: (result: Result) => EndMark | undefined = () => undefined,
  ): Promise<Result> {
    const token = newToken();
    const distinct = [...new Map(targets.map((target) => [target.id, target])).values()];
    for (const { id } of distinct) this.#atWork.set(id, (this.#atWork.get(id) ?? 0) + 1);
    const marks = await Promise.all(distinct.map((target) => this.#mark(target, token)));
    const stopKeeping = this.#keepMarks(distinct, token);
    const isUnmarked = distinct.some(({ key }, i) => key === undefined && marks[i] === undefined);
    if (isUnmarked) this.#unmarked += 1;

    let endMark: EndMark | undefined;
    try {
      const result = await write();
      endMark = endWith(result);
      return result;
    } finally {
      await stopKeeping();
      await Promise.all(distinct.map((target, i) => this.#end(target, token, marks[i], endMark)));
      if (isUnmarked) this.#unmarked -= 1;
    }
  }

  /** Forgets a target; true when there was a value, false when there was none or the store cannot be reached just now. */
  async drop(target: Target): Promise<boolean> {
    try {
      return await target.drop();
    } catch {
      this.remember(target, newToken());
      return false;
    } finally {
      this.#options.onChanged(target.key);
    }
  }

  /** The store may hold old values, and the mark `token` may stand on them: served by nobody here until undone. */
  remember(target: Target, token: string): void {
    this.#undone.delete(target.id);
    this.#undone.set(target.id, { target, token });
    const [oldest] = this.#undone.keys();
    if (this.#undone.size > MAX_UNDONE && oldest !== undefined) this.#undone.delete(oldest);
    this.#retryLater();
  }

  /** Failing to mark is made good by failing to unmark, or by unmarking. */
  #mark(target: Target, token: string): Promise<Mark | undefined> {
    return target.mark(token, this.#options.markMs).catch(() => undefined);
  }

  /** Returns what ends it: nothing of it must reach the store after the marks have ended. */
  #keepMarks(targets: readonly Target[], token: string): () => Promise<unknown> {
    let kept: Promise<unknown> = Promise.resolve();
    const { markMs } = this.#options;
    const keep = () => {
      kept = Promise.all(targets.map((target) => target.keepMark(token, markMs).catch(() => {})));
    };
    const timer = setInterval(keep, Math.min(markMs / 3, KEEP_AT_LEAST_EVERY_MS)).unref();

    return function stopKeeping() {
      clearInterval(timer);
      return kept;
    };
  }

  async #end(target: Target, token: string, mark?: Mark, endMark?: EndMark): Promise<void> {
    const { id } = target;
    try {
      await (mark === undefined || endMark === undefined ? target.unmark(token) : endMark(mark));
    } catch {
      this.remember(target, token);
    }
    const others = (this.#atWork.get(id) ?? 1) - 1;
    if (others === 0) this.#atWork.delete(id);
    else this.#atWork.set(id, others);
    this.#options.onChanged(target.key);
  }

  /** Whether it is made good; what fails goes behind the others, which may be on nodes that can be reached. */
  async #undo(id: string): Promise<boolean> {
    const undone = this.#undone.get(id);
    if (undone === undefined) return true;
    try {
      await undone.target.unmark(undone.token);
    } catch {
      if (this.#undone.get(id) === undone) this.remember(undone.target, undone.token);
      return false;
    }
    if (this.#undone.get(id) === undone) this.#undone.delete(id);
    return !this.isHeldBack(id);
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
    const ids = [...this.#undone.keys()];
    while (ids.length > 0) {
      const undone = await Promise.all(ids.splice(0, RETRIES_AT_ONCE).map((id) => this.#undo(id)));
      if (!undone.includes(true)) return;
    }
  }
}
