/** The same window within this process: O(log n) a hit, and no timer. */
import { baseOf, compact, firstAbove, firstLive, type Hits, takeBack, totalOf, untilFits } from './hits.js';
import { type Demand, type Period, type Shape, spanMicros, type Verdict, type Window } from './window.js';

/** A client that floods us with identities gets the least recently seen ones forgotten. */
const MAX_KEYS = 250_000;
/** Expired keys looked for at each hit; more than one, so that they go faster than they can come. */
const SWEPT_PER_HIT = 2;

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
    const hits = this.#find(key) ?? { times: [], totals: [], base: 0, shutUntil: 0 };
    compact(hits, clock - this.#windowMicros);

    const wasShut = hits.shutUntil > clock;
    const isAllowed = !wasShut && this.#look(hits, clock, cost, limit).retryMicros === 0;
    const units = unitsToRecord(isAllowed, cost, limit, record);
    const live = totalOf(hits) - baseOf(hits, firstLive(hits, clock - this.#windowMicros));
    const mark = units > 0 ? this.#append(hits, clock, units) : 0;
    const { used, resetMs, retryMicros, which } = this.#look(hits, clock, isAllowed ? 0 : cost, limit);
    // Of rejections only the newest units decide anything: as many as the limit, or as were live, for other requests may
    // have a greater limit.
    if (units > 0 && !isAllowed) hits.base = Math.max(hits.base, totalOf(hits) - Math.max(limit, live));
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
      const first = firstLive(hits, clock - windowMicros);
      const used = totalOf(hits) - baseOf(hits, first);
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
