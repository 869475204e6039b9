/** How a policy is called when nobody names it: `5-in-1min`. */

/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const SECOND = 1000;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const MINUTE: number = 60 * SECOND;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const HOUR: number = 60 * MINUTE;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const DAY: number = 24 * HOUR;

/** The policy in the words of express-rate-limit's default `identifier`. */
export function policyName(limit: number | string, windowMs: number): string {
  return `${limit}-in-${spellDuration(windowMs)}`;
}

function spellDuration(ms: number): string {
  if (ms < MINUTE) return `${ms / SECOND}sec`;
  if (ms < HOUR) return `${ms / MINUTE}min`;
  if (ms < DAY) return plural(ms / HOUR, 'hr');
  return plural(ms / DAY, 'day');
}

function plural(count: number, unit: string): string {
  return `${count}${unit}${count > 1 ? 's' : ''}`;
}
