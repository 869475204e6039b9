// The sliding window once more, as plainly as it can be said: a list of hits and a clock. It is what the others are held to.
import type { Demand, Shape } from '../../lib/rate-limit/window.js';

export interface Hit {
  time: number;
  units: number;
  /** Redis moved the hits when its clock went back by more than a window: the mark is nobody's any more. */
  isLost: boolean;
}

export interface Expected {
  readonly isAllowed: boolean;
  readonly used: number;
  readonly which: number;
  readonly retryMs: number;
  readonly hit: Hit | undefined;
}

/** Times in milliseconds. Hits at one moment are told apart by their place in the list. */
export class ModelWindow {
  clock = 1_000_000;
  #hits: Hit[] = [];
  #shutUntil = 0;
  readonly #shape: Shape;

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  take({ cost, limit, record }: Demand): Expected {
    const { windowMs, further = [], blockMs = 0 } = this.#shape;
    this.#stepBack(windowMs, blockMs);
    // What was seen to have left never comes back.
    this.#hits = this.#hits.filter(({ time }) => time > this.clock - windowMs);
    const periods = [{ windowMs, limit }, ...further];
    const liveIn = (spanMs: number) => this.#hits.filter(({ time }) => time > this.clock - spanMs);
    const usedIn = (spanMs: number) => sum(liveIn(spanMs));

    const wasShut = this.#shutUntil > this.clock;
    const isAllowed = !wasShut && periods.every((period) => usedIn(period.windowMs) + cost <= period.limit);
    const units = record === 'never' ? 0 : isAllowed ? cost : record === 'always' ? Math.min(cost, limit) : 0;
    const newest = this.#hits.at(-1)?.time ?? 0;
    const live = usedIn(windowMs);
    const hit = units > 0 ? { time: Math.max(this.clock, newest), units, isLost: false } : undefined;
    if (hit !== undefined) this.#hits.push(hit);
    if (!isAllowed && !wasShut && record !== 'never' && blockMs > 0) this.#shutUntil = this.clock + blockMs;

    const states = periods.map((period, which) => {
      const used = usedIn(period.windowMs);
      const misfit = !isAllowed && used + cost > period.limit;
      const waitMs = misfit ? this.#untilFits(liveIn(period.windowMs), cost, period) : 0;
      return { which, used, waitMs, rank: misfit ? -waitMs : period.limit - used };
    });
    const tightest = states.reduce((least, state) => (state.rank < least.rank ? state : least));
    const waits = states.map(({ waitMs }) => waitMs);
    const retryMs = isAllowed ? 0 : Math.max(...waits, this.#shutUntil - this.clock);
    if (!isAllowed && hit !== undefined) this.#keepNewest(windowMs, Math.max(limit, live));
    const beyond = units > 0 ? cost - units : 0;
    return { isAllowed, used: tightest.used + beyond, which: tightest.which, retryMs, hit };
  }

  refund(hit: Hit, cost: number): boolean {
    const isLive = hit.time > this.clock - this.#shape.windowMs && this.#hits.includes(hit);
    if (hit.isLost || !isLive || hit.units === 0) return false;
    hit.units -= Math.min(cost, hit.units);
    this.#hits = this.#hits.filter(({ units }) => units > 0);
    return true;
  }

  forget(): void {
    this.#hits = [];
    this.#shutUntil = 0;
  }

  #untilFits(live: readonly Hit[], cost: number, { windowMs, limit }: { windowMs: number; limit: number }) {
    if (cost > limit) return Number.POSITIVE_INFINITY;
    let left = sum(live) + cost - limit;
    for (const { time, units } of live) {
      left -= units;
      if (left <= 0) return time + windowMs - this.clock;
    }
    return 0;
  }

  /** Of recorded rejections only the newest units decide anything, and nobody else's may go for them. */
  #keepNewest(windowMs: number, most: number): void {
    let room = most;
    for (const hit of this.#hits.toReversed()) {
      if (hit.time <= this.clock - windowMs) continue;
      hit.units = Math.min(hit.units, room);
      room -= hit.units;
    }
    this.#hits = this.#hits.filter(({ units }) => units > 0);
  }

  /** What happens to hits of the future. */
  #stepBack(windowMs: number, blockMs: number): void {
    // A block that was seen to be over is forgotten.
    if (this.#shutUntil <= this.clock) this.#shutUntil = 0;
    if (blockMs > 0) this.#shutUntil = Math.min(this.#shutUntil, this.clock + blockMs);
    const ahead = (this.#hits.at(-1)?.time ?? 0) - this.clock;
    if (ahead <= windowMs) return;
    for (const hit of this.#hits) {
      hit.time -= ahead;
      hit.isLost = true;
    }
  }
}

function sum(hits: readonly Hit[]): number {
  return hits.reduce((total, { units }) => total + units, 0);
}
