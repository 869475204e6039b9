/** Sessions of one user: what a login, a list, a revocation and an ordinary request cost somebody with many. */
import { RedisSessionStore } from 'express-redis-suite/session';
import type { Axis } from './axis.js';
import { openBench } from './cost.js';

const A_DAY_MS = 24 * 3_600_000;
const CALLS = 10;
const AT_ONCE = 200;

export const users: Axis = {
  name: 'users',
  of: 'sessions of one user',
  sizes: [1, 10, 100, 1_000],
  bigSizes: [],
  operations: {
    'read in a request': { law: 'constant' },
    'save in a request': { law: 'constant' },
    login: { law: 'logarithmic' },
    'login above maxSessionsPerUser': {
      law: 'linear',
      because: 'up to the limit that you set: whoever has ended goes before the oldest',
    },
    list: { law: 'linear', because: 'so is the answer' },
    'revoke one': { law: 'constant' },
    'revoke all but one': { law: 'linear', because: 'each of them ends' },
    'bytes of the index': { law: 'linear' },
  },

  async measure(size, { redisUrl }) {
    const bench = await openBench(redisUrl);
    const options = { client: bench.client, userId: userOf, deadlineMs: 60_000 };
    const store = new RedisSessionStore(options);
    const limited = new RedisSessionStore({ ...options, maxSessionsPerUser: size });
    let logins = 0;
    async function enter(into: RedisSessionStore, user: string) {
      logins += 1;
      await into.set(`login-${logins}`, sessionOf(user));
    }
    async function refill() {
      await bench.admin.flushAll();
      for (let first = 0; first < size; first += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, size - first) }, (_, i) => first + i);
        await Promise.all(some.map((i) => store.set(`id-${i}`, sessionOf('ada'))));
      }
    }

    try {
      await refill();
      const bytes = Number(await bench.admin.memoryUsage('sess-user:{ada}', { SAMPLES: 0 }));
      const read = await bench.cost({ calls: CALLS, call: (i) => store.get(`id-${i % size}`) });
      const save = await bench.cost({
        calls: CALLS,
        async call(i) {
          const session = await store.get(`id-${i % size}`);
          await store.set(`id-${i % size}`, Object.assign(session as object, { at: i }) as never);
        },
      });
      return {
        'read in a request': read,
        'save in a request': save,
        list: await bench.cost({ calls: 1, call: () => store.list('ada') }),
        login: await bench.cost({ calls: Math.min(CALLS, size), call: () => enter(store, 'ada') }),
        'login above maxSessionsPerUser': await bench.cost({
          calls: 1,
          before: refill,
          call: () => enter(limited, 'ada'),
        }),
        'revoke one': await bench.cost({
          calls: 1,
          before: refill,
          call: async () => store.revoke('ada', (await handle(bench.admin)) ?? ''),
        }),
        'revoke all but one': await bench.cost({
          calls: 1,
          before: refill,
          call: () => store.revoke('ada', { except: 'id-0' }),
        }),
        'bytes of the index': { bytes },
      };
    } finally {
      await bench.end();
    }
  },
};

function userOf(session: object): string | undefined {
  return (session as { user?: string }).user;
}

function sessionOf(user: string): never {
  const cookie = { originalMaxAge: A_DAY_MS, expires: new Date(Date.now() + A_DAY_MS), path: '/' };
  return { cookie, user } as never;
}

async function handle(admin: { hRandField(key: string): Promise<string | null> }): Promise<string | null> {
  return admin.hRandField('sess-user:{ada}');
}
