/** Forgets the pages that an unsafe request which succeeded may have changed (RFC 9111, 4.4). */
import type { Cache } from './cache.js';
import { linesOf } from './fields.js';
import { intercept } from './intercept.js';
import { idOfReference, keyOfUrl } from './key.js';
import type { Answer, Head } from './listener.js';
import { isInvalidatingStatus } from './policy.js';
import type { Posted } from './posted.js';
import { openTagging } from './tags.js';
import { tell } from './trace.js';
import type { Visit } from './visit.js';

/** The client hears of its success when the pages are gone: whatever it reads next is new. */
export function invalidateAfter(cache: Cache, visit: Visit, posted?: Posted): void {
  const { res, trace, target } = visit;
  const end = () => trace.end('bypass', 'method');
  let isJudged = false;
  tell(res, { forward: 'method' });
  listen();
  posted?.listen();
  openTagging(res);
  visit.next();

  function listen(): void {
    intercept(res, { mayAnswer: isInvalidatingStatus, onHead, onBytes() {}, onEnd: end, onClose });
  }

  /** The client is gone, but what it asked for may be done all the same. */
  function onClose(): void {
    end();
    if (!isJudged) listen();
  }

  function onHead(head: Head, isTooLate: boolean): Answer {
    isJudged = true;
    if (!isInvalidatingStatus(head.status)) return 'as-is';
    trace.go('invalidate');
    end();
    const references = ['location', 'content-location'].flatMap((name) => linesOf(head.fields, name));
    const named = references.flatMap((reference) => idOfReference(reference, target) ?? []);
    const keys = new Set([visit.key, ...named.map((id) => keyOfUrl(cache.settings, id))]);
    // With Redis away the shelf remembers what it owes.
    const after = Promise.allSettled([...keys].map(forget));
    return isTooLate ? 'as-is' : { after };
  }

  function forget(key: string): Promise<void> {
    return key === visit.key && posted?.isPage() ? posted.takePlace() : cache.drop(key);
  }
}
