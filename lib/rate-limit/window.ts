/** What a sliding window promises, wherever it keeps its hits: in Redis, in this process, or behind a foreign store. */

/** What one request asks of a window. */
export interface Demand {
  /** Units that the request takes; most take 1. */
  readonly cost: number;
  /** Units that may be live at any moment. */
  readonly limit: number;
  /** `never` only looks; `always` records rejected requests too, so that they keep the window full. */
  readonly record: 'if-allowed' | 'always' | 'never';
}

/** What a window answers. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** Live units, this request's among them when it was recorded. */
  readonly used: number;
  /** Until the oldest live hit leaves; the whole window when none is live. Undefined when a store cannot tell. */
  readonly resetMs: number | undefined;
  /** Until this cost fits: 0 when it does, Infinity when it never will. */
  readonly retryMs: number;
  /** Identifies what was recorded, for `refund`; 0 when nothing was. */
  readonly mark: number;
}

/**
 * In every window (t - w, t] the units accepted are at most the limit, and nothing is rejected while its cost fits.
 *
 * All units of one request are taken or none.
 */
export interface Window {
  take(key: string, demand: Demand): Promise<Verdict> | Verdict;
  /** Takes back what one request recorded; false when it is gone already. */
  refund(key: string, mark: number, cost: number): Promise<boolean> | boolean;
  /** Forgets all hits of a key. */
  forget(key: string): Promise<void> | void;
}
