/** Lua scripts: sent by their hash, and in full only when Redis does not know them. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
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
    const bySha = () => redis.evalSha(script.sha, keys, args, reply);
    const inFull = () => redis.eval(script.lua, keys, args, reply);
    return sendAgain(error, bySha, inFull);
  }
}

const MOST_TIMES = 10;
const MOVED_SOON_MS = 20;

/** What was refused because of how or when it was sent has done nothing so far. */
async function sendAgain(
  refusal: unknown,
  bySha: () => Promise<unknown>,
  inFull: () => Promise<unknown>,
): Promise<unknown> {
  let error = refusal;
  for (let times = 0; times < MOST_TIMES; times += 1) {
    const isUnknown = isReply(error, 'NOSCRIPT');
    // A slot of a cluster is on its way to another node, which takes milliseconds. Meanwhile nothing runs there that
    // has several keys, be it that one of them does not exist.
    const isMoving = isReply(error, 'TRYAGAIN');
    if (!isUnknown && !isMoving) throw error;
    if (isMoving) await sleep(MOVED_SOON_MS, undefined, { ref: false });
    try {
      return await (isUnknown ? inFull() : bySha());
    } catch (again) {
      error = again;
    }
  }
  throw error;
}

function isReply(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code);
}
