/** The hits of one client in this process: two arrays in the order of time. */

/** Entries in the order of time: when each was taken, in microseconds, and the units taken up to and with it. */
export interface Hits {
  times: number[];
  totals: number[];
  /** Where counting starts: units that a later rejection has pushed out count no more. */
  base: number;
  shutUntil: number;
}

/** Entries that have left stay in the arrays until they are worth the copying. */
const COMPACT_FROM = 64;
/** Above 2^53 a running count would lose units. */
const GREATEST_TOTAL = 1e15;

export function totalOf({ totals }: Hits): number {
  return totals.at(-1) ?? 0;
}

export function untilFits(
  { times, totals }: Hits,
  cost: number,
  limit: number,
  windowMicros: number,
  clock: number,
): number {
  if (cost > limit) return Number.POSITIVE_INFINITY;
  const leaves = firstAbove(totals, (totals.at(-1) ?? 0) + cost - limit - 1);
  return Math.max(1, (times[leaves] ?? clock) + windowMicros - clock);
}

/** Drops what has left, when that is worth it. */
export function compact(hits: Hits, cutoff: number): void {
  const isEmpty = (hits.times.at(-1) ?? 0) <= cutoff;
  const first = isEmpty ? hits.times.length : firstLive(hits, cutoff);
  const isTooLong = totalOf(hits) > GREATEST_TOTAL;
  if (!isEmpty && !isTooLong && (first < COMPACT_FROM || first * 2 < hits.times.length)) return;
  const base = isEmpty ? totalOf(hits) : baseOf(hits, first);
  hits.times = hits.times.slice(first);
  hits.totals = hits.totals.slice(first).map((total) => total - base);
  hits.base = 0;
}

/** The index of the oldest hit that counts in a window. */
export function firstLive({ times, totals, base }: Hits, cutoff: number): number {
  const first = firstAbove(times, cutoff);
  return base > 0 ? Math.max(first, firstAbove(totals, base)) : first;
}

/** The units that do not count in a window whose oldest hit is that. */
export function baseOf({ totals, base }: Hits, first: number): number {
  return Math.max(totals[first - 1] ?? 0, base);
}

/** Returns the units taken back; the entries after it count on from less. */
export function takeBack(hits: Hits, index: number, cost: number): number {
  const { times, totals } = hits;
  const weight = Math.max(0, (totals[index] as number) - baseOf(hits, index));
  const units = Math.min(weight, cost);
  for (let after = index; after < totals.length; after += 1)
    totals[after] = (totals[after] as number) - units;
  // What stands where counting starts has to stay.
  if (units < weight || (totals[index - 1] ?? 0) < hits.base) return units;
  times.splice(index, 1);
  totals.splice(index, 1);
  return units;
}

/** Where the first number above `bound` is; the length when there is none. */
export function firstAbove(ascending: readonly number[], bound: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
