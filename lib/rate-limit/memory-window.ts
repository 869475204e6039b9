/** The same window within this process: amortised O(1) a hit, and no timer. */
import type { Demand, Verdict, Window } from './window.js';

/** A client that floods us with identities gets the least recently seen ones forgotten. */
const MAX_KEYS = 250_000;
/** Expired keys looked for at each hit; more than one, so that they go faster than they can come. */
const SWEPT_PER_HIT = 2;
/** Units that have left stay in the array until they are worth the copying. */
const COMPACT_FROM = 64;

/** Times in microseconds, strictly increasing; those before `head` have left. */
interface Units {
  times: number[];
  head: number;
}

export class MemoryWindow implements Window {
  readonly #windowMicros: number;
  readonly #clock: () => number;
  /** In the order of last use, so that expired keys are at the front. */
  readonly #units = new Map<string, Units>();

  /** @param clock milliseconds, monotonic */
  constructor(windowMs: number, clock: () => number = () => performance.now()) {
    this.#windowMicros = Math.round(windowMs * 1000);
    this.#clock = clock;
  }

  /** Keys in memory. */
  get size(): number {
    return this.#units.size;
  }

  take(key: string, { cost, limit, record }: Demand): Verdict & { readonly resetMs: number } {
    const clock = this.#nowMicros();
    this.#sweep(clock);
    const units = this.#units.get(key) ?? { times: [], head: 0 };
    const now = Math.max(clock, (units.times.at(-1) ?? 0) + 1);
    dropUntil(units, clock - this.#windowMicros);

    const used = live(units);
    const isAllowed = used + cost <= limit;
    const recorded = unitsToRecord(isAllowed, cost, limit, record);
    if (recorded > 0) this.#append(key, units, now, recorded);
    // Only the newest `limit` units decide anything.
    if (!isAllowed && recorded > 0) units.head = Math.max(units.head, units.times.length - limit);

    return {
      isAllowed,
      used: recorded > 0 ? used + cost : used,
      resetMs: this.#untilLeaves(units, 0, clock) ?? this.#windowMicros / 1000,
      retryMs: isAllowed ? 0 : this.#untilFits(units, cost, limit, clock),
      mark: recorded > 0 ? now : 0,
    };
  }

  refund(key: string, mark: number, cost: number): boolean {
    const units = this.#units.get(key);
    if (units === undefined) return false;
    const first = indexOf(units.times, mark);
    let end = first;
    while ((units.times[end] ?? Number.POSITIVE_INFINITY) < mark + cost) end += 1;
    if (end === first || end <= units.head) return false;
    units.times.splice(first, end - first);
    units.head = Math.min(units.head, first);
    return true;
  }

  /** For stores that cannot say which hit they mean. */
  refundNewest(key: string): void {
    const units = this.#units.get(key);
    if (units !== undefined && live(units) > 0) units.times.pop();
  }

  forget(key: string): void {
    this.#units.delete(key);
  }

  forgetAll(): void {
    this.#units.clear();
  }

  #nowMicros(): number {
    return Math.floor(this.#clock() * 1000);
  }

  #append(key: string, units: Units, now: number, count: number): void {
    for (let unit = 0; unit < count; unit += 1) units.times.push(now + unit);
    this.#units.delete(key);
    this.#units.set(key, units);
  }

  #untilFits(units: Units, cost: number, limit: number, clock: number): number {
    if (cost > limit) return Number.POSITIVE_INFINITY;
    return this.#untilLeaves(units, live(units) + cost - limit - 1, clock) ?? 0;
  }

  #untilLeaves(units: Units, rank: number, clock: number): number | undefined {
    const time = units.times[units.head + rank];
    return time === undefined ? undefined : (time + this.#windowMicros - clock) / 1000;
  }

  #sweep(clock: number): void {
    let looks = SWEPT_PER_HIT;
    for (const [key, { times }] of this.#units) {
      const isExpired = (times.at(-1) ?? 0) <= clock - this.#windowMicros;
      if (!isExpired && this.#units.size <= MAX_KEYS) return;
      this.#units.delete(key);
      looks -= 1;
      if (looks === 0) return;
    }
  }
}

function unitsToRecord(isAllowed: boolean, cost: number, limit: number, record: Demand['record']): number {
  if (record === 'never') return 0;
  if (isAllowed) return cost;
  return record === 'always' ? Math.min(cost, limit) : 0;
}

function live({ times, head }: Units): number {
  return times.length - head;
}

function dropUntil(units: Units, cutoff: number): void {
  while ((units.times[units.head] ?? Number.POSITIVE_INFINITY) <= cutoff) units.head += 1;
  if (units.head < COMPACT_FROM || units.head * 2 < units.times.length) return;
  units.times = units.times.slice(units.head);
  units.head = 0;
}

/** Where `time` is, or would be. */
function indexOf(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
