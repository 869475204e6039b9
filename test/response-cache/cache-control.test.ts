// Cache-Control and CDN-Cache-Control, as they are and as they should not be.
import { describe, expect, it } from '@jest/globals';
import { deltaSeconds, directivesOf, parseCacheControl } from '../../lib/response-cache/cache-control.js';

describe('RFC 9111, 5.2: Cache-Control', () => {
  it.each<[string, string[], Record<string, string[]>]>([
    ['names are case-insensitive', ['No-Store, MAX-age=1'], { 'no-store': [''], 'max-age': ['1'] }],
    ['arguments may be quoted', ['max-age="60"'], { 'max-age': ['60'] }],
    [
      'commas and directives within quotes are not directives',
      ['x="no-store, max-age=9", max-age=1'],
      { x: ['no-store, max-age=9'], 'max-age': ['1'] },
    ],
    [
      'escaped quotes do not end a string',
      ['x="a\\", no-store", public'],
      { x: ['a", no-store'], public: [''] },
    ],
    ['a string without an end swallows the rest', ['x="a, no-store'], { x: ['"a, no-store'] }],
    ['lines count as one list', ['max-age=1', 'max-age=2'], { 'max-age': ['1', '2'] }],
    ['empty members are nothing', [', ,public,,'], { public: [''] }],
    ['a space before the equals sign makes another name', ['max-age =60'], {}],
    ['a space after it makes another value', ['max-age= 60'], { 'max-age': [' 60'] }],
    ['what is no token is nothing', ['(x), @=1, public'], { public: [''] }],
    ['no line is no directive', [], {}],
  ])('%s', (_name, lines, expected) => {
    expect(Object.fromEntries(parseCacheControl(lines))).toEqual(expected);
  });

  it.each<[string, string, number | undefined]>([
    ['absent', 'public', undefined],
    ['a number', 'max-age=60', 60],
    ['leading zeros', 'max-age=0060', 60],
    ['nothing', 'max-age', 0],
    ['negative', 'max-age=-60', 0],
    ['a fraction', 'max-age=60.0', 0],
    ['in single quotes', "max-age='60'", 0],
    ['with a letter', 'max-age=60a', 0],
    ['the same twice', 'max-age=60, max-age=60', 60],
    ['two that differ (4.2.1)', 'max-age=60, max-age=90', 0],
    ['over 2^31 (1.2.2)', 'max-age=99999999999', 2 ** 31],
  ])('delta-seconds: %s', (_name, line, seconds) => {
    expect(deltaSeconds(parseCacheControl([line]), 'max-age')).toBe(seconds);
  });
});

describe('RFC 9213: CDN-Cache-Control', () => {
  const of = (targeted: string, general = 'max-age=1') =>
    directivesOf([
      ['Cache-Control', general],
      ['CDN-Cache-Control', targeted],
    ]);

  it.each<[string, string, boolean, number | undefined]>([
    ['comes before Cache-Control', 'max-age=60', true, 60],
    ['may be without max-age', 'no-store', true, undefined],
    ['must be a dictionary', 'max-age=60, &&&', false, 1],
    ['must not be empty', '', false, 1],
    ['has lower-case names only', 'MaX-aGe=60', false, 1],
    ['takes no string for a number', 'max-age="60"', true, 0],
    ['takes no decimal for a number', 'max-age=60.5', true, 0],
  ])('%s', (_name, targeted, isTargeted, seconds) => {
    const found = of(targeted);
    expect([found.isTargeted, deltaSeconds(found.directives, 'max-age')]).toEqual([isTargeted, seconds]);
  });

  it('takes a false member for an absent one', () => {
    expect(of('no-store=?0, max-age=5').directives.has('no-store')).toBe(false);
  });
});
