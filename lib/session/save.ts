/** Saves a session without losing what others saved meanwhile, and without bringing back what they destroyed. */
import { createHash } from 'node:crypto';
import type { SessionData } from 'express-session';
import { SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import type { Redis } from '../core/redis.js';
import { runScript } from '../core/script.js';
import { asSession } from './entry.js';
import type { Known } from './known.js';
import { mergeSessions } from './merge.js';
import { GONE, SAVED, saveScript } from './save.lua.js';

/** connect-redis' option `serializer`; here both ways may be asynchronous. */
export interface Serializer {
  parse(text: string): SessionData | Promise<SessionData>;
  stringify(session: SessionData): string | Promise<string>;
}

export interface Saving {
  readonly guard: Guard;
  readonly serializer: Serializer;
  /** Of a session as it will be stored; 0 for none. */
  readonly ttlMsOf: (session: SessionData) => number;
  /** For how long a save that meets other saves tries again, in milliseconds. */
  readonly patienceMs: number;
}

/** What is in Redis after a save; undefined when the session was gone and nothing was written. */
export type Saved = Pick<Known, 'stored' | 'view'> | undefined;

/** A session on its way to Redis: `ttlMs` may be `NO_TTL`. */
export interface Draft {
  readonly key: string;
  readonly text: string;
  readonly ttlMs: number;
}

export const NO_TTL = 0;

/** A session nobody loaded, new or plain data: it is written over whatever is there. */
export async function writeSession(guard: Guard, { key, text, ttlMs }: Draft): Promise<Saved> {
  await guard.run((redis) => runScript(redis, saveScript, [key], [text, String(ttlMs), ''], 'bytes'));
  const stored = Buffer.from(text);
  return { stored, view: stored };
}

/**
 * A session that was loaded: compare and set, and merge with what others stored meanwhile, until it fits.
 *
 * What is compared are the bytes, so that saves of connect-redis, which leave no version behind, are noticed too.
 *
 * @throws SuiteError ERS_SESSION_CONFLICT when others were faster each time, for `patienceMs`.
 */
export async function replaceSession(saving: Saving, draft: Draft, known: Known): Promise<Saved> {
  const view = Buffer.from(draft.text);
  const startedAt = performance.now();
  let current = known.stored;
  while (performance.now() - startedAt <= saving.patienceMs) {
    const next = current === known.view ? draft : await merge(saving, draft, known.view, current);
    if (next === undefined) return undefined;
    const [outcome, changed] = await compareAndSet(saving.guard, next, sha1(current));
    if (outcome === GONE) return undefined;
    if (outcome === SAVED) return { stored: next === draft ? view : Buffer.from(next.text), view };
    current = changed as Buffer;
  }
  throw new SuiteError(
    'ERS_SESSION_CONFLICT',
    `session: other requests saved it again and again for ${saving.patienceMs} ms. Save it less often, or keep what changes so often elsewhere.`,
  );
}

async function compareAndSet(
  guard: Guard,
  { key, text, ttlMs }: Draft,
  replaced: string,
): Promise<[outcome: number, changed?: Buffer]> {
  const call = (redis: Redis) =>
    runScript(redis, saveScript, [key], [text, String(ttlMs), replaced], 'bytes');
  return (await guard.run(call)) as [number, Buffer?];
}

/** Undefined when what is stored now is no session: as good as gone. */
async function merge(
  { serializer, ttlMsOf }: Saving,
  draft: Draft,
  view: Buffer,
  current: Buffer,
): Promise<Draft | undefined> {
  const theirs = await readable(serializer, current);
  if (theirs === undefined) return undefined;
  const base = await serializer.parse(view.toString());
  const merged = mergeSessions(base, await serializer.parse(draft.text), theirs);
  return { key: draft.key, text: await serializer.stringify(merged), ttlMs: ttlMsOf(merged) };
}

/** The session in these bytes, undefined when there is none in them. */
export async function readable(serializer: Serializer, bytes: Buffer): Promise<SessionData | undefined> {
  try {
    return asSession(await serializer.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}

/** As `redis.sha1hex` has it. A checksum that tells versions apart, no protection. */
function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}
