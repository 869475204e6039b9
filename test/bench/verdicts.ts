/** Whether a target is met: the median decides, its range is shown beside it. */
import type { Verdict } from './plan.js';
import { type Spread, spellSpread } from './statistics.js';

type Measured = Spread | number | undefined;

export function atMost(target: string, measured: Measured, limit: number, digits = 2): Verdict {
  return judge(`${target} <= ${limit}`, measured, (figure) => figure <= limit, digits);
}

export function atLeast(target: string, measured: Measured, limit: number, digits = 2): Verdict {
  return judge(`${target} >= ${limit}`, measured, (figure) => figure >= limit, digits);
}

function judge(
  target: string,
  measured: Measured,
  isMet: (figure: number) => boolean,
  digits: number,
): Verdict {
  if (measured === undefined) return { target, measured: '-', isMet: undefined };
  if (typeof measured === 'number')
    return { target, measured: measured.toFixed(digits), isMet: isMet(measured) };
  return { target, measured: spellSpread(measured, digits), isMet: isMet(measured.median) };
}
