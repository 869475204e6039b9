// What may be stored, and what may be reused for whom.
import { describe, expect, it } from '@jest/globals';
import { type Rules, refusalToStore } from '../../lib/response-cache/policy.js';
import { useOf } from '../../lib/response-cache/reuse.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const SAFE: Rules = {
  profile: 'safe',
  isPublic: false,
  ttlMs: undefined,
  statuses: undefined,
  allowsHeuristics: false,
  doubtsAge: false,
  swrMs: undefined,
  staleIfErrorMs: undefined,
  servesStaleWhenClosed: false,
};
const LETTER: Rules = { ...SAFE, profile: 'rfc9111', allowsHeuristics: true, doubtsAge: true };

type Headers = Record<string, string>;

function response(headers: Headers, status = 200) {
  return { status, fields: Object.entries(headers), requestedAtMs: NOW, receivedAtMs: NOW };
}

const fresh = (more = '') => ({ 'Cache-Control': `max-age=60${more}` });

describe('RFC 9111, 3: storing', () => {
  it.each<[string, Headers, Headers, number, string | undefined, string | undefined]>([
    // request, response, status, refusal by the letter, refusal in the safe profile
    ['a fresh 200', {}, fresh(), 200, undefined, undefined],
    ['no lifetime at all', {}, {}, 200, 'not-fresh', 'not-fresh'],
    ['no lifetime, though a validator', {}, { ETag: '"1"' }, 200, 'not-fresh', 'not-fresh'],
    [
      'max-age=0 with a validator',
      {},
      { 'Cache-Control': 'max-age=0', ETag: '"1"' },
      200,
      undefined,
      undefined,
    ],
    ['max-age=0 without one', {}, { 'Cache-Control': 'max-age=0' }, 200, 'not-fresh', 'not-fresh'],
    [
      'no-cache with a validator',
      {},
      { 'Cache-Control': 'no-cache', ETag: '"1"' },
      200,
      undefined,
      undefined,
    ],
    ['no-cache without one', {}, { 'Cache-Control': 'no-cache, max-age=60' }, 200, 'not-fresh', 'not-fresh'],
    ['no-store (5.2.2.5)', {}, fresh(', no-store'), 200, 'no-store', 'no-store'],
    ['no-store="field"', {}, fresh(', no-store="a"'), 200, 'no-store', 'no-store'],
    ['private (5.2.2.7)', {}, fresh(', private'), 200, 'private', 'private'],
    ['private="field"', {}, fresh(', private="set-cookie"'), 200, 'private', 'private'],
    [
      'must-understand, understood (5.2.2.3)',
      {},
      fresh(', no-store, must-understand'),
      200,
      undefined,
      undefined,
    ],
    [
      'must-understand, not understood',
      {},
      fresh(', must-understand'),
      299,
      'must-understand',
      'must-understand',
    ],
    ['a part (206)', {}, fresh(), 206, 'status', 'status'],
    ['an answer to a condition (304)', {}, fresh(), 304, 'status', 'status'],
    ['a redirect', {}, fresh(), 302, undefined, undefined],
    ['an error', {}, fresh(), 404, undefined, 'status'],
    ['Vary: * (4.1)', {}, { ...fresh(), Vary: 'Accept, *' }, 200, 'vary', 'vary'],
    ['Authorization (3.5)', { authorization: 'x' }, fresh(), 200, 'authorization', 'authorization'],
    ['Authorization and public', { authorization: 'x' }, fresh(', public'), 200, undefined, undefined],
    ['Authorization and s-maxage', { authorization: 'x' }, fresh(', s-maxage=9'), 200, undefined, undefined],
    [
      'Authorization and must-revalidate',
      { authorization: 'x' },
      fresh(', must-revalidate'),
      200,
      undefined,
      'authorization',
    ],
    ['a Cookie', { cookie: 'a=b' }, fresh(), 200, undefined, 'cookie'],
    ['a Cookie and public', { cookie: 'a=b' }, fresh(', public'), 200, undefined, undefined],
    ['Set-Cookie', {}, { ...fresh(', public'), 'Set-Cookie': 'a=b' }, 200, undefined, 'set-cookie'],
    [
      "the request's no-store (5.2.1.5)",
      { 'cache-control': 'no-store' },
      fresh(),
      200,
      'request-no-store',
      undefined,
    ],
    [
      'Last-Modified alone (4.2.2)',
      {},
      { 'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT' },
      200,
      undefined,
      'not-fresh',
    ],
  ])('%s', (_name, request, headers, status, byTheLetter, safe) => {
    expect(refusalToStore(request, response(headers, status), LETTER)).toBe(byTheLetter);
    expect(refusalToStore(request, response(headers, status), SAFE)).toBe(safe);
  });

  it('statuses that are named may be stored in both profiles, and then no other error', () => {
    const statuses = new Set([404]);
    for (const rules of [SAFE, LETTER]) {
      expect(refusalToStore({}, response(fresh(), 404), { ...rules, statuses })).toBeUndefined();
      expect(refusalToStore({}, response(fresh(), 500), { ...rules, statuses })).toBe('status');
    }
  });

  it('a public route shares with requests that have credentials, but never what is private', () => {
    const rules = { ...SAFE, isPublic: true };
    const request = { cookie: 'a=b', authorization: 'x' };
    expect(refusalToStore(request, response(fresh()), rules)).toBeUndefined();
    expect(refusalToStore(request, response(fresh(', private')), rules)).toBe('private');
  });
});

