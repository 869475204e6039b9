/** What the bench measures goes into the docs without touching the rest of the page. */
import { expect, test } from '@jest/globals';
import { withPart } from './page.js';

const PAGE = 'Before.\n\n<!-- bench: a -->\n\nold\n\n<!-- end of a -->\n\nAfter.\n';

test('A bench replaces its part of the page, and nothing else', () => {
  const page = withPart(PAGE, 'a', '\n| new |\n');
  expect(page).toBe('Before.\n\n<!-- bench: a -->\n\n| new |\n\n<!-- end of a -->\n\nAfter.\n');
  expect(withPart(page, 'a', 'old')).toBe(PAGE);
});

test('A bench without a part is said so', () => {
  expect(() => withPart(PAGE, 'b', '')).toThrow('no place for b');
});
