/** The same window within this process: O(log n) a hit, and no timer. */
import { type Demand, type Period, type Shape, spanMicros, type Verdict, type Window } from './window.js';

/** A client that floods us with identities gets the least recently seen ones forgotten. */
const MAX_KEYS = 250_000;
/** Expired keys looked for at each hit; more than one, so that they go faster than they can come. */
const SWEPT_PER_HIT = 2;
/** Entries that have left stay in the arrays until they are worth the copying. */
const COMPACT_FROM = 64;

/** Entries in the order of time: when each was taken, in microseconds, and the units taken up to and with it. */
interface Hits {
  times: number[];
  totals: number[];
  shutUntil: number;
}

interface Look extends Pick<Verdict, 'used' | 'which'> {
  readonly resetMs: number;
  readonly retryMicros: number;
}

export class MemoryWindow implements Window {
  readonly #windowMicros: number;
  readonly #further: readonly Period[];
  readonly #spanMicros: number;
  readonly #blockMicros: number;
  readonly #clock: () => number;
  /** In the order of last use, so that expired keys are at the front. */
  readonly #hits = new Map<string, Hits>();
  /** Keys that are shut, for longer than a window, maybe: among the others they would hold up the sweep. */
  readonly #shut = new Map<string, Hits>();

  /** @param clock milliseconds, monotonic */
  constructor(shape: Shape, clock: () => number = () => performance.now()) {
    this.#windowMicros = Math.round(shape.windowMs * 1000);
    this.#further = shape.further ?? [];
    this.#spanMicros = spanMicros(shape);
    this.#blockMicros = Math.round((shape.blockMs ?? 0) * 1000);
    this.#clock = clock;
  }

  /** Keys in memory. */
  get size(): number {
    return this.#hits.size + this.#shut.size;
  }

  take(key: string, { cost, limit, record }: Demand): Verdict & { readonly resetMs: number } {
    const clock = Math.floor(this.#clock() * 1000);
    this.#sweep(clock);
    const hits = this.#find(key) ?? { times: [], totals: [], shutUntil: 0 };
    compact(hits, clock - this.#windowMicros);

    const wasShut = hits.shutUntil > clock;
    const isAllowed = !wasShut && this.#look(hits, clock, cost, limit).retryMicros === 0;
    const units = unitsToRecord(isAllowed, cost, limit, record);
    const mark = units > 0 ? this.#append(hits, clock, units) : 0;
    const { used, resetMs, retryMicros, which } = this.#look(hits, clock, isAllowed ? 0 : cost, limit);
    // Of rejections only the newest `limit` units decide anything.
    if (units > 0 && !isAllowed) forgetFirst(hits, totalOf(hits) - limit);
    const isShutNow = !isAllowed && !wasShut && record !== 'never' && this.#blockMicros > 0;
    if (isShutNow) hits.shutUntil = clock + this.#blockMicros;
    if (units > 0 || isShutNow) this.#keep(key, hits, clock);

    const retryMs = isAllowed ? 0 : Math.max(retryMicros, hits.shutUntil - clock, 0) / 1000;
    const beyond = units > 0 ? cost - units : 0;
    return { isAllowed, used: used + beyond, resetMs, retryMs, mark, which };
  }

  refund(key: string, mark: number, cost: number): boolean {
    const hits = this.#find(key);
    if (hits === undefined || mark <= Math.floor(this.#clock() * 1000) - this.#windowMicros) return false;
    const index = firstAbove(hits.times, mark - 1);
    return hits.times[index] === mark && takeBack(hits, index, cost) > 0;
  }

  /** For stores that cannot say which hit they mean. */
  refundNewest(key: string): void {
    const hits = this.#find(key);
    const newest = hits?.times.at(-1);
    if (newest !== undefined) this.refund(key, newest, 1);
  }

  forget(key: string): void {
    this.#hits.delete(key);
    this.#shut.delete(key);
  }

  forgetAll(): void {
    this.#hits.clear();
    this.#shut.clear();
  }

  #find(key: string): Hits | undefined {
    return this.#hits.get(key) ?? this.#shut.get(key);
  }

  /** The tightest window as it is now, and how long until `cost` fits into all. */
  #look(hits: Hits, clock: number, cost: number, limit: number): Look {
    let retryMicros = 0;
    let least = Number.POSITIVE_INFINITY;
    let tightest = { used: 0, resetMs: 0, which: 0 };
    for (let which = 0; which <= this.#further.length; which += 1) {
      const period = which === 0 ? undefined : this.#further[which - 1];
      const windowMicros = period === undefined ? this.#windowMicros : Math.round(period.windowMs * 1000);
      const most = period?.limit ?? limit;
      const first = firstAbove(hits.times, clock - windowMicros);
      const used = totalOf(hits) - (hits.totals[first - 1] ?? 0);
      const waitMicros = used + cost > most ? untilFits(hits, cost, most, windowMicros, clock) : 0;
      retryMicros = Math.max(retryMicros, waitMicros);
      const rank = waitMicros > 0 ? -waitMicros : most - used;
      if (rank >= least) continue;
      least = rank;
      const oldest = hits.times[first] ?? clock;
      tightest = { used, resetMs: (oldest + windowMicros - clock) / 1000, which };
    }
    return { ...tightest, retryMicros };
  }

  /** Returns the time of the entry. */
  #append({ times, totals }: Hits, clock: number, units: number): number {
    const newest = times.at(-1) ?? 0;
    const span = this.#spanMicros;
    const time = span > 0 ? Math.max(Math.ceil(clock / span) * span, newest) : Math.max(clock, newest + 1);
    const total = (totals.at(-1) ?? 0) + units;
    if (times.length > 0 && time === newest) totals.pop();
    else times.push(time);
    totals.push(total);
    return time;
  }

  #keep(key: string, hits: Hits, clock: number): void {
    this.forget(key);
    const keys = hits.shutUntil > clock ? this.#shut : this.#hits;
    keys.set(key, hits);
  }

