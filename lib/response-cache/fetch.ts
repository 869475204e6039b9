/** Has the handler answer, passes its answer on, and stores it when it may be; also validates what is stored. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Cache } from './cache.js';
import { claim, type Stake } from './claim.js';
import { isConditional, isNotModified, withOwnCondition } from './conditional.js';
import { silence } from './decoy.js';
import { keepCookiesPrivate } from './departure.js';
import type { Entry } from './entry.js';
import {
  changedSince,
  declaredLength,
  type Fields,
  fieldsOf,
  fieldsOfThePage,
  linesOf,
  resetHeaders,
  updatedFields,
} from './fields.js';
import { currentAgeMs, type TimedResponse } from './freshness.js';
import { giveWay, INNER_CACHE } from './giving-way.js';
import { intercept } from './intercept.js';
import type { Answer, Head } from './listener.js';
import { asksForPart, isServerError, type Refusal, refusalToStore } from './policy.js';
import { fieldsToStore } from './ranges.js';
import { createRecorder } from './recorder.js';
import { useStale } from './reuse.js';
import { serveEntry } from './serve.js';
import type { StaleBecause } from './stale.js';
import { type Account, type Forward, STALE_IF_ERROR, tell, tellInstead } from './trace.js';
import { refuse, type Visit } from './visit.js';

export interface Errand extends Stake {
  readonly forward: Forward;
  /** The stale response to validate. */
  readonly stored: Entry | undefined;
  /** The stale response to serve when the handler fails, if it may be. */
  readonly fallback: Entry | undefined;
  /** Called when it is known that nothing will be stored. */
  readonly onDropped?: () => void;
}

type Recorded = TimedResponse & { readonly reason: string | undefined };

