/** How every Redis key here is spelled: `namespace:resource:id`, readable, bounded, and safe whatever the id holds. */
import { createHash } from 'node:crypto';
import { invalidOption } from './errors.js';

/** Ids of these characters stand as they are. No braces, globs, quotes, spaces or control characters. */
const PLAIN_ID = /^[A-Za-z0-9._~@:/+=-]{1,120}$/;
const NOT_PLAIN = /[^A-Za-z0-9._~@:/+=-]/g;
const PLAIN_NAMESPACE = /^[A-Za-z0-9._~@/+=-][A-Za-z0-9._~@:/+=-]{0,39}$/;
const HEAD_LENGTH = 40;

/**
 * An id as it stands in a key: itself when plain, else a readable head, `!`, and its SHA-256.
 *
 * `!` is in no plain id, so a spelled id never equals another id's plain form. The hash is over UTF-16 code units:
 * UTF-8 would fold all lone surrogates into one.
 */
export function spellId(id: string): string {
  if (PLAIN_ID.test(id)) return id;
  const head = id.slice(0, HEAD_LENGTH).replace(NOT_PLAIN, '_');
  return `${head}!${createHash('sha256').update(id, 'utf16le').digest('base64url')}`;
}

/** The id as the hash tag of its key, so that keys of one id share a slot and ids spread over the slots. */
export function tagged(id: string): string {
  return `{${spellId(id)}}`;
}

/**
 * The prefix that `namespace` puts before a feature's keys: `''` without one, else `namespace:`.
 *
 * @throws SuiteError ERS_INVALID_OPTION for a namespace with other characters than `A-Za-z0-9._~@:/+=-` or over 40 long.
 */
export function namespacePrefix(namespace: string | undefined): string {
  if (namespace === undefined || namespace === '') return '';
  if (typeof namespace !== 'string' || !PLAIN_NAMESPACE.test(namespace)) {
    throw invalidOption('namespace', namespace, 'Use 1 to 40 characters of A-Z a-z 0-9 . _ ~ @ : / + = -');
  }
  return namespace.endsWith(':') ? namespace : `${namespace}:`;
}

/** Text that matches itself, and nothing else, in a glob pattern of SCAN or PSUBSCRIBE. */
export function globEscaped(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