  #sweep(clock: number): void {
    const isOver = ({ times, shutUntil }: Hits) =>
      shutUntil <= clock && (times.at(-1) ?? 0) <= clock - this.#windowMicros;
    this.#drop(this.#hits, this.#shut, isOver);
    if (this.#shut.size > 0) this.#drop(this.#shut, this.#hits, isOver);
  }

  #drop(keys: Map<string, Hits>, others: Map<string, Hits>, isOver: (hits: Hits) => boolean): void {
    let looks = SWEPT_PER_HIT;
    for (const [key, hits] of keys) {
      // The greater crowd makes room: a flood of identities does not push out the blocks, nor blocks the others.
      const isCrowd = this.size > MAX_KEYS && keys.size >= others.size;
      if (looks === 0 || !(isCrowd || isOver(hits))) return;
      keys.delete(key);
      looks -= 1;
    }
  }
}

function unitsToRecord(isAllowed: boolean, cost: number, limit: number, record: Demand['record']): number {
  if (record === 'never') return 0;
  if (isAllowed) return cost;
  return record === 'always' ? Math.min(cost, limit) : 0;
}

function totalOf({ totals }: Hits): number {
  return totals.at(-1) ?? 0;
}

function untilFits(
  { times, totals }: Hits,
  cost: number,
  limit: number,
  windowMicros: number,
  clock: number,
) {
  if (cost > limit) return Number.POSITIVE_INFINITY;
  const leaves = firstAbove(totals, (totals.at(-1) ?? 0) + cost - limit - 1);
  return Math.max(1, (times[leaves] ?? clock) + windowMicros - clock);
}

/** Drops what has left, but for the newest of it: that is where counting starts. */
function compact(hits: Hits, cutoff: number): void {
  const isEmpty = (hits.times.at(-1) ?? 0) <= cutoff;
  const left = isEmpty ? hits.times.length : firstAbove(hits.times, cutoff) - 1;
  if (!isEmpty && (left < COMPACT_FROM || left * 2 < hits.times.length)) return;
  hits.times = hits.times.slice(left);
  hits.totals = hits.totals.slice(left);
}

/** Counting starts after the first `count` units: an entry before all time stands for them. */
function forgetFirst(hits: Hits, count: number): void {
  if (count <= 0) return;
  const kept = firstAbove(hits.totals, count);
  hits.times = [Number.NEGATIVE_INFINITY, ...hits.times.slice(kept)];
  hits.totals = [count, ...hits.totals.slice(kept)];
}

/** Returns the units taken back; the entries after it count on from less. */
function takeBack({ times, totals }: Hits, index: number, cost: number): number {
  const weight = (totals[index] as number) - (totals[index - 1] ?? 0);
  const units = Math.min(weight, cost);
  for (let after = index; after < totals.length; after += 1)
    totals[after] = (totals[after] as number) - units;
  if (units < weight) return units;
  times.splice(index, 1);
  totals.splice(index, 1);
  return units;
}

/** Where the first number above `bound` is; the length when there is none. */
function firstAbove(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
