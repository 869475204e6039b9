/** Forgets pages: after an unsafe request that succeeded (RFC 9111, 4.4), or because somebody says so. */
import { invalidOption } from '../core/errors.js';
import type { Cache } from './cache.js';
import { linesOf } from './fields.js';
import { intercept } from './intercept.js';
import { idOfReference, idsOfUrl, pageKey } from './key.js';
import type { Answer, Head } from './listener.js';
import { isInvalidatingStatus } from './policy.js';
import { tell } from './trace.js';
import type { Visit } from './visit.js';

/** The client hears of its success when the pages are gone: whatever it reads next is new. */
export function invalidateAfter(cache: Cache, visit: Visit): void {
  const { res, trace, target } = visit;
  tell(res, { forward: 'method' });
  intercept(res, {
    mayAnswer: isInvalidatingStatus,
    onHead,
    onBytes() {},
    onEnd: () => trace.end('bypass', 'method'),
    onClose: () => trace.end('bypass', 'method'),
  });
  visit.next();

  function onHead(head: Head, isTooLate: boolean): Answer {
    if (!isInvalidatingStatus(head.status)) return 'as-is';
    trace.go('invalidate');
    trace.end('bypass', 'method');
    const references = ['location', 'content-location'].flatMap((name) => linesOf(head.fields, name));
    const named = references.flatMap((reference) => idOfReference(reference, target) ?? []);
    const keys = new Set([visit.key, ...named.map((id) => pageKey(cache.settings.prefix, id))]);
    // With Redis away the shelf remembers what it owes.
    const after = Promise.allSettled([...keys].map((key) => cache.drop(key)));
    return isTooLate ? 'as-is' : { after };
  }
}

/** @throws SuiteError ERS_INVALID_OPTION, ERS_REDIS_UNAVAILABLE, ERS_REDIS_REFUSED */
export async function purge({ settings, drop }: Cache, url: string): Promise<void> {
  const ids = settings.key === undefined ? idsOfUrl(url, settings.hosts) : [url];
  if (ids === undefined)
    throw invalidOption('purge', url, 'Give an absolute URL, or a path and the `hosts` option to say where.');
  await Promise.all(ids.map((id) => drop(pageKey(settings.prefix, id))));
}
