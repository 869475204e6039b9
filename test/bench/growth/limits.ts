/** Hits in one client's window: every call of the limiter, at rest and with hits leaving as fast as they come. */
import { rateLimit } from 'express-redis-suite/rate-limit';
import type { Axis } from './axis.js';
import { type Bench, openBench } from './cost.js';

const WINDOW_MS = 3_600_000;
const ROOM = 1_000_000;
const RESOLUTION = 100;
const KEY = 'rl:growth:{me}';
const MOST_CALLS = 50;
/** Demands that differ: a denial is repeated by the process that knows of it, without Redis. */
const COSTS = 9;

export const limits: Axis = {
  name: 'limits',
  of: 'hits in the window of one client',
  sizes: [10, 100, 1_000, 10_000],
  bigSizes: [100_000],
  operations: {
    allowed: { law: 'logarithmic' },
    'allowed, hits leaving as they come': { law: 'logarithmic' },
    'allowed after a pause, half of the hits gone': {
      law: 'linear',
      because: 'once: each hit is dropped once, so that it is constant for each',
    },
    'denied, asked of Redis': { law: 'logarithmic' },
    peek: { law: 'logarithmic' },
    'refund of the newest': { law: 'logarithmic' },
    'refund from the middle': {
      law: 'linear',
      because:
        'after the response; the smaller half is counted anew, where over 128 requests of one client came since',
    },
    'allowed, resolution: 100': { law: 'constant' },
    'bytes of the key': { law: 'linear', because: 'each hit has its own entry' },
    'bytes of the key, resolution: 100': { law: 'constant' },
  },

  async measure(size, { redisUrl }) {
    const bench = await openBench(redisUrl);
    const { client, admin } = bench;
    const common = { client, windowMs: WINDOW_MS, name: 'growth', deadlineMs: 60_000 };
    const roomy = rateLimit({ ...common, limit: size + ROOM });
    const tight = rateLimit({ ...common, limit: size });
    const coarse = rateLimit({ ...common, limit: size + ROOM, resolution: RESOLUTION });
    const calls = Math.min(MOST_CALLS, Math.max(5, size / 2));
    let denials = 0;
    const deny = () => {
      denials += 1;
      return isAllowed(tight.consume('me', 1 + (denials % COSTS)), false);
    };
    const full = () => fill(bench, size, 1, 60_000);
    const isAllowed = async (answer: ReturnType<typeof roomy.consume>, isRight = true) => {
      if ((await answer).isAllowed !== isRight) throw new Error('the limiter says otherwise');
    };

    try {
      await full();
      if ((await roomy.peek('me')).used !== size) throw new Error('the limiter does not know these hits');
      const bytes = Number(await admin.memoryUsage(KEY, { SAMPLES: 0 }));
      const costs = {
        allowed: await bench.cost({ calls, before: full, call: () => isAllowed(roomy.consume('me')) }),
        'allowed, hits leaving as they come': await bench.cost({
          calls,
          // A call takes as long as lies between one or two of these.
          before: () => fill(bench, size, 1, WINDOW_MS, STEADY_STEP_MS),
          call: () => isAllowed(roomy.consume('me')),
        }),
        'allowed after a pause, half of the hits gone': await bench.cost({
          calls: 1,
          before: () => fill(bench, size, 1, WINDOW_MS + 60_000, 120_000 / size),
          call: () => isAllowed(roomy.consume('me')),
        }),
        'denied, asked of Redis': await bench.cost({
          calls,
          before: full,
          call: deny,
        }),
        peek: await bench.cost({ calls, before: full, call: () => roomy.peek('me') }),
        ...(await refunds(bench, roomy, size, calls)),
      };
      const parts = Math.min(size, RESOLUTION);
      const coarsely = () => fill(bench, parts, size / parts, WINDOW_MS - 60_000);
      await coarsely();
      const coarseBytes = Number(await admin.memoryUsage(KEY, { SAMPLES: 0 }));
      const coarseCost = await bench.cost({
        calls,
        before: coarsely,
        call: () => isAllowed(coarse.consume('me')),
      });
      return {
        ...costs,
        'allowed, resolution: 100': coarseCost,
        'bytes of the key': { bytes },
        // So few hits share no entries.
        ...(size < RESOLUTION ? {} : { 'bytes of the key, resolution: 100': { bytes: coarseBytes } }),
      };
    } finally {
      await bench.end();
    }
  },
};

type Limiter = ReturnType<typeof rateLimit>;
const STEADY_STEP_MS = 0.3;

async function refunds(bench: Bench, limiter: Limiter, size: number, calls: number) {
  const times = Math.min(calls, 20);
  let marks: string[] = [];
  const refund = (mark: string) => limiter.refund({ key: 'me', mark: Number(mark), cost: 1, isLocal: false });
  async function prepare(first: number) {
    await fill(bench, size, 1, 60_000);
    marks = await bench.admin.zRange(KEY, first, first + times - 1);
  }
  return {
    'refund of the newest': await bench.cost({
      calls: marks.length || times,
      before: () => prepare(Math.max(0, size - times)),
      call: (index) => refund(marks.at(-1 - index) as string),
    }),
    'refund from the middle': await bench.cost({
      calls: Math.min(times, size / 2),
      before: () => prepare(Math.floor(size / 2)),
      call: (index) => refund(marks[index] as string),
    }),
  };
}

/** As window.lua.ts describes a key: members are times in microseconds, scores the running count. */
async function fill(
  { admin }: Bench,
  entries: number,
  units: number,
  agoMs: number,
  stepMs: number = (agoMs * 0.99) / entries,
): Promise<void> {
  await admin.unlink(KEY);
  const args = [entries, units, Math.round(agoMs * 1000), stepMs * 1000, 2 * WINDOW_MS].map(String);
  await admin.eval(FILL_LUA, { keys: [KEY], arguments: args });
}

const FILL_LUA = `
local time = redis.call('TIME')
local first = time[1] * 1000000 + time[2] - ARGV[3]
for i = 0, ARGV[1] - 1 do
  redis.call('ZADD', KEYS[1], (i + 1) * ARGV[2], string.format('%.0f', math.floor(first + i * ARGV[4])))
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])`;
