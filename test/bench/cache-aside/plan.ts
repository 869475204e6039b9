/** The caches beside a database: hits, misses, and how often a key that expires is loaded by four processes. */
import { figureOf, type Plan, type Result, rowOf, type Verdict } from '../plan.js';
import type { ContenderSpec } from '../processes.js';
import { rawGet } from '../raw-get.js';
import type { Scenario } from '../rounds.js';
import { atMost } from '../verdicts.js';
import { loadsPerExpiry } from './stampede.js';

const OURS = 'createCache()';
const OURS_IN_MEMORY = 'createCache() + memory';
const PEER = 'textbook: get, load, set';
const FLOOR = 'floor: GET + JSON.parse';
const CONNECTIONS = 16;
/** As in contenders/app.mjs. */
const HITS_PER_REQUEST = 10;

const hit: Scenario = { name: 'hit', status: 200, prepare: async () => requestsFor('/hit') };
const miss: Scenario = { name: 'miss', status: 200, prepare: async () => requestsFor('/miss') };

const contenders: readonly ContenderSpec[] = [
  { name: OURS, file: 'cache-aside/contenders/suite.mjs' },
  { name: OURS_IN_MEMORY, file: 'cache-aside/contenders/suite.mjs', env: { MEMORY: '1' } },
  { name: PEER, file: 'cache-aside/contenders/textbook.mjs' },
  { name: 'bentocache', file: 'cache-aside/contenders/bentocache.mjs' },
  { name: 'bentocache + memory', file: 'cache-aside/contenders/bentocache.mjs', env: { MEMORY: '1' } },
  { name: 'async-cache-dedupe', file: 'cache-aside/contenders/async-cache-dedupe.mjs' },
  { name: FLOOR, file: 'cache-aside/contenders/floor.mjs' },
];

export const cacheAsidePlan: Plan = {
  name: 'cache-aside',
  about: `Each request asks for rows of about 200 bytes, on bare node:http: ${HITS_PER_REQUEST} that are cached, one after the other, or one that is not.`,
  effort: {
    full: { rounds: 31, requestsPerRound: 800, warmUpRequests: 4_000, connections: CONNECTIONS },
    quick: { rounds: 9, requestsPerRound: 400, warmUpRequests: 1_500, connections: CONNECTIONS },
  },
  scenarios: [hit, miss],
  floor: FLOOR,
  peer: PEER,
  contenders: async () => contenders,
  extras: async (stage) => [await loadsPerExpiry(contenders, OURS, stage)],
  judge,
};

function judge(result: Result): Verdict[] {
  const ours = rowOf(result, hit.name, OURS);
  return [
    // The contender with memory sends itself two beats a second meanwhile.
    atMost('commands per hit', ours.commandsPerRequest / HITS_PER_REQUEST, 1.01),
    atMost(
      'commands per hit in memory',
      rowOf(result, hit.name, OURS_IN_MEMORY).commandsPerRequest / HITS_PER_REQUEST,
      0.01,
    ),
    atMost('commands per miss', rowOf(result, miss.name, OURS).commandsPerRequest, 3.01),
    atMost('loads per expiry under four processes', figureOf(result, 'loadsPerExpiry'), 1),
  ];
}

function requestsFor(path: string): string[] {
  return Array.from({ length: CONNECTIONS }, () => rawGet(path));
}
