/** What one call costs: Redis' own microseconds, the commands, and the CPU of this process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Counted, counted } from '../counting.js';
import { connect } from '../redis-view.js';
import type { Cost } from './axis.js';

type Client = Counted['client'];

/** A Redis, seen through a client that is counted and through one that is not. */
export interface Bench {
  readonly client: Client;
  readonly admin: Client;
  /** The least of several batches: what else the machine does only adds to them. */
  cost(batch: Batch): Promise<Cost>;
  /** Empties Redis, and closes both. */
  end(): Promise<void>;
}

interface Batch {
  readonly calls: number;
  /** Not measured; before each batch. */
  readonly before?: () => Promise<unknown>;
  readonly call: (index: number) => unknown;
}

const BATCHES = 5;

export async function openBench(redisUrl: string): Promise<Bench> {
  return openBenchOn(await connect(redisUrl), [redisUrl]);
}

/** @param urls of all servers that `own` may send its commands to; the first of them is the admin's */
export async function openBenchOn(own: Client, urls: readonly string[]): Promise<Bench> {
  const admins = await Promise.all(urls.map(connect));
  const [admin] = admins as [Client];
  const { client, commandsDuring } = counted(own);
  await Promise.all(admins.map((each) => each.flushAll()));

  async function once({ calls, before, call }: Batch): Promise<Required<Omit<Cost, 'bytes'>>> {
    await before?.();
    await Promise.all(admins.map((each) => each.configResetStat()));
    let cpuMicros = 0;
    const commands = await commandsDuring(async () => {
      const start = process.cpuUsage();
      for (let index = 0; index < calls; index += 1) await call(index);
      const { user, system } = process.cpuUsage(start);
      cpuMicros = user + system;
    });
    const stats = await Promise.all(admins.map((each) => each.info('commandstats')));
    let micros = 0;
    let sent = 0;
    for (const [name, times] of commands) {
      sent += times;
      micros += times * microsPerCall(stats, name);
    }
    return { redisMicros: micros / calls, commands: sent / calls, ourMicros: cpuMicros / calls };
  }

  return {
    client,
    admin,
    async cost(batch) {
      // Redis learns the scripts, and this process the way.
      await once(batch);
      const costs: Awaited<ReturnType<typeof once>>[] = [];
      for (let batches = 0; batches < BATCHES; batches += 1) costs.push(await once(batch));
      const least = (what: keyof (typeof costs)[number]) => Math.min(...costs.map((cost) => cost[what]));
      return {
        redisMicros: least('redisMicros'),
        commands: least('commands'),
        ourMicros: least('ourMicros'),
      };
    },
    async end() {
      // What goes on behind a call would otherwise fail.
      await sleep(20);
      await Promise.all(admins.map((each) => each.flushAll()));
      for (const each of [own, ...admins]) each.destroy();
    },
  };
}

/** On all servers; of what scripts call inside, too: those commands are the same ones. */
function microsPerCall(stats: readonly string[], command: string): number {
  const line = new RegExp(`^cmdstat_${command}:calls=(\\d+),usec=(\\d+)`, 'm');
  let calls = 0;
  let micros = 0;
  for (const text of stats) {
    const [, someCalls = 0, someMicros = 0] = line.exec(text) ?? [];
    calls += Number(someCalls);
    micros += Number(someMicros);
  }
  return calls === 0 ? 0 : micros / calls;
}

/** Copies of a key under other names, made inside Redis: 10,000 take it some milliseconds. */
export async function copyKey(
  admin: Client,
  from: string,
  count: number,
  nameOf: (place: string) => string,
): Promise<void> {
  const [head = '', tail = ''] = nameOf(PLACE).split(PLACE);
  const bytes = await admin.withTypeMapping({ 36: Buffer }).dump(from);
  if (bytes === null) throw new Error(`there is no ${from} to copy`);
  for (let first = 0; first < count; first += COPIES_AT_ONCE) {
    const last = Math.min(count, first + COPIES_AT_ONCE) - 1;
    await admin.eval(COPY_LUA, {
      keys: [],
      arguments: [String(first), String(last), head, tail, String(LIVES_FOR_MS), bytes as unknown as string],
    });
  }
}

const PLACE = '#place#';
const COPIES_AT_ONCE = 10_000;
const LIVES_FOR_MS = 3_600_000;
const COPY_LUA = `
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RESTORE', ARGV[3] .. i .. ARGV[4], ARGV[5], ARGV[6], 'REPLACE')
end`;

/** What Redis holds in all, in bytes. */
export async function bytesHeld(admin: Client): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))?.[1]);
}
