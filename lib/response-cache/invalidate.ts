/** Forgets the pages that an unsafe request which succeeded may have changed (RFC 9111, 4.4). */
import type { Cache } from './cache.js';
import { linesOf } from './fields.js';
import { intercept } from './intercept.js';
import { idOfReference, keyOfUrl } from './key.js';
import type { Answer, Head } from './listener.js';
import { isInvalidatingStatus } from './policy.js';
import { openTagging } from './tags.js';
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
  openTagging(res);
  visit.next();

  function onHead(head: Head, isTooLate: boolean): Answer {
    if (!isInvalidatingStatus(head.status)) return 'as-is';
    trace.go('invalidate');
    trace.end('bypass', 'method');
    const references = ['location', 'content-location'].flatMap((name) => linesOf(head.fields, name));
    const named = references.flatMap((reference) => idOfReference(reference, target) ?? []);
    const keys = new Set([visit.key, ...named.map((id) => keyOfUrl(cache.settings, id))]);
    // With Redis away the shelf remembers what it owes.
    const after = Promise.allSettled([...keys].map((key) => cache.drop(key)));
    return isTooLate ? 'as-is' : { after };
  }
}
