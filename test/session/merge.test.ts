/** The three-way merge by top-level key. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mergeSessions } from '../../lib/session/merge.js';

const cookie = { originalMaxAge: 1000, path: '/' };
// biome-ignore lint/suspicious/noExplicitAny: fields of any kind
const merge = (base: any, ours: any, theirs: any) => mergeSessions(base, ours, theirs) as any;

it.each([
  ['both add', {}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  ['one deletes, one adds', { a: 1 }, {}, { a: 1, b: 2 }, { b: 2 }],
  ['one changes, one deletes another', { a: 1, b: 2 }, { a: 9, b: 2 }, { a: 1 }, { a: 9 }],
  ['both change one key', { a: 1 }, { a: 2 }, { a: 3 }, { a: 2 }],
  ['we change what they delete', { a: 1 }, { a: 2 }, {}, { a: 2 }],
  ['we delete what they change', { a: 1 }, {}, { a: 3 }, {}],
  ['arrays are one value', { a: [1] }, { a: [1, 2] }, { a: [1, 3] }, { a: [1, 2] }],
  [
    'objects are one value',
    { a: { x: 1 } },
    { a: { x: 1, y: 2 } },
    { a: { x: 1, z: 3 } },
    { a: { x: 1, y: 2 } },
  ],
  ['we change nothing', { a: { x: 1 } }, { a: { x: 1 } }, { a: { x: 2 } }, { a: { x: 2 } }],
])('%s', (_, base, ours, theirs, merged) => {
  expect(merge(base, ours, theirs)).toEqual(merged);
});

it('takes their cookie when only the date of ours moved', () => {
  const moved = { cookie: { ...cookie, originalMaxAge: 999, expires: 'later' } };
  const theirs = { cookie: { ...cookie, originalMaxAge: 5000 } };
  expect(merge({ cookie }, moved, theirs)).toEqual(theirs);
});

it('takes of our cookie what we changed, its lifetime or an attribute', () => {
  const theirs = { cookie: { ...cookie, originalMaxAge: 5000 } };
  for (const change of [{ originalMaxAge: 90_000 }, { path: '/app' }, { originalMaxAge: null }]) {
    const ours = { cookie: { ...cookie, ...change } };
    expect(merge({ cookie }, ours, theirs)).toEqual({ cookie: { ...theirs.cookie, ...change } });
  }
});

it('takes their lifetime when all we did to the cookie is to complete it', () => {
  const base = { cookie: { originalMaxAge: 1000 } };
  const theirs = { cookie: { originalMaxAge: 5000, expires: 'later' } };
  expect(merge(base, { cookie: { ...cookie, expires: 'now' } }, theirs)).toEqual({
    cookie: { ...cookie, ...theirs.cookie },
  });
});

it('takes an attribute away that we took away', () => {
  const theirs = { cookie: { ...cookie, originalMaxAge: 5000 } };
  expect(merge({ cookie }, { cookie: { originalMaxAge: 1000 } }, theirs)).toEqual({
    cookie: { originalMaxAge: 5000 },
  });
});

it('needs no cookie', () => {
  expect(merge({}, { a: 1 }, { b: 2 })).toEqual({ a: 1, b: 2 });
  expect(merge({ cookie }, { a: 1 }, { cookie, b: 2 })).toEqual({ cookie, a: 1, b: 2 });
  expect(merge({}, { cookie, a: 1 }, { b: 2 })).toEqual({
    cookie: { path: '/', originalMaxAge: 1000 },
    a: 1,
    b: 2,
  });
});

it('keeps the change of each, whatever they do to different keys', () => {
  const fields = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.jsonValue());
  fc.assert(
    fc.property(fields, fields, fields, (base, one, other) => {
      const ours = { ...base, x: one };
      const theirs = { ...base, y: other };
      expect(merge(base, ours, theirs)).toEqual({ ...base, x: one, y: other });
      expect(merge(base, theirs, ours)).toEqual({ ...base, x: one, y: other });
    }),
  );
});
