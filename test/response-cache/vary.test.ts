// Which headers choose between variants, and when two requests choose the same.
import { describe, expect, it } from '@jest/globals';
import { parseVary, variantField } from '../../lib/response-cache/vary.js';

describe('RFC 9111, 4.1: Vary', () => {
  it.each<[string, string[], readonly string[] | undefined]>([
    ['no field', [], []],
    ['names are case-insensitive, their order is none', ['Foo, BAR', 'foo'], ['bar', 'foo']],
    ['* fails to match', ['*'], undefined],
    ['* anywhere', ['foo, *'], undefined],
    ['* on another line', ['', '*'], undefined],
    ['what is no name is nothing', ['foo bar, b@d, ok'], ['ok']],
    ['over 20 names are too many', [Array.from({ length: 21 }, (_, i) => `h${i}`).join()], undefined],
  ])('%s', (_name, lines, names) => {
    expect(parseVary(lines)).toEqual(names);
  });

  it.each<[string, string, string | string[] | undefined, string | string[] | undefined, boolean]>([
    ['the same', 'foo', '1', '1', true],
    ['others', 'foo', '1', '2', false],
    ['absent matches absent', 'foo', undefined, undefined, true],
    ['absent is not empty', 'foo', undefined, '', false],
    ['space around commas', 'foo', '1,2', ' 1 , 2 ', true],
    ['space within quotes', 'foo', '"1,2"', '"1, 2"', false],
    ['lines combined', 'foo', '1, 2', ['1', '2'], true],
    ['case', 'foo', 'a', 'A', false],
    ['case of languages', 'accept-language', 'en, de', 'EN,De', true],
    ['a cookie is exact', 'cookie', 'a=1,2', 'a=1, 2', false],
    ['a token is exact', 'authorization', 'a,b', 'a, b', false],
  ])('two requests: %s', (_name, name, one, other, isSame) => {
    expect(
      variantField([name], { [name]: one }, false) === variantField([name], { [name]: other }, false),
    ).toBe(isSame);
  });

  it('the order of languages counts but for the letter of the standard', () => {
    const of = (value: string, ignoresOrder: boolean) =>
      variantField(['accept-language'], { 'accept-language': value }, ignoresOrder);
    expect(of('de, en', false)).not.toBe(of('en, de', false));
    expect(of('de, en', true)).toBe(of('en, de', true));
  });

  it('values do not run into each other', () => {
    const of = (a: string, b: string) => variantField(['a', 'b'], { a, b }, false);
    expect(of('x","b', 'y')).not.toBe(of('x', 'b","y'));
  });
});
