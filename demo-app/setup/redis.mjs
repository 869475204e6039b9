// Finds a Redis or Valkey server on this machine, or brings one, and starts it for our own use.

import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { installDebian, mayInstallDebian } from './debian.mjs';
import { startRedisContainer } from './docker.mjs';
import { cacheFolder, newFolder, userId } from './folders.mjs';
import { say } from './log.mjs';
import { ask, onPath } from './programs.mjs';
import { startServer } from './server-process.mjs';

/**
 * @typedef {object} RunningRedis
 * @property {string} url
 * @property {string} description
 * @property {number} [pid] of a program on this machine; a container has none
 * @property {() => Promise<void>} stop
 */

const OLDEST_MAJOR = 6;
const OLDEST_MINOR = 2;

/**
 * The first that can be had: a server on the PATH, a container, Debian's program. Null where there is none.
 *
 * @returns {Promise<RunningRedis | null>}
 */
export async function startRedis() {
  const found = await findInstalled();
  if (found) return startProgram(found);
  const container = await startRedisContainer();
  if (container) return container;
  const debian = await findDebianProgram();
  return debian ? startProgram(debian) : null;
}

/**
 * The path of a server program. The tests kill, freeze and restart servers of their own, so a container will not do.
 *
 * @returns {Promise<string | null>}
 */
export async function findRedis() {
  return (await findInstalled()) ?? (await findDebianProgram());
}

async function findInstalled() {
  const candidates = [process.env.REDIS_SERVER_BIN, onPath('redis-server'), onPath('valkey-server')];
  for (const program of candidates) {
    if (program && (await serves(program))) return program;
    if (program) say(`${program} is no Redis of version ${OLDEST_MAJOR}.${OLDEST_MINOR} or later: not used`);
  }
  return null;
}

/** @param {string} program */
async function serves(program) {
  const { stdout } = await ask(program, ['--version'], { timeoutMs: 3_000 });
  const [, major, minor] = /\bv=(\d+)\.(\d+)/.exec(stdout) ?? [];
  if (major === undefined) return false;
  return (Number(major) - OLDEST_MAJOR || Number(minor) - OLDEST_MINOR) >= 0;
}

// Debian's redis-server package starts a service on 6379; redis-tools does not, and its redis-check-rdb is the same
// program, which looks at the name it is called by. Only as root: an unprivileged user cannot install it, and what
// works should not depend on what root did before.
async function findDebianProgram() {
  if (!mayInstallDebian) return null;
  const checker = onPath('redis-check-rdb') ?? (await installDebianTools());
  if (!checker) return null;
  const program = join(cacheFolder(), 'redis-server');
  const fresh = `${program}.${process.pid}`;
  rmSync(fresh, { force: true });
  symlinkSync(checker, fresh);
  // In one step, for another run may be starting its server through this link.
  renameSync(fresh, program);
  return (await serves(program)) ? program : null;
}

async function installDebianTools() {
  say("no Redis here: installing Debian's redis-tools (apt-get), which runs no service");
  await installDebian(['redis-tools'], 180_000);
  return onPath('redis-check-rdb');
}

/**
 * @param {string} program
 * @returns {Promise<RunningRedis>}
 */
async function startProgram(program) {
  const folder = newFolder('redis');
  const server = await startServer({
    name: 'Redis',
    command: program,
    args: (port) => [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder],
      ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
    ],
    folder,
    readyText: 'Ready to accept connections',
    stopSignal: 'SIGTERM',
    orphanSignal: 'SIGKILL',
  });
  const url = `redis://127.0.0.1:${server.port}`;
  return { url, description: `${program}, process ${server.pid}`, pid: server.pid, stop: server.stop };
}

/** The line to type to get Redis on this kind of machine. */
export function howToGetRedis() {
  const sudo = userId === 0 ? '' : 'sudo ';
  const lines = {
    darwin: 'brew install redis',
    linux: `${sudo}apt-get install redis-server    (Debian, Ubuntu; elsewhere the package redis or valkey)`,
    win32: 'wsl --install    (Redis needs Linux: run the same command inside WSL)',
  };
  return lines[/** @type {keyof typeof lines} */ (process.platform)] ?? 'install the package redis or valkey';
}
