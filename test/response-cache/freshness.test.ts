// How long a response is fresh, and how old it is.
import { describe, expect, it } from '@jest/globals';
import { currentAgeMs, freshnessLifetime, type LifetimeRules } from '../../lib/response-cache/freshness.js';
import { parseHttpDate } from '../../lib/response-cache/http-date.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const date = (offsetSeconds: number) => new Date(NOW + offsetSeconds * 1000).toUTCString();
const RULES: LifetimeRules = {
  ttlMs: undefined,
  statuses: undefined,
  allowsHeuristics: true,
  doubtsAge: false,
};

function response(headers: Record<string, string | string[]>, status = 200) {
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map((line) => [name, line] as const),
  );
  return { status, fields, requestedAtMs: NOW - 500, receivedAtMs: NOW };
}

describe('RFC 9110, 5.6.7: dates', () => {
  const MOMENT = Date.UTC(1994, 10, 6, 8, 49, 37);
  it.each<[string, string, number | undefined]>([
    ['IMF-fixdate', 'Sun, 06 Nov 1994 08:49:37 GMT', MOMENT],
    ['RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT', MOMENT],
    ['asctime', 'Sun Nov  6 08:49:37 1994', MOMENT],
    [
      'a two-digit year over 50 years ahead has been',
      'Saturday, 06-Nov-77 08:49:37 GMT',
      Date.UTC(1977, 10, 6, 8, 49, 37),
    ],
    [
      'a two-digit year 50 years ahead is to come',
      'Friday, 06-Nov-76 08:49:37 GMT',
      Date.UTC(2076, 10, 6, 8, 49, 37),
    ],
    ['a leap second', 'Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
    ['another case', 'sun, 06 nov 1994 08:49:37 gmt', undefined],
    ['another zone', 'Sun, 06 Nov 1994 08:49:37 UTC', undefined],
    ['no comma', 'Sun 06 Nov 1994 08:49:37 GMT', undefined],
    ['a short year', 'Sun, 06 Nov 94 08:49:37 GMT', undefined],
    ['a short hour', 'Sun, 06 Nov 1994 8:49:37 GMT', undefined],
    ['more spaces', 'Sun, 06  Nov 1994 08:49:37 GMT', undefined],
    ['no such day', 'Wed, 30 Feb 1994 08:49:37 GMT', undefined],
    ['no such hour', 'Sun, 06 Nov 1994 24:49:37 GMT', undefined],
    ['ISO', '1994-11-06T08:49:37Z', undefined],
    ['0', '0', undefined],
  ])('%s', (_name, value, expected) => {
    expect(parseHttpDate(value, NOW)).toBe(expected);
  });
});

describe('RFC 9111, 4.2.1: the freshness lifetime', () => {
  it.each<[string, Record<string, string | string[]>, number, string, number?]>([
    [
      's-maxage comes before max-age and Expires',
      { 'Cache-Control': 'max-age=1, s-maxage=60', Expires: date(5) },
      60,
      's-maxage',
    ],
    ['max-age comes before Expires', { 'Cache-Control': 'max-age=60', Expires: date(-5) }, 60, 'max-age'],
    [
      'an invalid max-age is stale, whatever Expires says',
      { 'Cache-Control': 'max-age=x', Expires: date(60) },
      0,
      'max-age',
    ],
    ['Expires counts from Date', { Date: date(-100), Expires: date(20) }, 120, 'expires'],
    ['Expires counts from now without a usable Date', { Date: 'now', Expires: date(20) }, 20, 'expires'],
    ['Expires before Date is 0', { Date: date(0), Expires: date(-20) }, 0, 'expires'],
    ['5.3: an invalid Expires is in the past', { Expires: '0' }, 0, 'expires'],
    ['several Expires are stale', { Expires: [date(60), date(60)] }, 0, 'expires'],
    [
      'RFC 9213: the targeted field hides Expires',
      { 'CDN-Cache-Control': 'max-age=7', Expires: date(60) },
      7,
      'max-age',
    ],
    [
      'RFC 9213: even where it names no lifetime',
      { 'CDN-Cache-Control': 'public', Expires: date(60) },
      0,
      'none',
    ],
    ['4.2.2: a tenth of the time since Last-Modified', { 'Last-Modified': date(-1000) }, 100, 'heuristic'],
    ['4.2.2: at most a day', { 'Last-Modified': date(-86_400 * 365) }, 86_400, 'heuristic'],
    ['4.2.2: nothing for a future Last-Modified', { 'Last-Modified': date(1000) }, 0, 'none'],
    ['4.2.2: not for statuses that do not allow it', { 'Last-Modified': date(-1000) }, 0, 'none', 403],
    [
      '4.2.2: unless marked as cacheable',
      { 'Last-Modified': date(-1000), 'Cache-Control': 'public' },
      100,
      'heuristic',
      599,
    ],
    ['nobody says anything', {}, 0, 'none'],
  ])('%s', (_name, headers, seconds, source, status = 200) => {
    expect(freshnessLifetime(response(headers, status), RULES)).toEqual({
      lifetimeMs: seconds * 1000,
      source,
    });
  });

  it('ttl is for responses that declare nothing, of statuses that may be guessed about or are named', () => {
    const rules = { ...RULES, ttlMs: 5_000, statuses: new Set([500]) };
    const lifetime = (headers: Record<string, string>, status = 200) =>
      freshnessLifetime(response(headers, status), rules).lifetimeMs;
    expect(lifetime({})).toBe(5_000);
    expect(lifetime({ 'Last-Modified': date(-1000) })).toBe(5_000);
    expect(lifetime({ 'Cache-Control': 'max-age=1' })).toBe(1_000);
    expect([lifetime({}, 302), lifetime({}, 503), lifetime({}, 500)]).toEqual([0, 0, 5_000]);
  });

  it('nothing is guessed where heuristics are not allowed', () => {
    const rules = { ...RULES, allowsHeuristics: false };
    expect(freshnessLifetime(response({ 'Last-Modified': date(-1000) }), rules).source).toBe('none');
  });
});

describe('RFC 9111, 4.2.3: the age', () => {
  it.each<[string, Record<string, string | string[]>, number]>([
    ['what the handler took, and the time since', {}, 10.5],
    ['Age adds to it', { Age: '30' }, 40.5],
    ['an old Date counts where it is more', { Date: date(-100), Age: '30' }, 110],
    ['a Date in the future does not', { Date: date(100) }, 10.5],
    ['5.1: the first member of a list', { Age: '30, 99' }, 40.5],
    ['5.1: the first of several lines', { Age: ['30', '99'] }, 40.5],
    ['5.1: anything but an integer is ignored', { Age: '30.0' }, 10.5],
    ['5.1: a negative one too', { Age: '-30' }, 10.5],
  ])('%s', (_name, headers, seconds) => {
    expect(currentAgeMs(response(headers), RULES, NOW + 10_000)).toBe(seconds * 1000);
  });

  it.each([['abc'], ['-1'], ['1.0'], ['1;a=b'], ['1, 1'], [['1', '2']]])(
    'without trust in anything but one number, %p is as old as can be',
    (age) => {
      const doubtful = { ...RULES, doubtsAge: true };
      expect(currentAgeMs(response({ Age: age }), doubtful, NOW)).toBeGreaterThanOrEqual(2 ** 31 * 1000);
      expect(currentAgeMs(response({ Age: '0,7200' }), doubtful, NOW)).toBe(500);
      expect(currentAgeMs(response({}), doubtful, NOW)).toBe(500);
    },
  );

  it('is never negative, though hosts disagree about the time', () => {
    expect(currentAgeMs(response({}), RULES, NOW - 60_000)).toBe(500);
  });
});
