/** Reading: one key or many, loading what is not there. */
import type { FillRequest } from '../fill/fill.js';
import { passTrouble } from '../fill/lease.js';
import type { Reading } from '../fill/store.js';
import { findIn } from '../fill/usable.js';
import { Batch, type LoadMissing } from './batch.js';
import type { Cache } from './cache.js';
import { type Context, FIELD } from './context.js';
import { type LoadOptions, type ResolvedEntry, resolveEntry } from './entry-options.js';

export type Reads = Pick<Cache, 'get' | 'getMany' | 'getOrLoad' | 'loadMany' | 'wrap'>;

interface Key {
  readonly asked: string;
  readonly spelled: string;
  readonly mayServe: boolean;
  /** Undefined in an outage. */
  readonly reading: Reading | undefined;
}

export function readsOf(context: Context): Reads {
  const { store, filler, writers, options } = context;

  const get: Reads['get'] = async function get<Value>(key: string) {
    const startedAt = performance.now();
    const request = context.find<Value>(context.spell(key), options.entry);
    const found = (await writers.mayServe(request.key)) ? await filler.find(request) : undefined;
    context.publish(found === undefined ? 'miss' : 'hit', startedAt);
    return found?.value;
  };

  const getMany: Reads['getMany'] = async function getMany<Value>(keys: readonly string[]) {
    const startedAt = performance.now();
    const values = new Map<string, Value>();
    for (const { asked, spelled, mayServe, reading } of await readAll(keys)) {
      const found = mayServe ? findIn(context.find<Value>(spelled, options.entry), reading) : undefined;
      if (found !== undefined) values.set(asked, found.value);
      context.publish(found === undefined ? 'miss' : 'hit', startedAt);
    }
    return values;
  };

  const getOrLoad: Reads['getOrLoad'] = async function getOrLoad<Value>(
    key: string,
    load: () => Promise<Value> | Value,
    given: LoadOptions<Value> = {},
  ) {
    const startedAt = performance.now();
    const request = requestFor(context.spell(key), load, resolveEntry(given, options.entry));
    const mayServe = await writers.mayServe(request.key);
    const filled = await (mayServe ? filler.get(request) : filler.getAround(request));
    context.publish(filled.outcome, startedAt);
    return filled.value;
  };

  const loadMany: Reads['loadMany'] = async function loadMany<Value>(
    keys: readonly string[],
    loadMissing: LoadMissing<Value>,
    given: LoadOptions<Value> = {},
  ) {
    const startedAt = performance.now();
    const entry = resolveEntry(given, options.entry);
    const read = await readAll(keys);
    const batch = new Batch(
      read.map(({ asked }) => asked),
      loadMissing,
    );

    async function loadOne({ asked, spelled, mayServe, reading }: Key): Promise<[string, Value | undefined]> {
      const onWait = () => batch.decide(asked);
      const request = requestFor(spelled, () => batch.load(asked), entry, onWait);
      const filled = await (mayServe ? filler.get(request, reading) : filler.getAround(request)).finally(
        onWait,
      );
      context.publish(filled.outcome, startedAt);
      return [asked, filled.value];
    }
    return new Map(await Promise.all(read.map(loadOne)));
  };

  const wrap: Reads['wrap'] = function wrap(load, { key, ...given }) {
    return function cached(...args) {
      return getOrLoad(key(...args), () => load(...args), given);
    };
  };

  return { get, getMany, getOrLoad, loadMany, wrap };

  function requestFor<Value>(
    spelled: string,
    load: () => Promise<Value> | Value,
    entry: ResolvedEntry,
    onWait: () => void = () => {},
  ): FillRequest<Value> {
    async function loadAndPack() {
      const startedAt = performance.now();
      const value = await load();
      return context.pack(value, entry, performance.now() - startedAt);
    }
    const { softTimeoutMs } = entry;
    const { key, field, judge, read } = context.find<Value>(spelled, entry);
    return { key, field, judge, read, load: loadAndPack, softTimeoutMs, onWait };
  }

  /** Each key once. */
  async function readAll(keys: readonly string[]): Promise<readonly Key[]> {
    const spelled = [...new Set(keys)].map((asked) => ({ asked, spelled: context.spell(asked) }));
    const all = await Promise.all(
      spelled.map(async (key) => ({ ...key, mayServe: await writers.mayServe(key.spelled) })),
    );
    const readings = await store
      .readMany(
        all.map((key) => key.spelled),
        [FIELD],
      )
      .catch(passTrouble);
    return all.map((key, i) => ({ ...key, reading: readings?.[i] }));
  }
}
