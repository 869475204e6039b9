/** What a sliding window promises, wherever it keeps its hits: in Redis, in this process, or behind a foreign store. */

/** A further window over the same hits. */
export interface Period {
  readonly windowMs: number;
  /** Units that may be live in it at any moment. */
  readonly limit: number;
}

/** How a window judges, beside what each request asks. */
export interface Shape {
  /** Of the longest window; its limit comes with each demand. */
  readonly windowMs: number;
  /** Shorter windows, in which the cost has to fit too. Default none. */
  readonly further?: readonly Period[];
  /** How long a key stays shut after a rejection. Default 0. */
  readonly blockMs?: number;
  /**
   * Hits that come within one part in `resolution` of the shortest window share an entry, and count until the last that
   * could join it has left. Default 0: every request has an entry of its own.
   */
  readonly resolution?: number;
}

/** What one request asks of a window. */
export interface Demand {
  /** Units that the request takes; most take 1. */
  readonly cost: number;
  /** Units that may be live at any moment. */
  readonly limit: number;
  /** `never` only looks; `always` records rejected requests too, so that they keep the window full. */
  readonly record: 'if-allowed' | 'always' | 'never';
}

/** What a window answers. Of several it describes the tightest: that which denied longest, or has fewest units left. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** Live units, this request's among them when it was recorded. */
  readonly used: number;
  /** Until the oldest live hit leaves; the whole window when none is live. Undefined when a store cannot tell. */
  readonly resetMs: number | undefined;
  /** When a foreign store says that it resets, as it says it. */
  readonly resetTime?: Date | undefined;
  /** Until this cost fits everywhere: 0 when it does, Infinity when it never will. */
  readonly retryMs: number;
  /** Identifies what was recorded, for `refund`; 0 when nothing was. */
  readonly mark: number;
  /** Which window is described: 0 the longest, else one of `further`, counted from 1. */
  readonly which: number;
}

/**
 * In every window (t - w, t] the units accepted are at most the limit, and nothing is rejected while its cost fits.
 *
 * All units of one request are taken or none. Keys are spelled as `spellId` spells them, but for a foreign store's.
 */
export interface Window {
  take(key: string, demand: Demand): Promise<Verdict> | Verdict;
  /** Takes back what one request recorded; false when it is gone already. */
  refund(key: string, mark: number, cost: number): Promise<boolean> | boolean;
  /** Forgets all hits of a key, and that it is shut. */
  forget(key: string): Promise<void> | void;
}

/** Times within one entry, in microseconds; 0 when each request has its own. */
export function spanMicros({ windowMs, further = [], resolution = 0 }: Shape): number {
  if (resolution === 0) return 0;
  const shortestMs = Math.min(windowMs, ...further.map((period) => period.windowMs));
  return Math.max(1, Math.floor((shortestMs * 1000) / resolution));
}
