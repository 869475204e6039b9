/** How a cost grows with a size, judged from a few points, of which each is a little wrong. Pure. */

/** `less than linear` is a fixed part and one that grows: the former is still most of it. */
export type Law = 'constant' | 'logarithmic' | 'less than linear' | 'linear' | 'more than linear';

const ORDER: readonly Law[] = ['constant', 'logarithmic', 'less than linear', 'linear', 'more than linear'];

/** What does not double over the whole axis does not grow with it: caches of the processor are as much. */
const CONSTANT_WITHIN = 1.9;
/** Beyond what the logarithm of the size grows by. */
const TOLERANCE = 1.5;
/** Of the exponent between the last two points; n log n counts as linear. */
const LINEAR_FROM = 0.8;
const LINEAR_TO = 1.3;

/** @param points by growing size, the first of them 1 or more; two at least */
export function lawOf(points: readonly { readonly size: number; readonly cost: number }[]): Law {
  const [first, last] = [points[0]!, points.at(-1)!];
  if (last.cost === 0) return 'constant';
  const growth = last.cost / Math.max(first.cost, Number.MIN_VALUE);
  if (growth <= CONSTANT_WITHIN) return 'constant';
  if (growth <= TOLERANCE * logGrowth(first.size, last.size)) return 'logarithmic';
  // Where the axis begins, the fixed part hides what grows.
  const before = points.at(-2)!;
  const exponent = Math.log(last.cost / before.cost) / Math.log(last.size / before.size);
  if (exponent < LINEAR_FROM) return 'less than linear';
  return exponent <= LINEAR_TO ? 'linear' : 'more than linear';
}

export function isAtMost(law: Law, expected: Law): boolean {
  return ORDER.indexOf(law) <= ORDER.indexOf(expected);
}

/** The one that grows faster. */
export function worseOf(one: Law, other: Law): Law {
  return isAtMost(one, other) ? other : one;
}

/** Nothing is as small as nothing: an axis that begins at 1 is taken to begin at 2. */
function logGrowth(from: number, to: number): number {
  return Math.log2(to) / Math.log2(Math.max(2, from));
}
