/** How fast Redis runs each limiter's command when nothing else is measured: redis-benchmark, and Redis' own clock beside it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Extra, Stage } from '../plan.js';
import { type Command, connect } from '../redis-view.js';
import { roundsUpTo } from '../rounds.js';
import { ratioOf, spellSpread, spreadOf } from '../statistics.js';
import { commandFor, flexible, OURS, ours, PEER, peer } from './contenders.js';

const run = promisify(execFile);

const STEADY = `${OURS}, hits leaving as they come`;
/** Each client uses half of its limit on average, and no client all of it. */
const CALLS_PER_CLIENT = 50;
/** Of so many the first window is but a part. */
const STEADY_WINDOWS = 3;
const CONNECTIONS = 32;
const RUN_WITHIN_MS = 120_000;

interface Speeds {
  readonly callsPerSecond: number[];
  readonly scriptMicros: number[];
  readonly cpuMicros: number[];
}

export async function speedInRedis(limit: number, { redisUrl, isQuick, say }: Stage): Promise<Extra> {
  const clients = isQuick ? 500 : 3_000;
  const rounds = isQuick ? 3 : 7;
  const title = `the command alone in redis-benchmark: limit ${limit}, ${clients} keys, ${CONNECTIONS} connections`;
  const commands = new Map<string, Command>();
  const speeds = new Map<string, Speeds>();
  for (const spec of [ours(limit), peer(limit), flexible(limit)]) {
    // redis-benchmark puts a random number there.
    commands.set(spec.name, await commandFor(spec, '__rand_int__', redisUrl));
    speeds.set(spec.name, { callsPerSecond: [], scriptMicros: [], cpuMicros: [] });
  }
  const ourCommand = commands.get(OURS) as Command;
  const ourSpeeds = speeds.get(OURS) as Speeds;
  const steadySpeeds: Speeds = { callsPerSecond: [], scriptMicros: [], cpuMicros: [] };
  const calls = clients * CALLS_PER_CLIENT;
  try {
    for (const round of roundsUpTo(rounds)) {
      say(`redis-benchmark: round ${round} of ${rounds}`);
      for (const [name, command] of commands) {
        await benchmarkOnce(command, { clients, calls }, redisUrl, speeds.get(name) as Speeds);
      }
      // As long a window as the calls of the first one took, so that each key has as many hits.
      const windowMicros = (calls / spreadOf(ourSpeeds.callsPerSecond).median) * 1e6;
      const steady = withWindow(ourCommand, windowMicros);
      await benchmarkOnce(steady, { clients, calls: STEADY_WINDOWS * calls }, redisUrl, steadySpeeds);
    }
    speeds.set(STEADY, steadySpeeds);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { title: `${title}: there is no redis-benchmark on this machine`, rows: [], figures: {} };
  }

  const peerSpeeds = speeds.get(PEER) as Speeds;
  const head = [
    '',
    'calls/s',
    'x peer',
    'us per call (commandstats)',
    'x peer',
    'Redis CPU us/call',
    'x peer',
  ];
  const rows = [...speeds].map(([name, { callsPerSecond, scriptMicros, cpuMicros }]) => [
    name,
    spellSpread(spreadOf(callsPerSecond), 0),
    spellSpread(ratioOf(callsPerSecond, peerSpeeds.callsPerSecond), 2),
    spellSpread(spreadOf(scriptMicros), 1),
    spellSpread(ratioOf(scriptMicros, peerSpeeds.scriptMicros), 2),
    spellSpread(spreadOf(cpuMicros), 1),
    spellSpread(ratioOf(cpuMicros, peerSpeeds.cpuMicros), 2),
  ]);
  const scriptSpeedToPeer = ratioOf(ourSpeeds.callsPerSecond, peerSpeeds.callsPerSecond).median;
  return { title, rows: [head, ...rows], figures: { scriptSpeedToPeer } };
}

/** Our command's last two arguments are the window and the limit. */
function withWindow(command: Command, windowMicros: number): Command {
  return [...command.slice(0, -2), String(Math.round(windowMicros)), command.at(-1) as string];
}

async function benchmarkOnce(
  command: Command,
  { clients, calls }: { readonly clients: number; readonly calls: number },
  redisUrl: string,
  speeds: Speeds,
): Promise<void> {
  const { hostname, port } = new URL(redisUrl);
  const server = ['-h', hostname, '-p', port];
  const load = ['-c', String(CONNECTIONS), '-n', String(calls), '-r', String(clients), '--csv'];
  const redis = await connect(redisUrl);
  try {
    await redis.flushAll();
    await redis.configResetStat();
    const before = cpuSeconds(await redis.info('cpu'));
    const { stdout } = await run('redis-benchmark', [...server, ...load, ...command], {
      timeout: RUN_WITHIN_MS,
    });
    const after = cpuSeconds(await redis.info('cpu'));
    speeds.cpuMicros.push(((after - before) / calls) * 1e6);
    speeds.callsPerSecond.push(
      Number(/","([\d.]+)"/.exec(stdout.split('\n').filter(Boolean).at(-1) ?? '')?.[1]),
    );
    const stats = await redis.info('commandstats');
    const name = (command[0] as string).toLowerCase();
    const perCall = new RegExp(`^cmdstat_${name}:.*usec_per_call=([\\d.]+)`, 'm').exec(stats)?.[1];
    speeds.scriptMicros.push(Number(perCall));
  } finally {
    redis.destroy();
  }
}

function cpuSeconds(info: string): number {
  const [, system] = /^used_cpu_sys:([\d.]+)/m.exec(info) ?? [];
  const [, user] = /^used_cpu_user:([\d.]+)/m.exec(info) ?? [];
  return Number(system) + Number(user);
}
