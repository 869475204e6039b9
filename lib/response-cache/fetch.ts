/** Has the handler answer, passes its answer on, and stores it when it may be; also validates what is stored. */
import type { IncomingHttpHeaders } from 'node:http';
import { isRedisTrouble } from '../core/errors.js';
import type { Cache } from './cache.js';
import { CONDITION_HEADERS, isNotModified } from './conditional.js';
import type { Entry } from './entry.js';
import {
  changedSince,
  declaredLength,
  type Fields,
  fieldsOf,
  fieldsOfThePage,
  linesOf,
  storableFields,
  updatedFields,
} from './fields.js';
import type { Flight } from './flights.js';
import { currentAgeMs, type TimedResponse } from './freshness.js';
import { type Answer, type Head, intercept } from './intercept.js';
import { keepForMs, type Refusal, refusalToStore } from './policy.js';
import { createRecorder } from './recorder.js';
import { serveEntry } from './serve.js';
import type { Reservation } from './shelf.js';
import { type Forward, tell } from './trace.js';
import { parseVary } from './vary.js';
import type { Visit } from './visit.js';

export interface Errand {
  readonly forward: Forward;
  /** The stale response to validate. */
  readonly stored: Entry | undefined;
  /** The right to store; without it the response only goes by. */
  readonly reservation: Reservation | undefined;
  /** Those who wait for what comes of this. */
  readonly flight: Flight<Entry> | undefined;
  /** Where hit-for-miss remembers this kind of request. */
  readonly hitForMissId: string;
}

type Recorded = TimedResponse & { readonly reason: string | undefined };

/** Not a property of the page: the next answer may be another. */
const PASSING_REFUSALS: ReadonlySet<Refusal> = new Set([
  'status',
  'request-no-store',
  'reserved',
  'aborted',
  'incomplete',
]);

/** A response that takes longer is not stored, so that another request may try. */
const MAX_HOLD_MS = 30_000;

export function fetchFromHandler(cache: Cache, visit: Visit, errand: Errand): void {
  const { rules, maxBodyBytes } = cache.settings;
  const { req, res, trace } = visit;
  const { stored, flight, forward } = errand;
  const before = fieldsOf(res);
  const asked = req.headers;
  const requestedAtMs = Date.now();
  const recorder = createRecorder(maxBodyBytes);
  let { reservation } = errand;
  let recorded: Recorded | undefined;
  let validated: Entry | undefined;
  const patience = reservation && setTimeout(drop, MAX_HOLD_MS, 'too-slow').unref();

  trace.go(stored === undefined ? 'fetch' : 'validate');
  askForTheWhole();
  const { restore } = intercept(res, {
    mayAnswer: (status) =>
      (status === 304 && stored !== undefined) || (status === 200 && isConditional(asked)),
    onHead,
    onBytes(bytes) {
      if (recorded !== undefined && !recorder.add(bytes)) drop('too-big');
    },
    onEnd,
    onClose() {
      setHeaders(req, asked);
      drop('aborted');
    },
  });
  visit.next();

  function onHead(head: Head, isTooLate: boolean): Answer {
    setHeaders(req, asked);
    const receivedAtMs = Date.now();
    const response = { ...head, requestedAtMs, receivedAtMs };
    if (head.status === 304 && stored !== undefined && !isTooLate) {
      validated = freshened(stored, changedSince(before, head.fields), response);
      return 'nothing';
    }
    const refusal = refusalOf(response);
    flight?.expectEnd();
    if (refusal === undefined) recorded = { ...response, fields: fieldsOfThePage(before, head.fields) };
    else drop(refusal);
    const forwardStatus = stored === undefined ? {} : { forwardStatus: head.status };
    tell(res, {
      forward,
      ...forwardStatus,
      ...(refusal === undefined ? { isStored: true } : { detail: refusal }),
    });
    return !isTooLate && isNotModified(asked, response) ? 'not-modified' : 'as-is';
  }

  function refusalOf(response: TimedResponse): Refusal {
    const refusal = refusalToStore(asked, response, rules);
    if (refusal !== undefined) return refusal;
    if ((declaredLength(response.fields) ?? 0) > maxBodyBytes) return 'too-big';
    return reservation === undefined ? 'reserved' : undefined;
  }

  function onEnd(): void {
    if (validated !== undefined) serveValidated(validated);
    else if (recorded !== undefined) storeRecorded(recorded);
    else drop('incomplete');
  }

  function storeRecorded(recorded: Recorded): void {
    const body = recorder.take(declaredLength(recorded.fields));
    const { reason, ...response } = recorded;
    const said = reason === undefined ? {} : { reason };
    if (body === undefined) drop('incomplete');
    else store({ ...response, ...said, fields: storableFields(response.fields), body });
  }

  function serveValidated(entry: Entry): void {
    restore();
    resetHeaders(before);
    const refusal = refusalToStore(asked, entry, rules);
    const isStored = refusal === undefined && reservation !== undefined;
    trace.go('serve');
    serveEntry(req, res, entry, currentAgeMs(entry, Date.now()), { forward, forwardStatus: 304, isStored });
    if (isStored) store(entry);
    else drop(refusal ?? 'reserved');
  }

  function store(response: Omit<Entry, 'vary' | 'variant'>): void {
    const right = reservation!;
    clearTimeout(patience);
    flight?.startLanding();
    const vary = parseVary(linesOf(response.fields, 'vary')) ?? [];
    right.keep(response, vary, keepForMs(response, rules, Date.now())).then(
      (entry) => {
        if (entry !== undefined) trace.go('store');
        finish(entry, entry === undefined ? 'purged' : undefined);
      },
      (error: unknown) => {
        finish(undefined, 'not-stored');
        if (!isRedisTrouble(error)) throw error;
      },
    );
  }

  /** Nothing is stored, and nobody need wait. */
  function drop(why: NonNullable<Refusal>): void {
    recorded = undefined;
    clearTimeout(patience);
    if (!PASSING_REFUSALS.has(why)) cache.hitForMiss.set(errand.hitForMissId, why);
    reservation?.cancel().catch(() => {});
    reservation = undefined;
    finish(undefined, why);
  }

  function finish(entry: Entry | undefined, reason: string | undefined): void {
    flight?.land(entry);
    trace.end(stored === undefined ? 'miss' : 'validate', reason);
  }

  /** RFC 9111, 4.3.1: our own condition, or none, so that the answer is about the page, not about this client's copy. */
  function askForTheWhole(): void {
    const headers = { ...asked };
    for (const name of CONDITION_HEADERS) delete headers[name];
    const [etag] = linesOf(stored?.fields ?? [], 'etag');
    const [lastModified] = linesOf(stored?.fields ?? [], 'last-modified');
    if (etag !== undefined) headers['if-none-match'] = etag;
    if (lastModified !== undefined) headers['if-modified-since'] = lastModified;
    setHeaders(req, headers);
  }

  /** A 304 is not what the client gets, so its headers are not either. */
  function resetHeaders(fields: Fields): void {
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    for (const [name, value] of fields) res.appendHeader(name, value);
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

function isConditional(headers: IncomingHttpHeaders): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined;
}

/** RFC 9111, 4.3.4: the stored response, updated; it was received anew just now. */
function freshened(stored: Entry, news: Fields, { requestedAtMs, receivedAtMs }: TimedResponse): Entry {
  const kept = stored.fields.filter(([name]) => !['date', 'age'].includes(name.toLowerCase()));
  return { ...stored, fields: updatedFields(kept, news), requestedAtMs, receivedAtMs };
}
