// Where the set-up keeps files outside the clone, a cache that stays and folders that go with their server, and whose they are.

import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ask } from './programs.mjs';

/** Our own user id; 0 is root, -1 a system without user ids. */
export const userId = process.getuid?.() ?? -1;

/** A folder that stays, readable by all and writable by this user only. */
export function cacheFolder() {
  const folder = join(temporaryFolder(), `express-redis-suite-${Math.max(userId, 0)}`);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  // What lies in it is run as a program, and anybody can make a folder of this name before us.
  const found = lstatSync(folder);
  if (userId >= 0 && (!found.isDirectory() || found.uid !== userId || (found.mode & 0o022) !== 0)) {
    throw new Error(`${folder} is not ours alone: remove it, or set TMPDIR to a folder of your own`);
  }
  chmodSync(folder, 0o755);
  return folder;
}

/**
 * A new empty folder that only this user can write to.
 *
 * @param {string} name
 */
export function newFolder(name) {
  return mkdtempSync(join(temporaryFolder(), `express-redis-suite-${name}-`));
}

// What root prepares here is for an unprivileged user to run, who may not be able to reach root's TMPDIR.
function temporaryFolder() {
  if (userId !== 0) return tmpdir();
  return [tmpdir(), '/tmp', '/var/tmp'].find(isReachableByAll) ?? tmpdir();
}

/** @param {string} folder */
function isReachableByAll(folder) {
  try {
    for (let at = realpathSync(folder); at !== dirname(at); at = dirname(at)) {
      if ((statSync(at).mode & 0o001) === 0) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/**
 * Who runs a server that refuses to run as root: `nobody` is on every system and owns nothing.
 *
 * @param {string} server
 * @returns {Promise<{ uid: number, gid: number } | undefined>} undefined: we are not root
 */
export async function unprivilegedUser(server) {
  if (userId !== 0) return undefined;
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((which) => ask('id', [which, 'nobody'], { timeoutMs: 5_000 })),
  );
  if (![uid, gid].every((answer) => /^\d+\n$/.test(answer?.stdout ?? ''))) {
    throw new Error(`${server} refuses to run as root, and there is no user nobody`);
  }
  return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
}

/**
 * For programs that somebody else is to run: under a strict umask everything was made for its owner only.
 *
 * @param {string} folder
 */
export function openToAll(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath ?? entry.path, entry.name), 0o755);
  }
}
