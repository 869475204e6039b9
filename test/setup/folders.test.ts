import { chmodSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { runModule, temporaryFolder } from './program.js';

const NAME = `express-redis-suite-${process.getuid?.()}`;

function temporaryFolderForAll(): string {
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  return folder;
}

async function cacheFolderIn(TMPDIR: string) {
  const source =
    "import { cacheFolder } from './folders.mjs'; process.umask(0o077); console.log(cacheFolder());";
  const program = runModule(source, { env: { TMPDIR } });
  return { code: await program.exited, output: program.output() };
}

test('the cache is for this user to write and for all to read, whatever the umask', async () => {
  const TMPDIR = temporaryFolderForAll();
  expect(await cacheFolderIn(TMPDIR)).toEqual({ code: 0, output: `${join(TMPDIR, NAME)}\n` });
  expect(statSync(join(TMPDIR, NAME)).mode & 0o777).toBe(0o755);
});

test('a folder of that name that others can write to is refused: programs are run from it', async () => {
  const TMPDIR = temporaryFolderForAll();
  mkdirSync(join(TMPDIR, NAME));
  chmodSync(join(TMPDIR, NAME), 0o777);
  const { code, output } = await cacheFolderIn(TMPDIR);
  expect(code).not.toBe(0);
  expect(output).toContain('is not ours alone: remove it');
});

test('a link of that name is refused, wherever it leads', async () => {
  const TMPDIR = temporaryFolderForAll();
  symlinkSync(temporaryFolder(), join(TMPDIR, NAME));
  const { code, output } = await cacheFolderIn(TMPDIR);
  expect(code).not.toBe(0);
  expect(output).toContain('is not ours alone: remove it');
});
