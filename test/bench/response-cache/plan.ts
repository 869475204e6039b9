/** The response cache: hits on a page of 1 KB and on one of 100 KB. */
import { type Plan, type Result, rowOf, type Verdict } from '../plan.js';
import { rawGet } from '../raw-get.js';
import type { Scenario } from '../rounds.js';
import { ratioOf } from '../statistics.js';
import { atMost } from '../verdicts.js';

const OURS = 'responseCache(), Redis';
const MEMORY = 'responseCache(), memory';
const TIERED = 'responseCache(), Redis + memory: { maxBytes }';
const IN_FRONT = 'responseCache(), Redis, in front of Express';
const PEER = 'apicache, memory';
const PEER_ON_REDIS = 'apicache, Redis';
const PREBUILT = 'a buffer under Express';
/** What the standard wants of every hit, besides. */
const PREBUILT_HIT = "a buffer with a hit's headers under Express";
const PREBUILT_GET = 'GET and a buffer under Express';
const CONNECTIONS = 16;

/** The first of the warm-up is the miss. */
function hitsOn(kilobytes: number): Scenario {
  const requests = Array(CONNECTIONS).fill(rawGet(`/${kilobytes}`)) as string[];
  return { name: `${kilobytes} KB`, status: 200, prepare: async () => requests };
}

const scenarios = [hitsOn(1), hitsOn(100)];

export const responseCachePlan: Plan = {
  name: 'response-cache',
  about: 'Each request is a GET of one page that is cached, without cookies or conditions.',
  effort: {
    full: { rounds: 31, requestsPerRound: 1_600, warmUpRequests: 8_000, connections: CONNECTIONS },
    quick: { rounds: 9, requestsPerRound: 700, warmUpRequests: 3_000, connections: CONNECTIONS },
  },
  scenarios,
  floor: PREBUILT_GET,
  peer: PEER,
  contenders: async () => [
    { name: OURS, file: 'response-cache/contenders/suite-redis.mjs' },
    { name: MEMORY, file: 'response-cache/contenders/suite-memory.mjs' },
    { name: TIERED, file: 'response-cache/contenders/suite-tiered.mjs' },
    { name: IN_FRONT, file: 'response-cache/contenders/suite-in-front.mjs' },
    { name: PEER, file: 'response-cache/contenders/apicache.mjs' },
    { name: PEER_ON_REDIS, file: 'response-cache/contenders/apicache-redis.mjs' },
    { name: 'the handler under Express', file: 'response-cache/contenders/bare.mjs' },
    { name: PREBUILT, file: 'response-cache/contenders/prebuilt.mjs' },
    { name: PREBUILT_HIT, file: 'response-cache/contenders/prebuilt-hit.mjs' },
    { name: PREBUILT_GET, file: 'response-cache/contenders/prebuilt-get.mjs' },
    { name: 'a buffer, node:http alone', file: 'response-cache/contenders/node.mjs' },
  ],
  judge: (result) => scenarios.flatMap(({ name }) => judge(result, name)),
};

function judge(result: Result, scenario: string): Verdict[] {
  const row = (name: string) => rowOf(result, scenario, name);
  const ratio = (ours: string, theirs: string) => ratioOf(row(ours).cpuByRound, row(theirs).cpuByRound);
  const [memory, tiered] = [ratio(MEMORY, PREBUILT), ratio(TIERED, PREBUILT)];
  return [
    atMost(`${scenario}, memory: CPU per hit, x a buffer under Express`, memory, 1.15),
    atMost(`${scenario}, Redis + memory: CPU per hit, x a buffer under Express`, tiered, 1.15),
    atMost(`${scenario}, Redis: CPU per hit, x GET and a buffer`, row(OURS).toFloor, 1.15),
    atMost(`${scenario}, memory: CPU per hit, x apicache`, row(MEMORY).toPeer, 1),
    atMost(`${scenario}, Redis: CPU per hit, x apicache on Redis`, ratio(OURS, PEER_ON_REDIS), 1),
    atMost(`${scenario}, Redis + memory: CPU per hit, x apicache`, row(TIERED).toPeer, 1),
    // Every ten minutes one of them asks what time it is.
    atMost(`${scenario}, Redis: commands per hit`, row(OURS).commandsPerRequest, 1.01),
  ];
}
