// Readers, writers, deleters and what befalls them, in any order: the cache is never behind the row. Beside it, the
// textbook pattern in the same histories.
//
// `npm run staleness` plays 10,000 of them (INTERLEAVINGS says how many); a plain test run plays 500.
import { afterAll, beforeAll, test } from '@jest/globals';
import { createCache } from 'express-redis-suite/cache-aside';
import fc from 'fast-check';
import postgres from 'postgres';
import { takeOverTimers } from '../support/interleaving.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { testDatabaseUrl } from '../support/redis-server.js';
import {
  CLIENTS,
  KEPT_MS,
  type Lane,
  neighbourOf,
  type OpenSubject,
  type Outcome,
  PATIENCE_MS,
  play,
  scenarios,
  type Trouble,
  troubles,
} from './interleavings.js';
import { textbookCache } from './textbook.js';

const INTERLEAVINGS = Number(process.env.INTERLEAVINGS ?? 500);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const LANES = 8;
const RUNS_PER_LANE = Math.ceil(INTERLEAVINGS / LANES);
const WITHIN_MS = 120_000 + INTERLEAVINGS * 100;

const namespace = uniqueNamespace();
const giveTimersBack = takeOverTimers();
const databases: postgres.Sql[] = [];

beforeAll(async () => {
  const sql = database();
  await sql`create table ${sql(namespace)} (id int primary key, version int not null)`;
  await sql`insert into ${sql(namespace)} select lane, 1 from generate_series(0, ${LANES - 1}) lane`;
});

afterAll(async () => {
  giveTimersBack();
  const [sql] = databases as [postgres.Sql];
  await sql`drop table ${sql(namespace)}`;
  await Promise.all(databases.map((each) => each.end()));
});

test(
  `No history leaves or serves an old row`,
  async () => {
    const startedAt = performance.now();
    const tallies = new Map(troubles.map((trouble) => [trouble, { ours: newTally(), textbook: newTally() }]));
    const lanes = await Promise.all(Array.from({ length: LANES }, (_, id) => openLane(id)));
    await Promise.all(
      lanes.map((lane, id) => fc.assert(property(lane), { numRuns: RUNS_PER_LANE, seed: SEED + id })),
    );
    process.stdout.write(
      `${report(tallies)}\nin ${((performance.now() - startedAt) / 1000).toFixed(1)} s, seed ${SEED}\n`,
    );

    function property(lane: Lane) {
      return fc.asyncProperty(scenarios, async (scenario) => {
        const tally = tallies.get(scenario.trouble) as { ours: Tally; textbook: Tally };
        const outcome = await play(scenario, lane, ours);
        count(tally.ours, outcome);
        count(tally.textbook, await play(scenario, lane, textbookCache));
        const { oldServed, isOldLeft, isCachedAgain, history } = outcome;
        const verdict = { oldServed, isOldLeft, isCachedAgain };
        if (oldServed > 0 || isOldLeft || !isCachedAgain)
          throw new Error(`${JSON.stringify(verdict)}\n${history.join('\n')}`);
      });
    }
  },
  WITHIN_MS,
);

const ours: OpenSubject = (client, ofLane, tags) => {
  const cache = createCache({
    client,
    namespace: ofLane,
    staleMs: KEPT_MS,
    softTimeoutMs: 100,
    leaseMs: KEPT_MS,
    markMs: KEPT_MS,
    waitMs: PATIENCE_MS,
    deadlineMs: PATIENCE_MS,
  });
  return {
    ...cache,
    getOrLoad: (key, load) => cache.getOrLoad(key, load, { tags }),
    writeThrough: (key, change) => cache.writeThrough(key, change, { tags }),
    async loadInList<Value>(key: string, load: () => Promise<Value>) {
      const loadMissing = async (): Promise<[string, Value][]> => [[key, await load()]];
      return (await cache.loadMany([neighbourOf(key), key], loadMissing, { tags })).get(key) as Value;
    },
    writeTagged: (tag, _key, change) => cache.write({ tags: [tag] }, change),
    invalidate: (tag) => cache.invalidateTags(tag),
  };
};

interface Tally {
  interleavings: number;
  steps: number;
  /** Interleavings in which it happened. */
  oldServed: number;
  oldLeft: number;
}

function newTally(): Tally {
  return { interleavings: 0, steps: 0, oldServed: 0, oldLeft: 0 };
}

function count(tally: Tally, { steps, oldServed, isOldLeft }: Outcome): void {
  tally.interleavings += 1;
  tally.steps += steps;
  tally.oldServed += Number(oldServed > 0);
  tally.oldLeft += Number(isOldLeft);
}

function report(tallies: ReadonlyMap<Trouble, { readonly ours: Tally; readonly textbook: Tally }>): string {
  const lines = [...tallies].flatMap(([trouble, { ours, textbook }]) => [
    line(trouble, 'ours', ours),
    line(trouble, 'textbook', textbook),
  ]);
  return [line('trouble', 'pattern'), ...lines].join('\n');
}

function line(trouble: string, pattern: string, tally?: Tally): string {
  const { interleavings = 'histories', steps = 'steps', oldServed, oldLeft } = tally ?? {};
  const cells = [interleavings, steps, oldServed ?? 'old served', oldLeft ?? 'old left'];
  return `${trouble.padEnd(9)} ${pattern.padEnd(9)} ${cells.map((cell) => String(cell).padStart(11)).join('')}`;
}

function database(): postgres.Sql {
  const sql = postgres(testDatabaseUrl(), { max: 1, onnotice: () => {} });
  databases.push(sql);
  return sql;
}

async function openLane(id: number): Promise<Lane> {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect()));
  return {
    table: namespace,
    id,
    namespace: `${namespace}.${id}`,
    clients,
    reading: database(),
    writing: database(),
  };
}