export function fetchFromHandler(cache: Cache, visit: Visit, errand: Errand): void {
  const { rules, maxBodyBytes } = cache.settings;
  const { req, res, trace } = visit;
  const { stored, fallback, forward } = errand;
  const before = fieldsOf(res);
  const asked = req.headers;
  const requestedAtMs = Date.now();
  const recorder = createRecorder(maxBodyBytes);
  const claimed = claim(cache, errand, onSettled);
  let recorded: Recorded | undefined;
  let told: Account = { forward };
  let validated: Entry | undefined;
  /** The status that is not passed on. */
  let failedStatus: number | undefined;

  const mayStandIn =
    staleUse('closed') !== undefined || (errand.isRenewal !== true && rules.servesStaleWhenClosed);
  trace.go(stored === undefined ? 'fetch' : 'validate');
  const range = stored === undefined && asksForPart(asked, rules) ? asked.range : undefined;
  setHeaders(req, withOwnCondition(asked, stored?.fields ?? [], range));
  const { restore, stop } = intercept(res, {
    mayAnswer: (status) =>
      (status === 304 && stored !== undefined) ||
      (status === 200 && isConditional(asked)) ||
      (isServerError(status) && staleUse('if-error') !== undefined),
    onHead,
    onBytes(bytes) {
      const isKept = claimed.refusal === undefined && validated === undefined && failedStatus === undefined;
      if (isKept && !recorder.add(bytes)) drop('too-big');
    },
    onDeparture,
    onEnd,
    onClose: () => stepBack('aborted'),
    onGivenUp: mayStandIn ? onGivenUp : undefined,
  });
  giveWay(res, () => stepBack(INNER_CACHE));
  visit.next();

  function onHead(head: Head, isTooLate: boolean): Answer {
    setHeaders(req, asked);
    const receivedAtMs = Date.now();
    const response = { ...head, requestedAtMs, receivedAtMs };
    if (head.status === 304 && stored !== undefined && !isTooLate) {
      validated = freshened(stored, changedSince(before, head.fields), response);
      return 'nothing';
    }
    if (isServerError(head.status) && !isTooLate && staleUse('if-error') !== undefined) {
      failedStatus = head.status;
      return 'nothing';
    }
    const refusal = refusalOf(response);
    claimed.expectEnd();
    if (refusal === undefined) recorded = { ...response, fields: fieldsOfThePage(before, head.fields) };
    else drop(refusal);
    if (stored !== undefined) told = { forward, forwardStatus: head.status };
    told = { ...told, ...(refusal === undefined ? { isStored: true } : { detail: refusal }) };
    tell(res, told);
    return !isTooLate && isNotModified(asked, response) ? 'not-modified' : 'as-is';
  }

  /** A cookie that a middleware before this one sets only now, as sessions do, came with this page for one client. */
  function onDeparture(): void {
    if (recorded === undefined) return;
    const refusal = refusalToStore(visit.headers, { ...recorded, fields: fieldsOf(res) }, rules);
    if (refusal === undefined) keepCookiesPrivate(res, linesOf(recorded.fields, 'set-cookie'));
    else {
      tellInstead(res, told, { ...told, isStored: false, detail: refusal });
      drop(refusal);
    }
  }

  function refusalOf(response: TimedResponse): Refusal {
    const refusal = claimed.refusal ?? refusalToStore(visit.headers, response, rules);
    if (refusal !== undefined) return refusal;
    // An error is no reason to forget a page that may still be served.
    if (errand.isRenewal === true && (response.status < 200 || response.status > 299)) return 'status';
    if ((declaredLength(response.fields) ?? 0) > maxBodyBytes) return 'too-big';
    return claimed.mayStore() ? undefined : 'reserved';
  }

  function onEnd(): void {
    if (validated !== undefined) serveValidated(validated);
    else if (failedStatus !== undefined) serveStale('if-error');
    else if (recorded !== undefined && claimed.refusal === undefined) storeRecorded(recorded);
    else drop('incomplete');
  }

  function storeRecorded(recorded: Recorded): void {
    const body = recorder.take(declaredLength(recorded.fields));
    const { reason, ...response } = recorded;
    const said = reason === undefined ? {} : { reason };
    const fields = body && fieldsToStore(response, body.length);
    if (body === undefined || fields === undefined) drop('incomplete');
    else claimed.store({ ...response, ...said, fields, body });
  }

  function serveValidated(entry: Entry): void {
    restore();
    resetHeaders(res, before);
    const refusal = refusalToStore(visit.headers, entry, rules);
    const isStored = refusal === undefined && claimed.mayStore();
    trace.go('serve');
    const ageMs = currentAgeMs(entry, rules, Date.now());
    serveEntry(req, res, entry, ageMs, { forward, forwardStatus: 304, isStored });
    if (isStored) claimed.store(entry);
    else drop(refusal ?? 'reserved');
  }

  function onGivenUp(): void {
    setHeaders(req, asked);
    if (staleUse('closed') === undefined) refuseAsGateway();
    else serveStale('closed');
    silence(res);
  }

  function staleUse(because: StaleBecause) {
    return fallback && useStale(fallback, visit.headers, rules, Date.now(), because);
  }

  function serveStale(because: StaleBecause): void {
    restore();
    resetHeaders(res, before);
    trace.go('serve');
    const status = failedStatus === undefined ? {} : { forwardStatus: failedStatus };
    const ageMs = currentAgeMs(fallback!, rules, Date.now());
    serveEntry(req, res, fallback!, ageMs, { forward, ...status, detail: STALE_IF_ERROR });
    trace.end('stale', because);
    drop('failed');
  }

  /** RFC 9111, 5.2.2.2: disconnected, a cache answers 504, and not with what must be validated first. */
  function refuseAsGateway(): void {
    restore();
    resetHeaders(res, before);
    refuse(visit, 'closed');
    drop('failed');
  }

  function stepBack(why: NonNullable<Refusal>): void {
    stop();
    setHeaders(req, asked);
    drop(why);
  }

  function drop(why: NonNullable<Refusal>): void {
    recorded = undefined;
    claimed.drop(why);
  }

  function onSettled(why: Refusal): void {
    if (why === undefined) trace.go('store');
    else if (why !== INNER_CACHE) errand.onDropped?.();
    trace.end(stored === undefined ? 'miss' : 'validate', why);
  }
}

/** Another object, for what the handler was asked is the handler's to keep. */
function setHeaders(req: Visit['req'], headers: IncomingHttpHeaders): void {
  Object.defineProperty(req, 'headers', {
    value: headers,
    writable: true,
    configurable: true,
    enumerable: true,
  });
}

/** RFC 9111, 4.3.4: the stored response, updated; it was received anew just now. */
function freshened(stored: Entry, news: Fields, { requestedAtMs, receivedAtMs }: TimedResponse): Entry {
  const kept = stored.fields.filter(([name]) => !['date', 'age'].includes(name.toLowerCase()));
  return { ...stored, fields: updatedFields(kept, news), requestedAtMs, receivedAtMs };
}
