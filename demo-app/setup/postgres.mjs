// Starts a real Postgres for throwaway use: its own folder, a free port of 127.0.0.1, a password made up on the spot.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newFolder, unprivilegedUser } from './folders.mjs';
import { postgresPrograms } from './postgres-programs.mjs';
import { startServer } from './server-process.mjs';

const INITDB_WITHIN_MS = 60_000;

// Its data is gone with the process anyway, so nothing waits for the disk.
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '4GB',
  log_destination: 'stderr',
};

/**
 * @returns {Promise<{ url: string, port: number, pid: number, stop: () => Promise<void> }>}
 */
export async function startPostgres() {
  const programs = await postgresPrograms();
  const user = await unprivilegedUser('Postgres');
  const folder = newFolder('postgres');
  const data = join(folder, 'data');
  const password = randomBytes(24).toString('base64url');
  const env = environment(data);
  try {
    // The user who runs the server gets the data folder only: what root writes next to it stays out of its reach.
    if (user) chmodSync(folder, 0o711);
    mkdirSync(data, { mode: 0o700 });
    if (user) chownSync(data, user.uid, user.gid);
    await initialise({ programs, folder, data, password, env, user });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const server = await startServer({
    name: 'Postgres',
    command: join(programs, 'bin', 'postgres'),
    args: (port) => ['-D', data, '-p', String(port), ...settingArgs()],
    folder,
    readyText: 'ready to accept connections',
    // Fast: disconnects the clients instead of waiting for them. Immediate, when nobody is left to wait for it.
    stopSignal: 'SIGINT',
    orphanSignal: 'SIGQUIT',
    env,
    ...(user && { user }),
  });
  const url = `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`;
  return { url, port: server.port, pid: server.pid, stop: server.stop };
}

/** @param {string} home */
function environment(home) {
  // PGDATA, PGPORT, PGOPTIONS and their like are meant for somebody else's server.
  const own = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(own), HOME: home, LC_ALL: 'C', TZ: 'UTC' };
}

/**
 * @param {object} plan
 * @param {string} plan.programs
 * @param {string} plan.folder
 * @param {string} plan.data
 * @param {string} plan.password
 * @param {NodeJS.ProcessEnv} plan.env
 * @param {{ uid: number, gid: number } | undefined} plan.user
 */
async function initialise({ programs, folder, data, password, env, user }) {
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  const args = [
    ...['--pgdata', data, '--username', 'postgres', '--auth', 'scram-sha-256', '--pwfile', passwordFile],
    // Sorts and folds case the same way on every machine.
    ...['--encoding', 'UTF8', '--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ...['--no-sync', '--no-instructions'],
  ];
  const options = { cwd: data, env, timeout: INITDB_WITHIN_MS, ...user };
  await new Promise((resolve, reject) => {
    execFile(join(programs, 'bin', 'initdb'), args, options, (error, _stdout, stderr) => {
      if (!error) return resolve(undefined);
      reject(new Error(`Postgres could not be set up: ${stderr.trim() || error.message}`));
    });
  });
  rmSync(passwordFile);
}

function settingArgs() {
  return Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}
