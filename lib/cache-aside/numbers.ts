/** Options that are numbers, judged. */
import { invalidOption } from '../core/errors.js';

export function atLeast(least: number, option: string, given: number): number {
  return within(least, Number.MAX_SAFE_INTEGER, option, given);
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function within(least: number, most: number, option: string, given: number): number {
  if (typeof given === 'number' && given >= least && given <= most) return given;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  throw invalidOption(option, given, `Use a number of ${range}.`);
}
