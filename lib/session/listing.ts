/** Which keys in Redis are sessions of this store, for `ids`, `length`, `all` and `clear`. Not for a request's path. */
import type { SessionData } from 'express-session';
import type { RedisClient } from '../core/client.js';
import { type Guard, guardRedis } from '../core/guard.js';
import { globEscaped } from '../core/keys.js';
import { inBatches } from './batches.js';
import type { Codec } from './codec.js';

/** Listing has a breaker of its own: a slow scan must not make the sessions of live requests fail. */
const PAGE_DEADLINE_MS = 5000;

export interface Listing {
  readonly prefix: string;
  readonly scanCount: number;
  readonly codec: Codec;
  /** Whether a session of that beginning may still be read. */
  isOver(createdMs: number | undefined): boolean;
}

export function guardListing(client: RedisClient): Guard {
  return guardRedis(client, { feature: 'session-listing', deadlineMs: PAGE_DEADLINE_MS });
}

export type ListedSession = SessionData & { id: string };

export async function allIds(guard: Guard, listing: Listing): Promise<string[]> {
  const ids: string[] = [];
  for await (const page of listIds(guard, listing)) ids.push(...page);
  return ids;
}

/** Without sliding them; values that are no sessions are left out. */
export async function allSessions(guard: Guard, listing: Listing): Promise<ListedSession[]> {
  const sessions: ListedSession[] = [];
  for await (const ids of listIds(guard, listing)) {
    const page = await readAll(guard, listing, ids);
    sessions.push(...page.map(([id, session]) => Object.assign(session, { id })));
  }
  return sessions;
}

export async function removeAll(guard: Guard, listing: Listing): Promise<null> {
  for await (const ids of listIds(guard, listing)) {
    await inBatches(ids, (id) => {
      const key = listing.prefix + id;
      return guard.run((redis) => redis.unlink(key), key);
    });
  }
  return null;
}

/**
 * The ids of all sessions, each once.
 *
 * `sess:admin:x` may be session `admin:x` of prefix `sess:` or session `x` of prefix `sess:admin:`. It is left to the
 * longer prefix, so an id with a colon in it is not listed. Without a prefix a key says nothing at all, and only what
 * holds a session with a cookie counts as one.
 */
async function* listIds(guard: Guard, listing: Listing): AsyncIterable<string[]> {
  const { prefix, scanCount } = listing;
  const pages = guard.redis.scan(`${globEscaped(prefix)}*`, scanCount)[Symbol.asyncIterator]();
  const seen = new Set<string>();
  for (;;) {
    const page = await guard.run(() => pages.next());
    if (page.done) return;
    const ids = page.value.map((key) => key.slice(prefix.length));
    const fresh = ids.filter((id) => id !== '' && !id.includes(':') && !seen.has(id) && seen.add(id));
    yield prefix === '' ? await onlySessions(guard, listing, fresh) : fresh;
  }
}

async function onlySessions(guard: Guard, listing: Listing, ids: readonly string[]): Promise<string[]> {
  const sessions = await readAll(guard, listing, ids);
  return sessions.filter(([, session]) => session.cookie !== undefined).map(([id]) => id);
}

async function readAll(
  guard: Guard,
  { prefix, codec, isOver }: Listing,
  ids: readonly string[],
): Promise<[string, SessionData][]> {
  const found: [string, SessionData][] = [];
  async function read(id: string): Promise<void> {
    const text = await textAt(guard, prefix + id);
    const entry = text === null ? undefined : await codec.decode(text, id);
    if (entry !== undefined && !isOver(entry.createdMs)) found.push([id, entry.data]);
  }
  await inBatches(ids, read);
  return found;
}

/** One key per command, as keys of one command would have to share a slot of a cluster. */
async function textAt(guard: Guard, key: string): Promise<string | null> {
  try {
    return await guard.run((redis) => redis.get(key), key);
  } catch (error) {
    if (isWrongType(error)) return null;
    throw error;
  }
}

function isWrongType(error: unknown): boolean {
  const { cause } = error as Error;
  return cause instanceof Error && cause.message.startsWith('WRONGTYPE');
}
