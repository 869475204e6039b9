/** A POST whose answer is the page itself: stored for the GETs that follow, by the letter of the standard only. */
import { passTrouble } from '../fill/lease.js';
import type { Cache } from './cache.js';
import { keepCookiesPrivate } from './departure.js';
import type { Entry } from './entry.js';
import { declaredLength, fieldsOf, fieldsOfThePage, linesOf, singleLine, storableFields } from './fields.js';
import { freshnessLifetime, type TimedResponse } from './freshness.js';
import { intercept } from './intercept.js';
import { type CacheRequest, idOfReference, type Target, urlOf } from './key.js';
import type { Answer, Head } from './listener.js';
import { keepForMs, type Rules, refusalToStore } from './policy.js';
import { createRecorder } from './recorder.js';
import type { Reservation } from './shelf.js';
import { taggerOf } from './tags.js';
import { parseVary } from './vary.js';
import { isGone, type Visit } from './visit.js';

export interface Posted {
  /** Hears the handler's answer, before those who listen already. */
  listen(): void;
  /** Whether the answer is the page. */
  isPage(): boolean;
  /** Forgets what was the page; from then on this answer may be. */
  takePlace(): Promise<void>;
}

export function mayBePosted({ method }: CacheRequest, { profile }: Rules): boolean {
  return profile === 'rfc9111' && method === 'POST';
}

/**
 * Undefined while another POST to the same page is under way: whichever of the two is answered last may not be the one
 * that was carried out last.
 */
export async function openPosted(cache: Cache, visit: Visit): Promise<Posted | undefined> {
  const { settings, shelf } = cache;
  const { rules } = settings;
  const { res, key, headers, target } = visit;
  const tagsFor = taggerOf(settings, visit);
  const reserved = await cache.reservePost(key).catch(passTrouble);
  if (reserved === undefined) return undefined;
  const right = reserved;
  const recorder = createRecorder(settings.maxBodyBytes);
  const held = new Set([right]);
  let place: Reservation | undefined;
  let recorded: Omit<Entry, 'body' | 'vary' | 'variant'> | undefined;
  let isOver = isGone(visit);
  res.once('close', letGo);
  if (isOver) letGo();

  return { listen, isPage: () => recorded !== undefined && !isOver, takePlace };

  function listen(): void {
    const before = fieldsOf(res);
    const requestedAtMs = Date.now();
    intercept(res, {
      mayAnswer: (status) => status === 200,
      onHead,
      onBytes: (bytes) => void (recorded === undefined || recorder.add(bytes) || letGo()),
      onDeparture,
      onEnd: store,
      onClose: letGo,
    });

    function onHead({ status, reason, fields }: Head, isTooLate: boolean): Answer {
      const response = { status, fields, requestedAtMs, receivedAtMs: Date.now() };
      const mayAnswer = !isTooLate && isOwnPage(response, target, rules);
      if (!mayAnswer || refusalToStore(headers, response, rules) !== undefined) return 'as-is';
      const said = reason === undefined ? {} : { reason };
      recorded = { ...response, ...said, fields: fieldsOfThePage(before, fields) };
      return 'as-is';
    }
  }

  async function takePlace(): Promise<void> {
    await cache.dropPage(key);
    const found = await shelf.find(key, headers);
    place = await shelf.reserve(found, headers);
    if (place !== undefined) held.add(place);
    // Whoever changes the page from here on breaks the place; whoever did since the handler was asked broke the right.
    const isNewest = await right.discard().catch(passTrouble);
    if (isNewest === true) held.delete(right);
    if (isNewest === true && !isOver) return;
    letGo();
    await cache.drop(key);
  }

  function onDeparture(): void {
    if (recorded === undefined) return;
    if (refusalToStore(headers, { ...recorded, fields: fieldsOf(res) }, rules) !== undefined) letGo();
    else keepCookiesPrivate(res, linesOf(recorded.fields, 'set-cookie'));
  }

  function store(): void {
    const page = isOver ? undefined : wholePage();
    if (place === undefined || page === undefined) {
      letGo();
      return;
    }
    held.delete(place);
    const vary = parseVary(linesOf(page.fields, 'vary')) ?? [];
    place.keep(page, vary, keepForMs(page, rules, Date.now())).catch(passTrouble);
  }

  function wholePage(): Omit<Entry, 'vary' | 'variant'> | undefined {
    const body = recorded && recorder.take(declaredLength(recorded.fields));
    // Tags that were purged while the handler ran are not asked about.
    if (body === undefined || tagsFor(recorded!.fields).length > 0) return undefined;
    return { ...recorded!, fields: storableFields(recorded!.fields), body };
  }

  function letGo(): void {
    isOver = true;
    for (const reservation of held) reservation.cancel().catch(passTrouble);
    held.clear();
  }
}

/**
 * RFC 9110, 9.3.3: cacheable only with explicit freshness information and a Content-Location that has the same value as
 * the target URI; then it can be reused for a later GET or HEAD.
 */
function isOwnPage(response: TimedResponse, target: Target, rules: Rules): boolean {
  if (response.status !== 200) return false;
  const place = singleLine(response.fields, 'content-location');
  if (place === undefined || idOfReference(place, target) !== urlOf(target)) return false;
  return ['s-maxage', 'max-age', 'expires'].includes(freshnessLifetime(response, rules).source);
}
