/** What a response with somebody's cookie says to shared caches. */
import { expect, it } from '@jest/globals';
import { privately } from '../../lib/core/private-response.js';

it.each([
  ['', 'private'],
  ['max-age=5', 'private, max-age=5'],
  ['no-cache="a, b", public', 'private, no-cache="a, b"'],
  ['no-store', 'no-store'],
  ['PUBLIC, S-MaxAge = 3, private', 'private'],
])('%j becomes %j', (declared, expected) => {
  expect(privately(declared)).toBe(expected);
});
