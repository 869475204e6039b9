/** What each option has to look like. Everything here throws ERS_INVALID_OPTION, with the remedy, for what cannot mean anything. */
import { invalidOption } from '../core/errors.js';
import type { Logger, OnRedisDown } from './options.js';

export function checkWindow(windowMs: unknown): number {
  return checkNumber('windowMs', windowMs, 1, 'milliseconds, such as 60_000');
}

/** Windows add units up, and above 1e15 no running count is ours. */
const MOST_UNITS = 1e14;

/** The units that a request takes. */
export function checkCost(cost: unknown, least: 0 | 1 = 0): number {
  if (isWholeFrom(least, cost) && cost <= MOST_UNITS) return cost;
  throw invalidOption(
    'cost',
    cost,
    `Use a whole number from ${least} to 1e14, or a function that returns one.`,
  );
}

function isWholeFrom(least: number, value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** The limit as a whole number of at most 1e14, or Infinity; a numeric string will do, as it does for express-rate-limit. */
export function checkLimit(limit: unknown): number {
  const units = typeof limit === 'string' ? Number.parseFloat(limit) : limit;
  if (units === Number.POSITIVE_INFINITY) return units;
  if (typeof units === 'number' && !Number.isNaN(units))
    return Math.min(MOST_UNITS, Math.max(0, Math.floor(units)));
  throw invalidOption('limit', limit, 'Use a number, or a function that returns one.');
}

export function isName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9._~@/+=-]{1,32}$/.test(name);
}

export function checkName(name: unknown): string {
  if (isName(name)) return name;
  throw invalidOption('name', name, 'Use 1 to 32 characters of A-Z a-z 0-9 . _ ~ @ / + = -');
}

export function checkPolicy(policy: unknown): OnRedisDown {
  if (policy === 'local' || policy === 'open' || policy === 'closed') return policy;
  throw invalidOption('onRedisDown', policy, "Use 'local', 'open' or 'closed'.");
}

export function checkNumber(option: string, value: unknown, least: number, unit: string): number {
  // What is longer is no time that Redis could let a key live.
  if (typeof value === 'number' && value >= least && value <= Number.MAX_SAFE_INTEGER) return value;
  throw invalidOption(option, value, `Use a number of ${unit}.`);
}

export function checkWhole(option: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw invalidOption(option, value, 'Use a whole number of at least 1.');
}

export function checkLogger(logger: Logger): Logger {
  if (typeof logger?.error === 'function' && typeof logger.warn === 'function') return logger;
  throw invalidOption('logger', logger, 'Use an object with the functions error and warn.');
}
