/** What can go wrong with the truth itself: the demo's Postgres crashes, and is away for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gate } from '../demo-app/gate.js';
import type { Shop } from '../demo-app/support.js';
import { eventually } from '../support/until.js';
import type { Fault } from './harness.js';

const RECOVERED_WITHIN_MS = 20_000;

/**
 * A backend that is killed takes all others with it, and Postgres recovers from its log, as after a crash of the machine.
 *
 * @param gate the apps' way to it.
 */
export function postgresCrash(shop: Shop, gate: Gate, seconds: number): Fault {
  return {
    name: `Postgres crashes, and is away for ${seconds} s`,
    isOfPostgres: true,
    async strike() {
      gate.shut();
      const [backend] = await shop.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      process.kill(backend?.pid as number, 'SIGKILL');
      await sleep(seconds * 1000);
      await eventually(() => shop.sql`select ${1}::integer`, RECOVERED_WITHIN_MS);
      await gate.reopen();
    },
  };
}

/** Nobody else's transactions are touched: for the run of all tests, which share one Postgres. */
export function postgresAway(gate: Gate, seconds: number): Fault {
  return {
    name: `Postgres is away for ${seconds} s`,
    isOfPostgres: true,
    async strike() {
      gate.shut();
      await sleep(seconds * 1000);
      await gate.reopen();
    },
  };
}
