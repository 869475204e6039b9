/** Who takes part in the limiter's bench, and the command that each of them sends for a request it allows. */
import { type ContenderSpec, startContender, startLoadSender } from '../processes.js';
import { rawGet } from '../raw-get.js';
import { type Command, commandsDuring } from '../redis-view.js';

export const OURS = 'rateLimit()';
export const IN_FRONT = 'rateLimit() in front of Express';
export const PEER = 'express-rate-limit + rate-limit-redis';
const FLEXIBLE = 'rate-limiter-flexible';
export const FLOOR = 'floor';
export const BARE = 'Express alone';

/** Longer than a bench lasts: who is denied stays denied. */
const WINDOW_MS = 3_600_000;
/** Of TEST-NET-2: who asks while a command is learned. */
const PROBE = '198.51.100.7';

export function ours(limit: number, env: Readonly<Record<string, string>> = {}): ContenderSpec {
  return { name: OURS, file: 'rate-limit/contenders/suite.mjs', env: { ...policy(limit), ...env } };
}

/** The same, asked before Express is: `http.createServer((req, res) => limiter(req, res, () => app(req, res)))`. */
export function inFront(limit: number): ContenderSpec {
  return { name: IN_FRONT, file: 'rate-limit/contenders/in-front.mjs', env: policy(limit) };
}

export function peer(limit: number): ContenderSpec {
  return { name: PEER, file: 'rate-limit/contenders/express-rate-limit.mjs', env: policy(limit) };
}

export function flexible(limit: number): ContenderSpec {
  return { name: FLEXIBLE, file: 'rate-limit/contenders/rate-limiter-flexible.mjs', env: policy(limit) };
}

/** With the option that keeps its denials in memory. */
export function flexibleBlocking(limit: number): ContenderSpec {
  const env = { ...policy(limit), IN_MEMORY_BLOCK: '1' };
  return { ...flexible(limit), name: `${FLEXIBLE}, inMemoryBlock`, env };
}

/** Express without any limiter: the bound below which nobody can get. */
export function bare(limit: number, deniedNetwork: string): ContenderSpec {
  const env = { ...policy(limit), DENIED_NETWORK: deniedNetwork };
  return { name: BARE, file: 'rate-limit/contenders/bare.mjs', env };
}

/** Sends what our limiter was seen to send, so that it follows the script wherever that goes. */
export async function floor(limit: number, redisUrl: string): Promise<ContenderSpec> {
  const command = await commandFor(ours(limit), '<address>', redisUrl);
  const keysEnd = 3 + Number(command[2]);
  const env = {
    ...policy(limit),
    SCRIPT_SHA: command[1] as string,
    SCRIPT_KEYS: JSON.stringify(command.slice(3, keysEnd)),
    SCRIPT_ARGUMENTS: JSON.stringify(command.slice(keysEnd)),
  };
  return { name: FLOOR, file: 'rate-limit/contenders/floor.mjs', env };
}

/** The one command of an allowed request, asked for `address`. Redis knows its script afterwards. */
export async function commandFor(spec: ContenderSpec, address: string, redisUrl: string): Promise<Command> {
  const contender = await startContender(spec, redisUrl);
  const load = startLoadSender();
  const requests = [rawGet('/', { 'X-Forwarded-For': PROBE })];
  const order = { port: contender.port, requests, count: 1, connections: 1 };
  try {
    // The first one may bring its script along.
    await load.send(order);
    const commands = await commandsDuring(redisUrl, () => load.send(order));
    if (commands.length !== 1)
      throw new Error(`${spec.name} sent ${JSON.stringify(commands)}, not one command`);
    return (commands[0] as Command).map((word) => word.replaceAll(PROBE, address));
  } finally {
    contender.stop();
    load.stop();
  }
}

function policy(limit: number): Record<string, string> {
  return { LIMIT: String(limit), WINDOW_MS: String(WINDOW_MS) };
}
