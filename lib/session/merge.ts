/** Two requests changed one session: what each of them changed survives. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { SessionData } from 'express-session';
import { cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';

type Keys = Record<string, unknown>;

/**
 * `theirs`, with everything in it that this request changed from `base` to `ours`, by top-level key.
 *
 * Where both changed one key, ours wins, being the later write. Arrays and nested objects are one value each: merging
 * them deeper would mix states that no request ever saw.
 */
export function mergeSessions(base: SessionData, ours: SessionData, theirs: SessionData): SessionData {
  const [before, mine, merged] = [
    base as unknown as Keys,
    ours as unknown as Keys,
    { ...theirs } as unknown as Keys,
  ];
  for (const key of new Set([...Object.keys(before), ...Object.keys(mine)])) {
    if (isUnchanged(key, base, ours)) continue;
    if (Object.hasOwn(mine, key)) merged[key] = mine[key];
    else delete merged[key];
  }
  return merged as unknown as SessionData;
}

function isUnchanged(key: string, base: SessionData, ours: SessionData): boolean {
  if (key === 'cookie') return !isCookieChanged(base, ours);
  const [before, mine] = [base as unknown as Keys, ours as unknown as Keys];
  return Object.hasOwn(before, key) === Object.hasOwn(mine, key) && isDeepStrictEqual(before[key], mine[key]);
}

/** express-session moves `expires` on in every request; that alone is no change. */
function isCookieChanged(base: SessionData, ours: SessionData): boolean {
  if (isLifetimeChanged(cookieLifetimeMs(base), cookieLifetimeMs(ours))) return true;
  return !isDeepStrictEqual(attributesOf(base), attributesOf(ours));
}

function attributesOf(session: SessionData): Keys {
  const {
    expires: _expires,
    originalMaxAge: _lifetime,
    ...attributes
  } = (session.cookie ?? {}) as unknown as Keys;
  return attributes;
}
