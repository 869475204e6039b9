// The Redis and Valkey programs that this machine has or can have, each version once, from the oldest to the newest.

import { ask, onPath } from '../../demo-app/setup/programs.mjs';
import { findRedis, howToGetRedis } from '../../demo-app/setup/redis.mjs';
import { laterDebianPrograms } from './debian.mjs';

/**
 * @typedef {object} RedisProgram
 * @property {string} name such as `Valkey 8.1.1`
 * @property {string} program
 */

/**
 * REDIS_SERVERS names more of them, with `:` between: `REDIS_SERVERS=/opt/redis-6.2/redis-server npm run test:matrix`.
 *
 * @param {boolean} mayDownload
 * @returns {Promise<RedisProgram[]>}
 */
export async function findServers(mayDownload) {
  const usual = await findRedis();
  if (!usual) throw new Error(`there is no Redis to run with; type: ${howToGetRedis()}`);
  const given = (process.env.REDIS_SERVERS ?? '').split(':');
  const later = mayDownload ? await laterDebianPrograms() : [];
  const programs = [usual, ...given, onPath('redis-server'), onPath('valkey-server'), ...later];
  /** @type {Map<string, RedisProgram>} */
  const byName = new Map();
  for (const program of programs) {
    const name = program ? await nameOf(program) : undefined;
    if (program && name && !byName.has(name)) byName.set(name, { name, program });
  }
  return [...byName.values()].sort((a, b) =>
    versionOf(a).localeCompare(versionOf(b), 'en', { numeric: true }),
  );
}

/**
 * @param {string} program
 * @returns {Promise<string | undefined>}
 */
async function nameOf(program) {
  const { stdout } = await ask(program, ['--version'], { timeoutMs: 3_000 });
  const [, kind, version] = /^(Redis|Valkey)\b.*\bv=([\d.]+)/.exec(stdout) ?? [];
  return kind && `${kind} ${version}`;
}

/** @param {RedisProgram} server */
function versionOf({ name }) {
  return name.split(' ')[1] ?? '';
}
