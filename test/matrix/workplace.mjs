// Where a cell is run: another Node, and a copy of the project with other packages. Both stay in the cache folder.

import { createHash } from 'node:crypto';
import {
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../demo-app/setup/folders.mjs';
import { runNpm } from '../../demo-app/setup/install.mjs';
import { withLock } from '../../demo-app/setup/lock.mjs';
import { say } from '../../demo-app/setup/log.mjs';
import { ask } from '../../demo-app/setup/programs.mjs';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
/** What npm wrote in a copy; the rest is laid there anew for each run. */
const OF_NPM = ['node_modules', 'package.json', 'package-lock.json'];
const UNUSED_FOR_MS = 24 * 60 * 60_000;

export function matrixFolder() {
  const folder = join(cacheFolder(), 'matrix');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The path of a Node, from the npm package of that name. Never in the project's node_modules: its `.bin` is in front of
 * the PATH of every script.
 *
 * @param {string} version such as `22` or `20.19.0`
 */
export async function nodeProgram(version) {
  if (version === process.versions.node.split('.')[0]) return process.execPath;
  const folder = join(matrixFolder(), `node-${version}`);
  const program = join(folder, 'node_modules', 'node', 'bin', 'node');
  await withLock(`${folder}.lock`, async function installOnce() {
    if (existsSync(program)) return;
    say(`installing Node ${version}, the first time only`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    // Its install script fetches the program of this platform.
    await runNpm(folder, ['install', '--ignore-scripts=false', `node@${version}`]);
  });
  return program;
}

/**
 * Calls `work` with the project's folder, or that of a copy with `packages` in place of what package-lock.json asks for.
 *
 * @template T
 * @param {string[]} packages
 * @param {(folder: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inProject(packages, work) {
  const manifests = OF_NPM.slice(1).map((name) => readFileSync(join(REPOSITORY, name), 'utf8'));
  const what = packages.length === 0 ? [REPOSITORY] : [REPOSITORY, ...manifests, ...packages];
  const key = createHash('sha256').update(what.join('\0')).digest('hex');
  const folder = join(matrixFolder(), `project-${key.slice(0, 16)}`);
  // Two runs at once would build over each other.
  return withLock(`${folder}.lock`, async function prepareAndWork() {
    if (packages.length === 0) return work(REPOSITORY);
    await install(folder, packages);
    await copySources(folder);
    return work(folder);
  });
}

/**
 * @param {string} folder
 * @param {string[]} packages
 */
async function install(folder, packages) {
  const mark = join(folder, 'node_modules', '.matrix');
  if (!existsSync(mark)) {
    say(`copying the project for ${packages.join(' ')}, the first time only`);
    rmSync(folder, { recursive: true, force: true });
    // A copy in full: npm writes into files that are there.
    for (const name of OF_NPM) copy(name, folder);
    await runNpm(folder, ['install', '--save-dev', '--save-exact', ...packages]);
    writeFileSync(mark, packages.join('\n'));
  }
  const now = new Date();
  utimesSync(folder, now, now);
}

/** @param {string} folder */
async function copySources(folder) {
  const { ok, stdout, stderr } = await ask(
    'git',
    ['-C', REPOSITORY, 'ls-files', '--cached', '--others', '--exclude-standard', '-z'],
    { timeoutMs: 10_000 },
  );
  if (!ok) throw new Error(`the matrix copies what git knows of, and git says: ${stderr.trim()}`);
  for (const name of readdirSync(folder)) {
    if (!OF_NPM.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
  const names = stdout.split('\0').filter((name) => name !== '' && existsSync(join(REPOSITORY, name)));
  for (const name of names) if (!OF_NPM.includes(name)) copy(name, folder);
}

/**
 * @param {string} name
 * @param {string} folder
 */
function copy(name, folder) {
  const target = join(folder, name);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(REPOSITORY, name), target, { recursive: true, mode: constants.COPYFILE_FICLONE });
}

/** Copies for package locks of other days. */
export function removeUnused() {
  for (const name of readdirSync(matrixFolder())) {
    const path = join(matrixFolder(), name);
    const isCopy = /^project-[0-9a-f]+$/.test(name);
    if (isCopy && Date.now() - statSync(path).mtimeMs > UNUSED_FOR_MS)
      rmSync(path, { recursive: true, force: true });
  }
}
