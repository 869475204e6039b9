/** The rate limiters: requests that are allowed, denials that are repeated, and what their scripts and keys cost Redis. */
import { figureOf, type Plan, type Result, rowOf, type Verdict } from '../plan.js';
import { rawGet } from '../raw-get.js';
import type { Scenario } from '../rounds.js';
import { spellSpread } from '../statistics.js';
import { atLeast, atMost } from '../verdicts.js';
import {
  BARE,
  bare,
  FLOOR,
  flexible,
  flexibleBlocking,
  floor,
  IN_FRONT,
  inFront,
  OURS,
  ours,
  PEER,
  peer,
} from './contenders.js';
import { memoryPerKey } from './memory.js';
import { speedInRedis } from './speed-in-redis.js';

const LIMIT = 100;
const CONNECTIONS = 16;
/** So many that nobody reaches the limit within all rounds. */
const ALLOWED_CLIENTS = 1_600;
const DENIED_CLIENTS = 16;
const ALLOWED_NETWORK = '10.1';
const DENIED_NETWORK = '10.2';

const allowed: Scenario = {
  name: 'allowed',
  status: 200,
  prepare: async () => requestsFrom(ALLOWED_NETWORK, ALLOWED_CLIENTS),
};

const denied: Scenario = {
  name: 'denied again',
  status: 429,
  async prepare({ port }, load) {
    const requests = requestsFrom(DENIED_NETWORK, DENIED_CLIENTS);
    await load.send({ port, requests, count: (LIMIT + 5) * DENIED_CLIENTS, connections: CONNECTIONS });
    return requests;
  },
};

export const rateLimitPlan: Plan = {
  name: 'rate-limit',
  about: `Each request is a GET behind a proxy (X-Forwarded-For), limited to ${LIMIT} per address and hour, answered with the X-RateLimit fields.`,
  effort: {
    full: { rounds: 31, requestsPerRound: 1_600, warmUpRequests: 8_000, connections: CONNECTIONS },
    quick: { rounds: 9, requestsPerRound: 700, warmUpRequests: 3_000, connections: CONNECTIONS },
  },
  scenarios: [allowed, denied],
  floor: FLOOR,
  peer: PEER,
  contenders: async (redisUrl) => [
    ours(LIMIT),
    inFront(LIMIT),
    peer(LIMIT),
    flexible(LIMIT),
    flexibleBlocking(LIMIT),
    await floor(LIMIT, redisUrl),
    bare(LIMIT, DENIED_NETWORK),
  ],
  extras: async (stage) => [await speedInRedis(LIMIT, stage), await memoryPerKey(stage)],
  judge,
};

function judge(result: Result): Verdict[] {
  const allowedOne = rowOf(result, allowed.name, OURS);
  const deniedOne = rowOf(result, denied.name, OURS);
  return [
    atMost('CPU of an allowed request, x floor', allowedOne.toFloor, 1.1),
    atMost('CPU of an allowed request, x peer', allowedOne.toPeer, 1),
    {
      ...atMost('CPU of a repeated denial, x peer', deniedOne.toPeer, 0.7),
      // It may be out of reach, and then nobody should look for it in the limiter.
      note: `Express alone: ${spellSpread(rowOf(result, denied.name, BARE).toPeer, 2)}`,
    },
    atMost(
      'CPU of a repeated denial in front of Express, x peer',
      rowOf(result, denied.name, IN_FRONT).toPeer,
      0.7,
    ),
    atMost('commands per allowed request', allowedOne.commandsPerRequest, 1),
    atLeast(
      'throughput of the script in redis-benchmark, x peer',
      figureOf(result, 'scriptSpeedToPeer'),
      0.9,
    ),
    atMost('bytes per key at limit 100', figureOf(result, 'bytesAt100'), 2_200, 0),
    atMost(
      'bytes per key at limit 10,000 with resolution: 100',
      figureOf(result, 'coarseBytesAt10000'),
      4_000,
      0,
    ),
  ];
}

function requestsFrom(network: string, clients: number): string[] {
  return Array.from({ length: clients }, (_, client) =>
    rawGet('/', { 'X-Forwarded-For': `${network}.${client >> 8}.${client & 255}` }),
  );
}
