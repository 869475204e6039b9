/** Saves a session without losing what others saved meanwhile, and without bringing back what they destroyed. */
import { createHash } from 'node:crypto';
import type { SessionData } from 'express-session';
import { SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
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
  /** How long a session lives from now on, in milliseconds. */
  readonly livesForMs: (session: SessionData) => number;
  readonly hasTtl: boolean;
  /** For how long a save that meets other saves tries again, in milliseconds. */
  readonly patienceMs: number;
}

/** A session on its way to Redis. */
export interface Draft {
  readonly key: string;
  readonly text: string;
  readonly livesForMs: number;
}

/** What is in Redis after a save; undefined when the session was gone and nothing was written. */
export type Saved = Pick<Known, 'stored' | 'view'> | undefined;

/** Stores a session; ends it when its lifetime is over. */
export function saveSession(saving: Saving, draft: Draft, known: Known | undefined): Promise<Saved> {
  if (draft.livesForMs <= 0) return endSession(saving, draft, known);
  return known === undefined ? writeSession(saving, draft) : replaceSession(saving, draft, known);
}

/** A later save of it would replace what was there, and that is gone. */
async function endSession({ guard }: Saving, { key }: Draft, known: Known | undefined): Promise<Saved> {
  await guard.run((redis) => redis.unlink(key));
  return known ?? { stored: NOTHING, view: NOTHING };
}

const NOTHING = Buffer.alloc(0);

/** A session nobody loaded, new or plain data: it is written over whatever is there. */
async function writeSession(saving: Saving, draft: Draft): Promise<Saved> {
  await setIf(saving, draft, WHATEVER_IS_THERE);
  const stored = Buffer.from(draft.text);
  return { stored, view: stored };
}

/**
 * A session that was loaded: compare and set, and merge with what others stored meanwhile, until it fits.
 *
 * What is compared are the bytes, so that saves of connect-redis, which leave no version behind, are noticed too.
 *
 * @throws SuiteError ERS_SESSION_CONFLICT when others were faster each time, for `patienceMs`.
 */
async function replaceSession(saving: Saving, draft: Draft, known: Known): Promise<Saved> {
  const view = Buffer.from(draft.text);
  const startedAt = performance.now();
  let current = known.stored;
  for (let tries = 0; tries < MIN_TRIES || performance.now() - startedAt <= saving.patienceMs; tries += 1) {
    const next = current === known.view ? draft : await merge(saving, draft, known.view, current);
    if (next === undefined) return undefined;
    const [outcome, changed] = await setIf(saving, next, sha1(current));
    if (outcome === GONE) return undefined;
    if (outcome === SAVED) return { stored: next === draft ? view : Buffer.from(next.text), view };
    current = changed as Buffer;
  }
  throw new SuiteError(
    'ERS_SESSION_CONFLICT',
    `session: other requests saved it again and again for ${saving.patienceMs} ms. Save it less often, or keep what changes so often elsewhere.`,
  );
}

const WHATEVER_IS_THERE = '';
const NO_TTL = 0;
/** However long they take: in an app that blocks itself, two round trips may take longer than the patience. */
const MIN_TRIES = 3;

async function setIf(
  { guard, hasTtl }: Saving,
  { key, text, livesForMs }: Draft,
  replaced: string,
): Promise<[outcome: number, changed?: Buffer]> {
  const args = [text, String(hasTtl ? Math.max(livesForMs, 1) : NO_TTL), replaced];
  return (await guard.run((redis) => runScript(redis, saveScript, [key], args, 'bytes'))) as [
    number,
    Buffer?,
  ];
}

/** Undefined when what is stored now is no session: as good as gone. */
async function merge(
  { serializer, livesForMs }: Saving,
  draft: Draft,
  view: Buffer,
  current: Buffer,
): Promise<Draft | undefined> {
  const theirs = await readable(serializer, current.toString());
  if (theirs === undefined) return undefined;
  const base = await serializer.parse(view.toString());
  const merged = mergeSessions(base, await serializer.parse(draft.text), theirs);
  return { key: draft.key, text: await serializer.stringify(merged), livesForMs: livesForMs(merged) };
}

/** The session in this text, undefined when there is none in it; a promise where the serializer returns one. */
export function readable(
  serializer: Serializer,
  text: string,
): SessionData | undefined | Promise<SessionData | undefined> {
  try {
    const parsed = serializer.parse(text);
    const isPromise = typeof (parsed as Partial<Promise<SessionData>> | null)?.then === 'function';
    return isPromise ? asSessionLater(parsed) : asSession(parsed, isJson(serializer) ? text : undefined);
  } catch {
    return undefined;
  }
}

export function isJson(serializer: Serializer): boolean {
  return (serializer as unknown) === JSON;
}

async function asSessionLater(parsing: SessionData | Promise<SessionData>): Promise<SessionData | undefined> {
  try {
    return asSession(await parsing);
  } catch {
    return undefined;
  }
}

/** As `redis.sha1hex` has it. A checksum that tells versions apart, no protection. */
function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}
