/** What can go wrong between an app and its Redis, from the first second to the last. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Scene } from './harness.js';

/** How long each lasts: in full, or in the short form that every test run has time for. */
export function faults(seconds: {
  readonly absent: number;
  readonly frozen: number;
  readonly down: number;
}): Fault[] {
  return [
    {
      name: `absent at start for ${seconds.absent} s`,
      isAbsentAtStart: true,
      async strike({ redis }) {
        await sleep(seconds.absent * 1000);
        await redis.restart();
      },
    },
    {
      name: `SIGKILL, back after ${seconds.down} s`,
      async strike({ redis }) {
        await redis.kill();
        await sleep(seconds.down * 1000);
        await redis.restart();
      },
    },
    {
      name: `SIGSTOP ${seconds.frozen} s`,
      async strike({ redis }) {
        redis.freeze();
        await sleep(seconds.frozen * 1000);
        redis.thaw();
      },
    },
    {
      name: `SIGSTOP ${seconds.frozen} s, a user's plain client`,
      client: 'plain',
      async strike({ redis }) {
        redis.freeze();
        await sleep(seconds.frozen * 1000);
        redis.thaw();
      },
    },
    {
      name: `SIGKILL ${seconds.down} s, a user's plain client`,
      client: 'plain',
      async strike({ redis }) {
        await redis.kill();
        await sleep(seconds.down * 1000);
        await redis.restart();
      },
    },
    {
      name: `black hole ${seconds.frozen} s`,
      async strike({ wire }) {
        wire.swallow();
        await sleep(seconds.frozen * 1000);
        wire.mend();
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
      async strike({ command }) {
        for (let time = 0; time < 20; time += 1) {
          await command('SCRIPT', 'FLUSH');
          await sleep(50);
        }
      },
    },
    {
      name: 'event loop blocked 150 ms x 20, Redis healthy',
      async strike({ ask }) {
        for (let time = 0; time < 20; time += 1) {
          await ask('/block?ms=150');
          await sleep(50);
        }
      },
    },
  ];
}

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
