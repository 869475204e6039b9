/** Two requests changed one session: what each of them changed survives. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { SessionData } from 'express-session';
import { SuiteError } from '../core/errors.js';
import { cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';

type Fields = Record<string, unknown>;

/**
 * What becomes of one field that two requests changed: the value to store; undefined: the field goes. Each argument is
 * undefined where the field is not there.
 */
export type DecideConflict = (mine: unknown, theirs: unknown, base: unknown, field: string) => unknown;

/**
 * `theirs`, with everything in it that this request changed from `base` to `ours`, by top-level key.
 *
 * Where both changed one key, `decide` is asked. Arrays and nested objects are one value each: merging them deeper would
 * mix states that no request ever saw. Only the cookie is not: of two changes to it the later one counts for what it changed.
 */
export function mergeSessions(
  base: SessionData,
  ours: SessionData,
  theirs: SessionData,
  decide: DecideConflict = takeMine,
): SessionData {
  const merged: Fields = { ...theirs };
  for (const field of new Set([...Object.keys(base), ...Object.keys(ours)])) {
    if (field === 'cookie' || isUnchanged(field, base, ours)) continue;
    const isMineAlone = isUnchanged(field, base, theirs) || isUnchanged(field, ours, theirs);
    const mine = fieldOf(ours, field);
    const value = isMineAlone ? mine : decide(mine, fieldOf(theirs, field), fieldOf(base, field), field);
    if (value === undefined) delete merged[field];
    else merged[field] = value;
  }
  if (isObject(ours.cookie)) merged.cookie = mergedCookie(base, ours, theirs);
  return merged as unknown as SessionData;
}

function takeMine(mine: unknown): unknown {
  return mine;
}

function isUnchanged(field: string, before: SessionData, after: SessionData): boolean {
  return isDeepStrictEqual(fieldOf(before, field), fieldOf(after, field));
}

/** Of the session's own: a field may be called `constructor`. */
function fieldOf(session: SessionData, field: string): unknown {
  return Object.hasOwn(session, field) ? (session as unknown as Fields)[field] : undefined;
}

/** express-session moves `expires` on in every request; that alone is no change. */
function mergedCookie(base: SessionData, ours: SessionData, theirs: SessionData): Fields {
  const [before, mine, merged] = [base, ours, theirs].map(({ cookie }) => ({ ...cookie })) as unknown as [
    Fields,
    Fields,
    Fields,
  ];
  const isLifetimeMine = isLifetimeChanged(cookieLifetimeMs(base), cookieLifetimeMs(ours));
  for (const name of new Set([...Object.keys(before), ...Object.keys(mine)])) {
    const isMine = LIFETIME.includes(name) ? isLifetimeMine : !isDeepStrictEqual(before[name], mine[name]);
    if (!isMine) continue;
    if (mine[name] === undefined) delete merged[name];
    else merged[name] = mine[name];
  }
  return merged;
}

const LIFETIME: readonly string[] = ['originalMaxAge', 'expires'];

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Undefined for `'last-write'`. */
export function conflictRule(
  onConflict: 'last-write' | 'reject' | DecideConflict | undefined,
): DecideConflict | undefined {
  if (typeof onConflict === 'function') return atOnce(onConflict);
  return onConflict === 'reject' ? reject : undefined;
}

/** A promise would be stored as an empty object. */
function atOnce(decide: DecideConflict): DecideConflict {
  return function decideAtOnce(...conflict) {
    const value = decide(...conflict);
    if (!(value instanceof Promise)) return value;
    value.catch(() => {});
    throw new TypeError('onConflict has to return a value, not a promise.');
  };
}

function reject(): never {
  throw new SuiteError(
    'ERS_SESSION_CONFLICT',
    "session: another request changed the same field meanwhile, and onConflict is 'reject'. Read the session again and repeat the change.",
  );
}
