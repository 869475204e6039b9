// Which page a request is for.
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import {
  type CacheRequest,
  idOfReference,
  idsOfUrl,
  pageId,
  pageKey,
  targetOf,
} from '../../lib/response-cache/key.js';

const EVERY_BYTE = { only: undefined, ignore: [], ignoresOrder: false };

function idOf(req: Partial<Record<keyof CacheRequest, unknown>>, host = 'shop.example'): string {
  const request = { headers: { host }, socket: {}, ...req } as unknown as CacheRequest & IncomingMessage;
  const target = targetOf(request);
  return typeof target === 'string' ? target : pageId(target, request, EVERY_BYTE);
}

function trustingProxyThatSays(host: string) {
  return { app: { get: () => () => true }, headers: { host: 'backend', 'x-forwarded-host': host } };
}

describe('the page of a request', () => {
  it.each<[string, Parameters<typeof idOf>, string]>([
    ['is its URL', [{ url: '/a?b=c' }], 'http://shop.example/a?b=c'],
    [
      'has the scheme of the connection',
      [{ url: '/', socket: { encrypted: true } }],
      'https://shop.example/',
    ],
    ['has the scheme that Express found', [{ url: '/', protocol: 'https' }], 'https://shop.example/'],
    ['has a host in lower case', [{ url: '/' }, 'SHOP.example:3000'], 'http://shop.example:3000/'],
    ["has no port that is the scheme's own", [{ url: '/' }, 'shop.example:80'], 'http://shop.example/'],
    [
      'has the host that a trusted proxy names',
      [{ url: '/', hostname: 'www.example' }],
      'http://www.example/',
    ],
    [
      'keeps the port where Express leaves it out',
      [{ url: '/', hostname: 'shop.example' }, 'shop.example:3000'],
      'http://shop.example:3000/',
    ],
    [
      'is the original URL under a mount path',
      [{ url: '/b', baseUrl: '/a', originalUrl: '/a/b' }],
      'http://shop.example/a/b',
    ],
    [
      'also where all of it is mounted',
      [{ url: '/?x', baseUrl: '/a', originalUrl: '/a?x' }],
      'http://shop.example/a?x',
    ],
    [
      'is another one once something rewrote the URL',
      [{ url: '/de/a', originalUrl: '/a' }],
      'http://shop.example/a /de/a',
    ],
    [
      'has the port that a trusted proxy names',
      [{ url: '/', hostname: 'shop.example', ...trustingProxyThatSays('shop.example:9999, other') }],
      'http://shop.example:9999/',
    ],
    ['has an address for a host', [{ url: '/' }, '[2001:DB8::1]:3000'], 'http://[2001:db8::1]:3000/'],
    ['is none for *', [{ url: '*' }], 'target'],
    ['is none for an absolute form', [{ url: 'http://other.example/' }], 'target'],
    ['is none for a scheme that is none', [{ url: '/', protocol: 'http://victim.example/a?' }], 'host'],
    [
      'is none where Express cuts a host short',
      [{ url: '/', hostname: 'shop.example' }, 'shop.example:/a'],
      'host',
    ],
    [
      'is none where a proxy forwards a path as a host',
      [{ url: '/', hostname: 'shop.example', ...trustingProxyThatSays('shop.example:80/a') }],
      'host',
    ],
    ...[
      '',
      'shop.example/safe',
      'shop.example?a',
      'shop.example#',
      'me@shop.example',
      'a b',
      'shop.example:',
      '[::1',
      'a\\b',
      'a:1:2',
    ].map((host): [string, Parameters<typeof idOf>, string] => [
      `is none for the host ${JSON.stringify(host)}`,
      [{ url: '/' }, host],
      'host',
    ]),
  ])('%s', (_name, args, expected) => {
    expect(idOf(...args)).toBe(expected);
  });

  it('is spelled readably in Redis, and bounded', () => {
    expect(pageKey('shop:', 'http://shop.example/reports')).toBe('shop:page:{http://shop.example/reports}');
    const hostile = pageKey('', `http://shop.example/${'{}*?\n'.repeat(10_000)}`);
    expect(hostile).toMatch(/^page:\{http:\/\/shop\.example\/_+![\w-]{43}\}$/);
    expect(hostile.length).toBeLessThan(200);
  });
});

describe('what a purge names', () => {
  it.each<[string, string, readonly string[], readonly string[] | undefined]>([
    ['an absolute URL', 'HTTPS://Shop.example:443/a?b', [], ['https://shop.example/a?b']],
    ['without a path', 'http://shop.example?b', [], ['http://shop.example/?b']],
    [
      'a path on each host',
      '/a',
      ['one', 'two'],
      ['http://one/a', 'https://one/a', 'http://two/a', 'https://two/a'],
    ],
    ['letters beyond ASCII', 'http://one/café', [], ['http://one/café', 'http://one/caf%C3%A9']],
    ['a path without hosts', '/a', [], undefined],
    ['anything else', 'a', ['one'], undefined],
  ])('%s', (_name, url, hosts, expected) => {
    expect(idsOfUrl(url, hosts)).toEqual(expected);
  });
});

describe('RFC 9111, 4.4: Location and Content-Location', () => {
  const base = { scheme: 'http', host: 'shop.example', path: '/orders/1' };
  it.each<[string, string, string | undefined]>([
    ['relative', 'items?x=1', 'http://shop.example/orders/items?x=1'],
    ['absolute', 'http://SHOP.example:80/a', 'http://shop.example/a'],
    ['another host', 'http://other.example/a', undefined],
    ['another scheme', 'https://shop.example/a', undefined],
    ['no URL', 'http://[', undefined],
  ])('%s', (_name, reference, expected) => {
    expect(idOfReference(reference, base)).toBe(expected);
  });
});
