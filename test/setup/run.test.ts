import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { bareClone, runNode, temporaryFolder } from './program.js';

test('npm test without any Redis fails at once, before it installs anything, with the line to type', async () => {
  const cwd = bareClone();
  const startedMs = performance.now();
  const env = { PATH: temporaryFolder(), REDIS_SERVER_BIN: '' };
  const program = runNode(['test/run.mjs'], { cwd, env });
  expect(await program.exited).toBe(1);
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect(program.output()).toMatch(/Type\n\n {4}.*install/);
  expect(existsSync(join(cwd, 'node_modules'))).toBe(false);
});
