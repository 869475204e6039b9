/** What is asked of Redis through one client, counted: how many commands, and how often somebody had to wait for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { createClient } from 'redis';

type Client = ReturnType<typeof createClient>;

export interface Counted {
  /** Counts what goes through it, and is the given client otherwise. */
  readonly client: Client;
  /**
   * What went through it while `act` ran, such as `2 evalSha in 1 round trip`: commands that are under way together are
   * one. What goes on after it, though nobody waits for that, is counted too.
   */
  during(act: () => Promise<unknown>): Promise<string>;
  /** The commands alone, by name as Redis' own statistics spell it. */
  commandsDuring(act: () => Promise<unknown>): Promise<ReadonlyMap<string, number>>;
}

const COMMANDS = new Set([
  'evalSha',
  'eval',
  'get',
  'set',
  'del',
  'unlink',
  'hmGet',
  'exists',
  'scan',
  'time',
]);
const QUIET_LOOKS = 3;
const LOOK_EVERY_MS = 2;
const VIEWS = new Set(['withCommandOptions', 'withTypeMapping']);

export function counted(client: Client): Counted {
  const counts = new Map<string, number>();
  let roundTrips = 0;
  let underWay = 0;

  async function count(name: string, command: () => Promise<unknown>): Promise<unknown> {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (underWay === 0) roundTrips += 1;
    underWay += 1;
    try {
      return await command();
    } finally {
      underWay -= 1;
    }
  }

  function counting(target: Client): Client {
    return new Proxy(target, {
      get(_, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => unknown;
        const name = String(property);
        if (VIEWS.has(name)) return (...args: unknown[]) => counting(call(...args) as Client);
        // One node of a cluster.
        if (name === 'nodeClient')
          return async (...args: unknown[]) => counting((await call(...args)) as Client);
        if (!COMMANDS.has(name)) return call;
        return (...args: unknown[]) => count(name, () => call(...args) as Promise<unknown>);
      },
    });
  }

  async function settled(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_LOOKS; quiet = underWay > 0 ? 0 : quiet + 1) await sleep(LOOK_EVERY_MS);
  }

  async function countWhile(act: () => Promise<unknown>): Promise<void> {
    await settled();
    counts.clear();
    roundTrips = 0;
    await act();
    await settled();
  }

  return {
    client: counting(client),
    async during(act) {
      await countWhile(act);
      return spell(counts, roundTrips);
    },
    async commandsDuring(act) {
      await countWhile(act);
      return new Map([...counts].map(([name, times]) => [name.toLowerCase(), times]));
    },
  };
}

/** Bytes of the heaviest key that matches a glob pattern, Redis' own bookkeeping included. */
export async function heaviest(client: Client, pattern: string): Promise<number> {
  const keys = await client.keys(pattern);
  if (keys.length === 0) throw new Error(`no key matches ${pattern}`);
  const bytes = await Promise.all(keys.map((key) => client.memoryUsage(key, { SAMPLES: 0 })));
  return Math.max(...bytes.map(Number));
}

function spell(counts: ReadonlyMap<string, number>, roundTrips: number): string {
  if (counts.size === 0) return 'nothing';
  const commands = [...counts].map(([name, times]) => `${times} ${name}`).join(' + ');
  return `${commands} in ${roundTrips} round trip${roundTrips === 1 ? '' : 's'}`;
}
