// Finds a PgBouncer on this machine, or brings Debian's, and runs it in front of a Postgres in transaction mode.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, newFolder, openToAll, unprivilegedUser, userId } from './folders.mjs';
import { withLock } from './lock.mjs';
import { say } from './log.mjs';
import { ask, onPath } from './programs.mjs';
import { startServer } from './server-process.mjs';
import { watchOver } from './watchdog.mjs';

// Offline, somebody waits for this in vain.
const DOWNLOADED_WITHIN_MS = 30_000;
// Fewer than clients, so that clients take turns on them, which is what has to be got right.
const SERVER_CONNECTIONS = 4;

/**
 * The path of the program, or null.
 *
 * @returns {Promise<string | null>}
 */
export async function findPgBouncer() {
  const { PGBOUNCER_BIN = '' } = process.env;
  return PGBOUNCER_BIN || onPath('pgbouncer') || (await findDebianProgram());
}

// Debian's package starts a service on 6432 when it is installed; unpacked somewhere it starts nothing. As root only,
// like Debian's Redis: what works for others should not depend on what root did before.
async function findDebianProgram() {
  if (userId !== 0 || !onPath('apt-get') || !onPath('dpkg-deb')) return null;
  const folder = join(cacheFolder(), 'pgbouncer');
  const program = join(folder, 'pgbouncer');
  await withLock(`${folder}.lock`, async function unpackOnce() {
    if (!existsSync(program)) await unpackDebianPackages(folder);
  });
  return existsSync(program) ? program : null;
}

/** @param {string} folder */
async function unpackDebianPackages(folder) {
  say("unpacking Debian's pgbouncer, the first time only");
  // Under another name first, and then renamed: a folder cut off half-way is never taken for one.
  const fresh = mkdtempSync(`${folder}.`);
  const release = watchOver({ folder: fresh });
  try {
    if (!(await download(fresh))) return;
    for (const file of readdirSync(fresh).filter((name) => name.endsWith('.deb'))) {
      await ask('dpkg-deb', ['--extract', join(fresh, file), fresh], { timeoutMs: DOWNLOADED_WITHIN_MS });
      rmSync(join(fresh, file));
    }
    writeFileSync(join(fresh, 'pgbouncer'), wrapper(fresh, folder));
    openToAll(fresh);
    const { ok, stderr } = await ask(join(fresh, 'usr/sbin/pgbouncer'), ['--version'], {
      timeoutMs: 5_000,
      env: {
        LD_LIBRARY_PATH: libraryFolders(fresh)
          .map((each) => join(fresh, each))
          .join(':'),
      },
    });
    if (!ok) return say(`Debian's pgbouncer does not run here: ${stderr.trim()}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    release();
  }
}

/** @param {string} folder */
async function download(folder) {
  const options = { timeoutMs: DOWNLOADED_WITHIN_MS };
  const asked = await ask('apt-cache', ['depends', 'pgbouncer'], options);
  const libraries = [...asked.stdout.matchAll(/Depends: (lib[^\s<>]+)$/gm)].map(([, name]) => String(name));
  const packages = ['pgbouncer', ...libraries.filter((name) => name !== 'libc6')];
  const command = `cd '${folder}' && apt-get download ${packages.join(' ')}`;
  let result = await ask('sh', ['-c', command], options);
  if (!result.ok) {
    // On a new machine the package lists are missing or old.
    await ask('apt-get', ['update'], options);
    result = await ask('sh', ['-c', command], options);
  }
  if (!result.ok) say(`apt-get: ${result.stderr.trim().split('\n').at(-1)}`);
  return result.ok;
}

/**
 * @param {string} fresh
 * @param {string} folder where it will be
 */
function wrapper(fresh, folder) {
  const libraries = libraryFolders(fresh).map((each) => join(folder, each));
  return `#!/bin/sh
LD_LIBRARY_PATH='${libraries.join(':')}' exec '${folder}/usr/sbin/pgbouncer' "$@"
`;
}

/** @param {string} root */
function libraryFolders(root) {
  return ['lib', 'usr/lib']
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
}

/**
 * @param {string} program
 * @param {string} databaseUrl of a Postgres on 127.0.0.1; all its databases are reached through the new URL
 * @returns {Promise<{ url: string, pid: number, stop: () => Promise<void> }>}
 */
export async function startPgBouncer(program, databaseUrl) {
  const target = new URL(databaseUrl);
  const user = await unprivilegedUser('PgBouncer');
  const folder = newFolder('pgbouncer');
  if (user) chmodSync(folder, 0o711);

  /** @param {string} name @param {string} content */
  function writePrivate(name, content) {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    if (user) chownSync(path, user.uid, user.gid);
    return path;
  }

  const [name, password] = [target.username, target.password].map((part) =>
    JSON.stringify(decodeURIComponent(part)),
  );
  const users = writePrivate('users.txt', `${name} ${password}\n`);
  const server = await startServer({
    name: 'PgBouncer',
    command: program,
    args: (port) => [
      writePrivate('pgbouncer.ini', settings(port, Number(target.port), users, target.username)),
    ],
    folder,
    readyText: 'process up',
    stopSignal: 'SIGTERM',
    orphanSignal: 'SIGTERM',
    ...(user && { user }),
  });
  const url = new URL(databaseUrl);
  url.port = String(server.port);
  return { url: url.href, pid: server.pid, stop: server.stop };
}

/**
 * @param {number} port
 * @param {number} postgresPort
 * @param {string} users
 * @param {string} administrator
 */
function settings(port, postgresPort, users, administrator) {
  return `[databases]
* = host=127.0.0.1 port=${postgresPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
admin_users = ${administrator}
pool_mode = transaction
default_pool_size = ${SERVER_CONNECTIONS}
max_client_conn = 500
`;
}

/** The line to type to get PgBouncer on this kind of machine. */
export function howToGetPgBouncer() {
  const sudo = userId === 0 ? '' : 'sudo ';
  if (process.platform === 'darwin') return 'brew install pgbouncer';
  return `${sudo}apt-get install pgbouncer    (Debian, Ubuntu: it starts a service on port 6432)`;
}
