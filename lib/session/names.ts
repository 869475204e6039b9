/** What a session is called in Redis. */
import { createHmac } from 'node:crypto';
import { tagged } from '../core/keys.js';

/** The option `hashIds`. */
export type HashSecrets = string | Buffer | readonly (string | Buffer)[] | null | undefined;

export interface SessionName {
  /** The session as Redis knows it: what its key has after the prefix. */
  readonly id: string;
  readonly key: string;
  /**
   * A key that exists for an hour after the session was destroyed. It shares the session's slot of a cluster, begins with
   * the prefix, as rights to keys may go by that, and has a colon, so that no listing takes it for a session.
   */
  readonly tombstone: string;
}

export interface SessionNames {
  of(sid: string): SessionName;
  /** By the id that Redis knows. */
  ofStored(id: string): SessionName;
  /** Where a user's sessions are listed: beside the sessions, and under a name that no listing of them meets. */
  ofUser(user: string): string;
}

/** @param keyPrefix what the client puts before every key: it decides on the slot too. */
export function nameSessions(
  { prefix, hashIds }: { readonly prefix?: string | null | undefined; readonly hashIds?: HashSecrets },
  keyPrefix: string,
): SessionNames {
  const head = prefix ?? DEFAULT_PREFIX;
  const tombstoneHead = `${head}gone:{${keyPrefix}${head}`;
  function ofStored(id: string): SessionName {
    const key = head + id;
    // An id with braces, which only a genid of the app's own makes, brings its hash tag along; on a cluster it must be one.
    return { id, key, tombstone: BRACE.test(id) ? `${key}:gone` : `${tombstoneHead}${id}}` };
  }
  const userHead = `${head.replace(/:$/, '') || 'sess'}-user:`;
  const [secret] = secretsIn(hashIds);
  const of = secret === undefined ? ofStored : (sid: string) => ofStored(hashed(sid, secret));
  return { of, ofStored, ofUser: (user) => userHead + tagged(user) };
}

const DEFAULT_PREFIX = 'sess:';
const BRACE = /[{}]/;

/** The option, as a list; the first is the one in use. */
export function secretsIn(hashIds: HashSecrets): readonly (string | Buffer)[] {
  if (hashIds == null) return [];
  return typeof hashIds === 'string' || Buffer.isBuffer(hashIds) ? [hashIds] : hashIds;
}

function hashed(sid: string, secret: string | Buffer): string {
  return createHmac('sha256', secret).update(sid).digest('base64url');
}
