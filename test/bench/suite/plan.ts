/** The suite as a user composes it: limiter, session and cache in front of a handler, against the three peers composed. */
import { type Plan, type Result, rowOf, type Verdict } from '../plan.js';
import type { Contender } from '../processes.js';
import { rawGet } from '../raw-get.js';
import type { Scenario } from '../rounds.js';
import { atMost } from '../verdicts.js';

const OURS = 'express-redis-suite';
const PEER = 'express-rate-limit + connect-redis + apicache';
const FLOOR = 'Express alone';
const CONNECTIONS = 16;
/** A few for each connection; no two requests of one session are under way at a time. */
const VISITORS = 4 * CONNECTIONS;
/** Of ten requests. */
const MIX = [...Array(6).fill('/report'), ...Array(3).fill('/account'), '/basket'] as readonly string[];

const report: Scenario = scenarioOf('cached page', ['/report']);
const account: Scenario = scenarioOf('session read', ['/account']);
const basket: Scenario = scenarioOf('session changed', ['/basket']);
const mixed: Scenario = scenarioOf('mixed: 60 % cached page, 30 % session read, 10 % changed', MIX);

export const suitePlan: Plan = {
  name: 'suite',
  about:
    'Each request is a GET of a visitor who is logged in, through limiter and session, and on the cached page (1.2 KB of JSON) through the cache.',
  effort: {
    full: { rounds: 31, requestsPerRound: 1_280, warmUpRequests: 6_400, connections: CONNECTIONS },
    quick: { rounds: 7, requestsPerRound: 640, warmUpRequests: 2_560, connections: CONNECTIONS },
  },
  scenarios: [mixed, report, account, basket],
  floor: FLOOR,
  peer: PEER,
  contenders: async () => [
    { name: OURS, file: 'suite/contenders/suite.mjs' },
    { name: PEER, file: 'suite/contenders/peers.mjs' },
    { name: FLOOR, file: 'suite/contenders/bare.mjs' },
  ],
  judge,
};

function judge(result: Result): Verdict[] {
  const [ours, theirs] = [rowOf(result, mixed.name, OURS), rowOf(result, mixed.name, PEER)];
  return [
    atMost('CPU of a mixed request, x peers', ours.toPeer, 0.85),
    atMost('p99 of a mixed request, x peers', ours.p99Ms.median / theirs.p99Ms.median, 1),
    ...[
      [report, 3],
      [account, 2],
      [basket, 3],
    ].map(([scenario, limit]) =>
      atMost(
        `commands per request: ${(scenario as Scenario).name}`,
        rowOf(result, (scenario as Scenario).name, OURS).commandsPerRequest,
        limit as number,
      ),
    ),
  ];
}

function scenarioOf(name: string, paths: readonly string[]): Scenario {
  return { name, status: 200, prepare: (contender) => visits(contender, paths) };
}

/** In turns: each visitor's first request, then each visitor's second; visitors begin at different paths. */
async function visits({ port }: Contender, paths: readonly string[]): Promise<string[]> {
  const visitors = await Promise.all(
    Array.from({ length: VISITORS }, (_, i) => logIn(port, `198.51.100.${i}`)),
  );
  return paths.flatMap((_, turn) =>
    visitors.map((headers, i) => rawGet(paths[(turn + i) % paths.length] as string, headers)),
  );
}

async function logIn(port: number, address: string): Promise<Record<string, string>> {
  const headers = { 'X-Forwarded-For': address };
  const response = await fetch(`http://127.0.0.1:${port}/login`, { headers });
  await response.text();
  const cookie = (response.headers.get('set-cookie') ?? '').split(';', 1)[0] as string;
  return cookie === '' ? headers : { ...headers, Cookie: cookie };
}
