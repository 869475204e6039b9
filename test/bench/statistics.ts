/** A few noisy figures: their median, where the middle half of them lies, and their ends. */

export interface Spread {
  readonly median: number;
  /** The first and the third quartile. */
  readonly lower: number;
  readonly upper: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(figures: readonly number[]): Spread {
  const sorted = [...figures].sort((a, b) => a - b);
  const [min, lower, median, upper, max] = [0, 0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share));
  return { median, lower, upper, min, max } as Spread;
}

/**
 * How many times `theirs` is `ours`, round by round: what slows the machine down for a while slows both.
 *
 * @param ours one figure per round
 * @param theirs of the same rounds
 */
export function ratioOf(ours: readonly number[], theirs: readonly number[]): Spread {
  return spreadOf(ours.map((figure, round) => figure / (theirs[round] as number)));
}

/** As `1.04 (0.98-1.11)`: the median, and the middle half of the rounds. */
export function spellSpread({ median, lower, upper }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${lower.toFixed(digits)}-${upper.toFixed(digits)})`;
}

/** Between two figures, in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
