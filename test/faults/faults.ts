/** What can go wrong between an app and its one Redis, from the first second to the last. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Scene } from './harness.js';

/** How long each lasts: in full, or in the short form that every test run has time for. */
export interface Seconds {
  readonly absent: number;
  readonly frozen: number;
  readonly down: number;
}

/** Tried in every run of the tests. */
export function faults(seconds: Seconds): Fault[] {
  return [
    {
      name: `absent at start for ${seconds.absent} s`,
      isAbsentAtStart: true,
      async strike({ redis }) {
        await sleep(seconds.absent * 1000);
        await redis.restart();
      },
    },
    killedFor(seconds.down),
    frozenFor(seconds.frozen),
    {
      name: `black hole ${seconds.frozen} s`,
      inUseWithinMs: 1_500,
      async strike({ wire }) {
        wire.swallow();
        await sleep(seconds.frozen * 1000);
        wire.mend();
      },
    },
    {
      name: 'connections reset x 10',
      async strike({ wire }) {
        for (let time = 0; time < 10; time += 1) {
          wire.reset();
          await sleep(150);
        }
      },
    },
    whileConfigured('OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']),
    whileConfigured('READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']),
    {
      name: 'NOAUTH',
      async strike({ command }) {
        await command('CONFIG', 'SET', 'requirepass', 'secret');
        // Connections that are logged in stay so.
        await command('CLIENT', 'KILL', 'USER', 'default');
        await sleep(1_000);
        await command('CONFIG', 'SET', 'requirepass', '');
      },
    },
    {
      name: 'LOADING 1.5 s',
      args: ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024'],
      async strike({ command }) {
        await command('DEBUG', 'POPULATE', '500', 'filler', '100');
        await command('CONFIG', 'SET', 'key-load-delay', '3000');
        await command('DEBUG', 'RELOAD');
        await command('CONFIG', 'SET', 'key-load-delay', '0');
      },
    },
    {
      name: 'SCRIPT FLUSH x 20',
      isHarmless: true,
      async strike({ command }) {
        for (let time = 0; time < 20; time += 1) {
          await command('SCRIPT', 'FLUSH');
          await sleep(50);
        }
      },
    },
    flushed(10),
    {
      name: 'event loop blocked 150 ms x 20, Redis healthy',
      isHarmless: true,
      async strike({ block }) {
        for (let time = 0; time < 20; time += 1) {
          await block(150);
          await sleep(50);
        }
      },
    },
  ];
}

/** Tried by `npm run faults`, too. */
export function rarerFaults(seconds: Seconds): Fault[] {
  return [
    {
      name: `replies 300 ms late for ${seconds.down} s`,
      async strike({ wire }) {
        wire.delay(300);
        await sleep(seconds.down * 1000);
        wire.mend();
      },
    },
    {
      name: 'connections reset in the middle of a reply, 1.5 s long',
      async strike({ wire }) {
        wire.breakAfter(1_000);
        await sleep(1_500);
        wire.mend();
      },
    },
    {
      name: 'a reply stops half-way, and nothing comes after it',
      inUseWithinMs: 1_500,
      async strike({ wire }) {
        wire.stallAfter(100);
        await sleep(50);
      },
    },
    {
      name: 'restored from a snapshot 2 s old',
      isForgetful: true,
      loses: 'since the snapshot',
      revivesLeases: true,
      async strike({ command, redis }) {
        await command('SAVE');
        await sleep(2_000);
        await redis.kill();
        await redis.restart();
      },
    },
  ];
}

export function killedFor(seconds: number): Fault {
  return {
    name: `SIGKILL, back after ${seconds} s`,
    async strike({ redis }) {
      await redis.kill();
      await sleep(seconds * 1000);
      await redis.restart();
    },
  };
}

export function frozenFor(seconds: number): Fault {
  return {
    name: `SIGSTOP ${seconds} s`,
    async strike({ redis }) {
      redis.freeze();
      await sleep(seconds * 1000);
      redis.thaw();
    },
  };
}

/** Requests are under way at any time: some of them have read what they are about to write. */
export function flushed(times: number): Fault {
  return {
    name: `FLUSHALL x ${times}, in the middle of requests`,
    loses: 'flushed',
    async strike({ command }) {
      for (let time = 0; time < times; time += 1) {
        await command('FLUSHALL');
        await sleep(100 + Math.random() * 20);
      }
    },
  };
}

/** On the small app: a client that its user made, whose pauses between attempts are its own. */
export function plainClientFaults(seconds: Seconds): Fault[] {
  return [killedFor(seconds.down), frozenFor(seconds.frozen)].map((fault) => ({
    ...fault,
    name: `${fault.name}, a user's plain client`,
    client: 'plain',
    inUseWithinMs: Number.POSITIVE_INFINITY,
  }));
}

/** On the small app: whether sessions on the same connection wait for them. */
export const bigPages: Fault = {
  name: 'pages of 1 MB over the same connection, 3 s',
  hasBigPages: true,
  isHarmless: true,
  strike: () => sleep(3_000),
};

function whileConfigured(name: string, begin: readonly string[], end: readonly string[]): Fault {
  return {
    name,
    async strike({ command }: Scene) {
      await command(...begin);
      await sleep(1_000);
      await command(...end);
    },
  };
}
