/** Lua scripts: sent by their hash, and in full only when Redis does not know them. */
import { createHash } from 'node:crypto';
import type { Redis, RedisArgument, ReplyType } from './redis.js';

export interface Script {
  readonly lua: string;
  /** SHA-1 of `lua`, as EVALSHA wants it. */
  readonly sha: string;
}

export function defineScript(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/**
 * Runs a script in one command, two after SCRIPT FLUSH or a restart.
 *
 * There is no SCRIPT LOAD at start-up, so nothing can fail there and no failure can be remembered.
 * Source: https://redis.io/commands/evalsha
 */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
  reply: ReplyType = 'text',
): Promise<unknown> {
  try {
    return await redis.evalSha(script.sha, keys, args, reply);
  } catch (error) {
    if (!isNoScript(error)) throw error;
    return redis.eval(script.lua, keys, args, reply);
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
