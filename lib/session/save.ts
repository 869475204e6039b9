/** Saves a session without losing what others saved meanwhile, and without bringing back what they destroyed. */
import { createHash } from 'node:crypto';
import type { SessionData } from 'express-session';
import { SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import { runScript } from '../core/script.js';
import type { Codec } from './codec.js';
import { destroyScript } from './destroy.lua.js';
import type { Known } from './known.js';
import { type CookieLifetimeMs, cookieLifetimeMs } from './lifetime.js';
import { type DecideConflict, mergeSessions } from './merge.js';
import type { SessionName } from './names.js';
import { GONE, SAVED, saveScript } from './save.lua.js';

export interface Saving {
  readonly guard: Guard;
  readonly codec: Codec;
  /** For how long Redis keeps a session: see `endsInMs`. */
  readonly endsInMs: (session: SessionData, createdMs: number | undefined) => number;
  /** For how long a save that meets other saves tries again, in milliseconds. */
  readonly patienceMs: number;
  readonly decideConflict: DecideConflict | undefined;
}

/** A session on its way to Redis. */
export interface Draft {
  readonly text: string;
  readonly createdMs: number | undefined;
  readonly endsInMs: number;
  readonly lifetimeMs: CookieLifetimeMs;
}

/** What is in Redis after a save; undefined when the session was gone and nothing was written. */
export type Saved = Pick<Known, 'stored' | 'view' | 'createdMs' | 'lifetimeMs'> | undefined;

/** Stores a session; ends it when its lifetime is over. */
export function saveSession(
  saving: Saving,
  name: SessionName,
  draft: Draft,
  known: Known | undefined,
): Promise<Saved> {
  if (draft.endsInMs <= 0) return endSession(saving, name, draft, known);
  return known === undefined ? writeSession(saving, name, draft) : replaceSession(saving, name, draft, known);
}

/** What a destroyed session leaves behind stands for longer than requests run, and saves of it are refused. Returns whether there was one. */
export async function destroySession(guard: Guard, { key, tombstone }: SessionName): Promise<boolean> {
  const destroyed = await guard.run(
    (redis) => runScript(redis, destroyScript, [key, tombstone], [TOMBSTONE_MS]),
    key,
  );
  return destroyed === 1;
}

const TOMBSTONE_MS = String(60 * 60_000);

async function endSession(
  { guard }: Saving,
  name: SessionName,
  { createdMs, lifetimeMs }: Draft,
  known: Known | undefined,
): Promise<Saved> {
  await destroySession(guard, name);
  const { stored, view } = known ?? { stored: NOTHING, view: NOTHING };
  return { stored, view, createdMs, lifetimeMs };
}

const NOTHING = Buffer.alloc(0);

/** A session nobody loaded, new or plain data: it is written over whatever is there, but for a tombstone. */
async function writeSession(saving: Saving, name: SessionName, draft: Draft): Promise<Saved> {
  const [outcome] = await setIf(saving.guard, name, draft, WHATEVER_IS_THERE);
  return outcome === GONE ? undefined : storedAs(draft);
}

/**
 * A session that was loaded: compare and set, and merge with what others stored meanwhile, until it fits.
 *
 * What is compared are the bytes, so that saves of connect-redis, which leave no version behind, are noticed too.
 *
 * @throws SuiteError ERS_SESSION_CONFLICT when others were faster each time, for `patienceMs`.
 */
async function replaceSession(saving: Saving, name: SessionName, draft: Draft, known: Known): Promise<Saved> {
  const startedAt = performance.now();
  let current = known.stored;
  for (let tries = 0; tries < MIN_TRIES || performance.now() - startedAt <= saving.patienceMs; tries += 1) {
    const next = current === known.view ? draft : await merge(saving, name.id, draft, known, current);
    if (next === undefined) return undefined;
    const [outcome, changed] = await setIf(saving.guard, name, next, sha1(current));
    if (outcome === GONE) return undefined;
    if (outcome === SAVED) {
      const saved = storedAs(next);
      return next === draft ? saved : { ...saved, view: Buffer.from(draft.text) };
    }
    current = changed as Buffer;
  }
  throw new SuiteError(
    'ERS_SESSION_CONFLICT',
    `session: other requests saved it again and again for ${saving.patienceMs} ms. Save it less often, or keep what changes so often elsewhere.`,
  );
}

/**
 * Writes down when a session began that was stored without, and returns the bytes that are stored now. Where that fails, or
 * others save it meanwhile, the next read does it.
 */
export async function dateSession(
  { guard, codec, endsInMs }: Saving,
  name: SessionName,
  { stored, data, createdMs }: { stored: Buffer; data: SessionData; createdMs: number | undefined },
): Promise<Buffer> {
  try {
    const text = await codec.encode(data, { createdMs, id: name.id });
    const [outcome] = await setIf(guard, name, { text, endsInMs: endsInMs(data, createdMs) }, sha1(stored));
    return outcome === SAVED ? Buffer.from(text) : stored;
  } catch {
    return stored;
  }
}

/** However long they take: in an app that blocks itself, two round trips may take longer than the patience. */
const MIN_TRIES = 3;

const WHATEVER_IS_THERE = '';

/** In place of what is replaced: nothing may be there. */
export const NOTHING_IS_THERE = 'nothing';

/** @param replaced the SHA-1 of the bytes to replace, or what the script knows besides. */
export async function setIf(
  guard: Guard,
  { key, tombstone }: SessionName,
  { text, endsInMs }: Pick<Draft, 'text' | 'endsInMs'>,
  replaced: string,
): Promise<[outcome: number, changed?: Buffer]> {
  const ttlMs = endsInMs === NEVER ? NO_TTL : String(Math.max(Math.ceil(endsInMs), 1));
  const args = [text, ttlMs, replaced];
  const reply = await guard.run(
    (redis) => runScript(redis, saveScript, [key, tombstone], args, 'bytes'),
    key,
  );
  return reply as [number, Buffer?];
}

const NEVER = Number.POSITIVE_INFINITY;
const NO_TTL = '0';

function storedAs({ text, createdMs, lifetimeMs }: Draft): NonNullable<Saved> {
  const stored = Buffer.from(text);
  return { stored, view: stored, createdMs, lifetimeMs };
}

/** Undefined when what is stored now is no session, or has ended: as good as gone. */
async function merge(
  { codec, endsInMs, decideConflict }: Saving,
  id: string,
  draft: Draft,
  { view, lifetimeMs }: Known,
  current: Buffer,
): Promise<Draft | undefined> {
  const [base, ours, theirs] = await Promise.all(
    [view.toString(), draft.text, current.toString()].map((text) => codec.decode(text, id)),
  );
  if (base === undefined || ours === undefined || theirs === undefined) return undefined;
  // An earlier merge may have given the request's session a lifetime that is not in the view.
  const before = { ...base.data, cookie: { ...base.data.cookie, originalMaxAge: lifetimeMs } } as SessionData;
  const merged = mergeSessions(before, ours.data, theirs.data, decideConflict);
  const createdMs = Math.min(draft.createdMs ?? NEVER, theirs.createdMs ?? NEVER);
  const particulars = { id, createdMs: createdMs === NEVER ? undefined : createdMs };
  return {
    createdMs: particulars.createdMs,
    text: await codec.encode(merged, particulars),
    endsInMs: endsInMs(merged, particulars.createdMs),
    lifetimeMs: cookieLifetimeMs(merged),
  };
}

/** As `redis.sha1hex` has it. A checksum that tells versions apart, no protection. */
function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}
