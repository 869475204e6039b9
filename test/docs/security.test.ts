/** docs/security.md names tests that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(__dirname, '../..');

test('each test that the page names is there', () => {
  const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
  const names = [
    ...text.matchAll(
      /`((?:security|session|response-cache|rate-limit|cache-aside|core|demo-app)\/[a-z-]+)`/g,
    ),
  ];
  expect(names.length).toBeGreaterThan(20);
  const missing = names
    .map(([, name = '']) => name)
    .filter(
      (name) => ![`${name}.test.ts`, `${name}.ts`].some((file) => existsSync(join(ROOT, 'test', file))),
    );
  expect(missing).toEqual([]);
});