describe('RFC 9111, 4: reuse', () => {
  const etag = { ETag: '"1"' };
  it.each<[string, Headers, Headers, number, string, string]>([
    // request, stored, age in seconds, use by the letter, use in the safe profile
    ['fresh', {}, fresh(), 59, 'serve', 'serve'],
    ['stale without a validator', {}, fresh(), 60, 'nothing', 'nothing'],
    ['stale with a validator', {}, { ...fresh(), ...etag }, 60, 'validate', 'validate'],
    ['no-cache (5.2.2.4)', {}, { ...fresh(', no-cache'), ...etag }, 1, 'validate', 'validate'],
    [
      'request no-cache (5.2.1.4)',
      { 'cache-control': 'no-cache' },
      { ...fresh(), ...etag },
      1,
      'validate',
      'serve',
    ],
    ['request max-age (5.2.1.1)', { 'cache-control': 'max-age=10' }, fresh(), 11, 'nothing', 'serve'],
    ['request max-age, young enough', { 'cache-control': 'max-age=10' }, fresh(), 10, 'serve', 'serve'],
    ['request min-fresh (5.2.1.3)', { 'cache-control': 'min-fresh=10' }, fresh(), 51, 'nothing', 'serve'],
    ['request max-stale (5.2.1.2)', { 'cache-control': 'max-stale=10' }, fresh(), 70, 'serve', 'nothing'],
    ['request max-stale, too stale', { 'cache-control': 'max-stale=10' }, fresh(), 71, 'nothing', 'nothing'],
    [
      'request max-stale without a number',
      { 'cache-control': 'max-stale' },
      fresh(),
      9_999,
      'serve',
      'nothing',
    ],
    [
      'max-stale against must-revalidate (4.2.4)',
      { 'cache-control': 'max-stale' },
      fresh(', must-revalidate'),
      61,
      'nothing',
      'nothing',
    ],
    [
      'max-stale against s-maxage',
      { 'cache-control': 'max-stale' },
      fresh(', s-maxage=60'),
      61,
      'nothing',
      'nothing',
    ],
    ['for somebody logged in', { cookie: 'a=b' }, fresh(), 1, 'serve', 'nothing'],
    ['for somebody logged in, public', { cookie: 'a=b' }, fresh(', public'), 1, 'serve', 'serve'],
    ['a stored Set-Cookie', {}, { ...fresh(), 'Set-Cookie': 'a=b' }, 1, 'serve', 'nothing'],
  ])('%s', (_name, request, headers, seconds, byTheLetter, safe) => {
    const at = NOW + seconds * 1000;
    expect(useOf(response(headers), request, LETTER, at).may).toBe(byTheLetter);
    expect(useOf(response(headers), request, SAFE, at).may).toBe(safe);
  });
});
