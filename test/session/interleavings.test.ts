/**
 * Any order of two requests' commands: no destroyed session comes back, no update is lost, nobody is logged out, no lifetime
 * is cut short.
 *
 * `npm run interleavings` drives 10,000 orders for each pairing (RUNS says how many); a plain test run 500.
 */
import { afterAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connect, uniqueNamespace } from '../support/redis.js';
import { type Fault, type Interleaving, interleavings, type Pairing, Stage } from './interleavings.js';

const RUNS = Number(process.env.RUNS ?? 500);
const AT_ONCE = 8;
const WITHIN_MS = 60_000 + RUNS * 50;
const FAULTS: readonly Fault[] = ['resurrected', 'update lost', 'logged out', 'time to live cut'];

const samples = fc.sample(interleavings, RUNS);
const table: Record<string, Record<Fault, number>> = {};

interface Failure {
  readonly interleaving: Interleaving;
  readonly faults: readonly Fault[];
}

async function drive(pairing: Pairing): Promise<Failure[]> {
  const failures: Failure[] = [];
  const queue = [...samples];
  async function work(stage: Stage) {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const faults = [...(await stage.run(next))];
      if (faults.length > 0) failures.push({ interleaving: next, faults });
    }
  }
  const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => connect()));
  await Promise.all(clients.map((client) => work(new Stage(client, `${uniqueNamespace()}:`, pairing))));
  const count = (fault: Fault) => failures.filter(({ faults }) => faults.includes(fault)).length;
  table[pairing] = Object.fromEntries(FAULTS.map((fault) => [fault, count(fault)])) as Record<Fault, number>;
  return failures;
}

/** The shortest tells most. */
function shortest(failures: readonly Failure[]): Failure | undefined {
  const length = ({ interleaving }: Failure) => interleaving.programs.flat().length;
  return [...failures].sort((a, b) => length(a) - length(b))[0];
}

afterAll(() => {
  const rows = Object.entries(table).map(([pairing, counts]) => {
    const cells = FAULTS.map((fault) => `${fault} ${counts[fault]}`);
    return `  ${pairing.padEnd(32)}${cells.join(', ')}\n`;
  });
  process.stdout.write(`Of ${RUNS} interleavings of two requests:\n${rows.join('')}`);
});

it.each<Pairing>(['both here', 'both here, hashed and encrypted', 'one here, one on connect-redis'])(
  'nothing goes wrong with %s',
  async (pairing) => expect(shortest(await drive(pairing))).toBeUndefined(),
  WITHIN_MS,
);

it(
  'all of it goes wrong on connect-redis',
  async () => {
    await drive('both on connect-redis');
    for (const fault of FAULTS)
      expect([fault, table['both on connect-redis']?.[fault]]).not.toEqual([fault, 0]);
  },
  WITHIN_MS,
);
