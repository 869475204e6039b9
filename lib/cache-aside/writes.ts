/** Writing: what others have changed is forgotten, what is changed here is held back until it is done. */
import { passTrouble } from '../fill/lease.js';
import { newToken } from '../fill/token.js';
import { type EndMark, keyTarget, type Target, tagTarget } from '../fill/writers.js';
import type { Cache, Written } from './cache.js';
import { type Context, FIELD, type Packed } from './context.js';
import { type EntryOptions, judgedTags, resolveEntry } from './entry-options.js';

export type Writes = Pick<Cache, 'set' | 'delete' | 'invalidateTags' | 'write' | 'writeThrough'>;

/** In one call. */
const MAX_PURGED = 10_000;
const WARNING = { code: 'ERS_UNCACHEABLE_VALUE' };

export function writesOf(context: Context): Writes {
  const { store, filler, writers, options } = context;
  const targetOf = (key: string) => keyTarget(store, context.spell(key));
  let hasWarned = false;

  const set: Writes['set'] = async function set(key, value, given = {}) {
    const target = targetOf(key);
    const packed = context.pack(value, resolveEntry(given, options.entry), 0);
    if (packed.ttlMs === 0) {
      await writers.drop(target);
      return false;
    }
    const isStored = await store.put(context.spell(key), FIELD, packed.value, packed).catch(passTrouble);
    // What was there before may be there still, or again.
    if (isStored === undefined) writers.remember(target, newToken());
    filler.forget(target.key);
    return isStored ?? false;
  };

  const invalidateTags: Writes['invalidateTags'] = async function invalidateTags(...tags) {
    await Promise.all(judgedTags(tags, MAX_PURGED).map((tag) => writers.drop(tagTarget(store, tag))));
  };

  const write: Writes['write'] = async function write(written, change) {
    return writers.run(targetsOf(written), async () => change());
  };

  const writeThrough: Writes['writeThrough'] = async function writeThrough<Value>(
    key: string,
    change: () => Promise<Value> | Value,
    given: EntryOptions<Value> = {},
  ) {
    const entry = resolveEntry(given, options.entry);

    function storeIt(value: Value): EndMark | undefined {
      const packed = packWritten(() => context.pack(value, entry, 0));
      if (packed === undefined || packed.ttlMs === 0) return undefined;
      return (mark) => store.unmarkWith(mark, FIELD, packed.value, packed);
    }
    return writers.run([targetOf(key)], async () => change(), storeIt);
  };

  return { set, delete: async (key) => writers.drop(targetOf(key)), invalidateTags, write, writeThrough };

  function targetsOf(written: Written | readonly Written[]): readonly Target[] {
    const all: readonly Written[] = Array.isArray(written) ? written : [written as Written];
    return all.flatMap((one) =>
      typeof one === 'string' || !Array.isArray(Object(one).tags)
        ? targetOf(one as string)
        : judgedTags(one.tags, MAX_PURGED).map((tag) => tagTarget(store, tag)),
    );
  }

  /** The database has it by now: what cannot be cached is forgotten, and its write does not fail for that. */
  function packWritten(pack: () => Packed): Packed | undefined {
    try {
      return pack();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (!hasWarned) process.emitWarning(`express-redis-suite: written, not cached: ${why}`, WARNING);
      hasWarned = true;
      return undefined;
    }
  }
}
