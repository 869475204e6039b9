/** When to refresh before the end: each reader draws for itself, and the nearer the end and the slower the load, the likelier. */

export interface EarlyRefresh {
  /** Now and the end of the value's freshness, in milliseconds by one clock. */
  readonly nowMs: number;
  readonly expiresAtMs: number;
  /** How long the load took that made the value, in milliseconds. */
  readonly loadMs: number;
  /** Over 1: earlier. 1 is the optimum where all loads take the same time; 0: never before the end. */
  readonly beta: number;
  /** From 0 to less than 1, as `Math.random` draws it. */
  readonly chance: number;
}

/**
 * XFetch: readers of one value do not miss it together at its end, for one of them has refreshed it shortly before.
 *
 * Source: Vattani, Chierichetti, Lowenstein, Optimal Probabilistic Cache Stampede Prevention, VLDB 2015, figure 2:
 * recompute when now - delta * beta * ln(U) >= expiry, with U uniform in (0, 1].
 */
export function shouldRefreshEarly({ nowMs, expiresAtMs, loadMs, beta, chance }: EarlyRefresh): boolean {
  const earlierMs = -loadMs * beta * Math.log(1 - chance);
  return nowMs + earlierMs >= expiresAtMs;
}
