// Redis and Valkey of a later Debian, unpacked into the cache folder: nothing is installed, no service is started.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../../demo-app/setup/lock.mjs';
import { say } from '../../demo-app/setup/log.mjs';
import { ask, onPath } from '../../demo-app/setup/programs.mjs';
import { watchOver } from '../../demo-app/setup/watchdog.mjs';
import { matrixFolder } from './workplace.mjs';

const RELEASE = 'trixie';
const PACKAGES = ['redis-tools', 'valkey-tools'];
/** A server and its checker of dump files are one program, which looks at the name it is called by. */
const PROGRAMS = { 'redis-server': 'redis-check-rdb', 'valkey-server': 'valkey-check-rdb' };
/** Debian's own keys, for all its releases. */
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
// Offline, somebody waits for this in vain.
const DOWNLOADED_WITHIN_MS = 60_000;

/** @returns {Promise<string[]>} their paths; none where this is no Debian, or it cannot be reached */
export async function laterDebianPrograms() {
  if (!onPath('apt-get') || !onPath('dpkg-deb')) return [];
  const folder = join(matrixFolder(), `debian-${RELEASE}`);
  await withLock(`${folder}.lock`, async function unpackOnce() {
    if (!existsSync(folder)) await unpack(folder);
  });
  return existsSync(folder) ? Object.keys(PROGRAMS).map((name) => join(folder, name)) : [];
}

/** @param {string} folder */
async function unpack(folder) {
  say(`unpacking Redis and Valkey of Debian ${RELEASE}, the first time only`);
  // Under another name first, and then renamed: a folder cut off half-way is never taken for one.
  const fresh = mkdtempSync(`${folder}.`);
  const release = watchOver({ folder: fresh });
  try {
    if (!(await download(fresh))) return say(`Debian ${RELEASE} is out of reach: its servers are left out`);
    for (const file of readdirSync(fresh).filter((name) => name.endsWith('.deb')))
      await ask('dpkg-deb', ['--extract', join(fresh, file), fresh], { timeoutMs: DOWNLOADED_WITHIN_MS });
    for (const [server, checker] of Object.entries(PROGRAMS)) {
      writeFileSync(join(fresh, server), wrapper(folder, server, checker));
      chmodSync(join(fresh, server), 0o755);
    }
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    release();
  }
}

/**
 * With package lists of its own, so that this machine's stay those of its release.
 *
 * @param {string} folder
 */
async function download(folder) {
  const mirror = await debianMirror();
  if (!mirror || !existsSync(KEYS)) return false;
  const apt = join(folder, 'apt');
  mkdirSync(join(apt, 'lists', 'partial'), { recursive: true });
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${KEYS}] ${mirror} ${RELEASE} main\n`);
  const settings = {
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': apt,
    'APT::Sandbox::User': '',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const options = { timeoutMs: DOWNLOADED_WITHIN_MS };

  const updated = await ask('apt-get', [...flags, 'update'], options);
  const all = ['depends', '--recurse', '--important'];
  const listed = await ask('apt-cache', [...flags, ...all, ...PACKAGES], options);
  const libraries = listed.stdout.split('\n').filter((line) => /^(lib|zlib)/.test(line));
  if (!updated.ok || libraries.length === 0) return false;
  const command = 'cd "$0" && exec apt-get "$@"';
  const packages = [...PACKAGES, ...libraries];
  const { ok } = await ask('sh', ['-c', command, folder, ...flags, 'download', ...packages], options);
  rmSync(apt, { recursive: true });
  return ok;
}

/** Where the packages of this machine's own release come from. */
async function debianMirror() {
  const own = /^VERSION_CODENAME=(\w+)$/m.exec(readOsRelease())?.[1];
  const targets = ['indextargets', '--format', '$(CODENAME) $(REPO_URI)', 'Created-By: Packages'];
  const { stdout } = await ask('apt-get', targets, { timeoutMs: 10_000 });
  const line = stdout.split('\n').find((each) => each.startsWith(`${own} `));
  return line?.split(' ')[1];
}

function readOsRelease() {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

/**
 * They are built for a later C library, which comes with them and with its own loader.
 *
 * @param {string} folder where it will be
 * @param {string} server
 * @param {string} checker
 */
function wrapper(folder, server, checker) {
  return `#!/bin/sh
set -- '${folder}'/usr/lib/*/ld-linux*.so.* "$@"
loader=$1
shift
exec "$loader" --argv0 ${server} --library-path "\${loader%/*}" '${folder}/usr/bin/${checker}' "$@"
`;
}
