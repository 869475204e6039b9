/** The session middlewares: a request that only reads its session, and one that changes it. */
import { type Plan, type Result, rowOf, type Verdict } from '../plan.js';
import type { Contender } from '../processes.js';
import { rawGet } from '../raw-get.js';
import type { Scenario } from '../rounds.js';
import { atMost } from '../verdicts.js';

const OURS = 'sessions()';
const OUR_STORE = 'express-session + RedisSessionStore';
const PEER = 'express-session + connect-redis';
const FLOOR = 'floor';
const CONNECTIONS = 16;
/** A few for each connection; no two requests of one session are under way at a time. */
const SESSIONS = 4 * CONNECTIONS;
/** "Not held" is what it takes to call the next function, not a round trip. */
const NOT_HELD_MS = 0.05;

const read: Scenario = { name: 'read', status: 200, prepare: (contender) => loggedIn(contender, '/read') };
const changed: Scenario = {
  name: 'changed',
  status: 200,
  prepare: (contender) => loggedIn(contender, '/write'),
};

export const sessionPlan: Plan = {
  name: 'session',
  about: 'Each request is a GET with the cookie of a session of about 200 bytes that lives for an hour.',
  effort: {
    full: { rounds: 31, requestsPerRound: 1_600, warmUpRequests: 8_000, connections: CONNECTIONS },
    quick: { rounds: 9, requestsPerRound: 700, warmUpRequests: 3_000, connections: CONNECTIONS },
  },
  scenarios: [read, changed],
  floor: FLOOR,
  peer: PEER,
  contenders: async () => [
    { name: OURS, file: 'session/contenders/sessions.mjs' },
    { name: OUR_STORE, file: 'session/contenders/store.mjs' },
    { name: PEER, file: 'session/contenders/connect-redis.mjs' },
    { name: 'express-session + MemoryStore', file: 'session/contenders/memory.mjs' },
    { name: FLOOR, file: 'session/contenders/floor.mjs' },
  ],
  judge,
};

function judge(result: Result): Verdict[] {
  return [OURS, OUR_STORE].flatMap((name) => {
    const reading = rowOf(result, read.name, name);
    return [
      atMost(`${name}: CPU of a read, x floor`, reading.toFloor, 1.1),
      atMost(`${name}: commands per read`, reading.commandsPerRequest, 1),
      atMost(`${name}: ms that the end of a read is held`, reading.heldMs, NOT_HELD_MS, 3),
      atMost(
        `${name}: commands per changed session`,
        rowOf(result, changed.name, name).commandsPerRequest,
        2,
      ),
    ];
  });
}

async function loggedIn({ port }: Contender, path: string): Promise<string[]> {
  return Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/login`);
      await response.text();
      const cookie = (response.headers.get('set-cookie') ?? '').split(';', 1)[0] as string;
      return rawGet(path, { Cookie: cookie });
    }),
  );
}
