/**
 * One row of Postgres, one key of Redis, and three processes that read, write and delete at once: a world in which any
 * history can be played, and which tells afterwards whether anybody was behind the row.
 */
import fc from 'fast-check';
import { type Fate, gatedClient } from '../support/gated-client.js';
import { type ActorProcess, type Choice, Interleaving } from '../support/interleaving.js';
import type { TestClient } from '../support/redis.js';
import { Rejected, Row, type RowPlace, readVersion, type Version } from './row.js';
import type { Subject } from './textbook.js';

/**
 * What befalls the first process: nothing; it is killed; Redis refuses some of its changes or loses its connection; it
 * cannot reach Redis for a while; its timers go off early, so that it gives up calls which are carried out later. Or
 * Redis is flushed.
 */
export const troubles = ['none', 'kill', 'refusals', 'outage', 'delays', 'flush'] as const;
export type Trouble = (typeof troubles)[number];

type Deed =
  | 'read'
  | 'read many'
  | 'write'
  | 'write by tag'
  | 'write through'
  | 'write and fail'
  | 'change and delete'
  | 'change and invalidate';

export interface Scenario {
  readonly trouble: Trouble;
  /** Whether the row is cached when it begins. */
  readonly isWarm: boolean;
  /** Whether what is cached carries a tag. */
  readonly isTagged: boolean;
  readonly actors: readonly { readonly process: number; readonly does: Deed }[];
  /** Of what the first process changes in Redis under `refusals`, one after the other; all that follows is done. */
  readonly fates: readonly Fate[];
  readonly choices: readonly Choice[];
}

export interface Outcome {
  readonly steps: number;
  /** How many reads that began after a commit were given an older row. */
  readonly oldServed: number;
  /** Whether, when all was quiet, anybody was still given an older row. */
  readonly isOldLeft: boolean;
  /** Whether, when all was quiet, what one had read was found in the cache by the next. */
  readonly isCachedAgain: boolean;
  readonly history: readonly string[];
}

export interface Lane extends RowPlace {
  readonly namespace: string;
  /** One for each process, and one to look on. */
  readonly clients: readonly TestClient[];
}

export type OpenSubject = (client: TestClient, namespace: string, tags: readonly string[]) => Subject;

const TAG = 'rows';
const PROCESSES = 3;
export const CLIENTS = PROCESSES + 1;
/** The slowest timer that goes off in a process without delays. */
const PROMPT_MS = 20_000;
/** Kept up every third of it. No history takes that long in real time. */
export const KEPT_MS = 3 * PROMPT_MS;
/** How long anybody is waited for: given up only under delays. */
export const PATIENCE_MS = 2 * PROMPT_MS;

/** Redis goes on answering these where it refuses changes. */
const READS = new Set(['get', 'hmGet', 'ping']);

const deeds = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Deed>('read', 'read', 'read many') },
  { weight: 3, arbitrary: fc.constantFrom<Deed>('write', 'write by tag', 'write through') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Deed>('write and fail', 'change and delete', 'change and invalidate'),
  },
);

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  trouble: fc.constantFrom(...troubles),
  isWarm: fc.boolean(),
  isTagged: fc.boolean(),
  actors: fc.array(fc.record({ process: fc.constantFrom(0, 0, 1, 2), does: deeds }), {
    minLength: 2,
    maxLength: 7,
    size: 'max',
  }),
  fates: fc.array(fc.constantFrom<Fate>('done', 'refused', 'refused', 'lost'), {
    maxLength: 12,
    size: 'max',
  }),
  choices: fc.array(fc.record({ pick: fc.nat({ max: 5_039 }), steps: fc.integer({ min: 1, max: 6 }) }), {
    maxLength: 25,
    size: 'max',
  }),
});

/** Plays one history against the caches that `open` makes, one in each process. */
export async function play(scenario: Scenario, lane: Lane, open: OpenSubject): Promise<Outcome> {
  const { trouble, isWarm, choices } = scenario;
  const key = `row:${lane.id}`;
  const tags = scenario.isTagged ? [TAG] : [];
  const redisKeys = [key, neighbourOf(key), `#${TAG}`].map((name) => `${lane.namespace}:${name}`);
  const onlooker = lane.clients[PROCESSES] as TestClient;
  const pass = (what: 'leases' | 'freshness' | 'all') =>
    onlooker.eval(PASS, { keys: redisKeys, arguments: [what] }) as Promise<unknown>;

  await onlooker.unlink(redisKeys);
  const outside = open(onlooker, lane.namespace, tags);
  if (isWarm) await outside.getOrLoad(key, () => readVersion(lane));

  const interleaving = new Interleaving();
  const row = new Row(lane, interleaving, await readVersion(lane));
  const fates = trouble === 'refusals' ? [...scenario.fates] : [];
  let isAway = trouble === 'outage';
  const passTime = async () => {
    isAway = false;
    await pass('leases');
  };
  const members = Array.from({ length: PROCESSES }, (_, index): Member => {
    const isFirst = index === 0;
    const longestTimerMs = isFirst && trouble === 'delays' ? Number.POSITIVE_INFINITY : PROMPT_MS;
    const process: ActorProcess = { name: `process ${index}`, longestTimerMs, isAlive: true };
    const fateOf = (command: string): Fate => {
      if (!isFirst) return 'done';
      if (isAway) return 'cut';
      return READS.has(command) ? 'done' : (fates.shift() ?? 'done');
    };
    const client = gatedClient(lane.clients[index] as TestClient, { interleaving, process, fateOf });
    return { process, cache: open(client, lane.namespace, tags), writes: 0 };
  });
  const [first] = members as [Member];

  let oldServed = 0;
  async function read({ process, cache }: Member, isOneOfMany = false): Promise<void> {
    const least = leastVersion(scenario, process, row);
    const load = () => row.read(process);
    const { version } = await (isOneOfMany ? cache.loadInList(key, load) : cache.getOrLoad(key, load));
    interleaving.history.push(`${process.name}: is given ${version} of ${row.version}, may be ${least}`);
    if (version < least) oldServed += 1;
  }

  async function changeAnd(
    { process }: Pick<Member, 'process'>,
    forget: () => Promise<unknown>,
  ): Promise<void> {
    // Nothing can be done for one who dies in between.
    const changed = trouble === 'kill' ? undefined : await row.changeBehind(process);
    await forget();
    if (changed !== undefined) row.promise(process, changed);
  }

  const does: Record<Deed, (member: Member) => Promise<unknown>> = {
    read: (member) => read(member),
    'read many': (member) => read(member, true),
    write: ({ process, cache }) => cache.write(key, () => row.change(process)),
    'write by tag': ({ process, cache }) =>
      scenario.isTagged
        ? cache.writeTagged(TAG, key, () => row.change(process))
        : cache.write(key, () => row.change(process)),
    'write through': ({ process, cache }) => cache.writeThrough(key, () => row.change(process)),
    'write and fail': ({ process, cache }) =>
      cache.write(key, () => row.changeAndFail(process)).catch(unlessRejected),
    'change and delete': (member) => changeAnd(member, () => member.cache.delete(key)),
    'change and invalidate': ({ process, cache }) =>
      changeAnd({ process }, () => (scenario.isTagged ? cache.invalidate(TAG, key) : cache.delete(key))),
  };
  for (const actor of scenario.actors) {
    const member = members[actor.process] as Member;
    interleaving.spawn(member.process, actor.does, async () => {
      const isWrite = actor.does.startsWith('write');
      if (isWrite) member.writes += 1;
      await does[actor.does](member);
      if (isWrite) member.writes -= 1;
    });
  }

  for (let times = 0; times < 2; times += 1) interleaving.mayHappen('leases expire', () => pass('leases'));
  interleaving.mayHappen('what is cached goes stale', () => pass('freshness'));
  if (trouble === 'flush') interleaving.mayHappen('FLUSHALL', () => onlooker.unlink(redisKeys));
  if (trouble === 'kill') {
    interleaving.mayHappen(`${first.process.name} is killed`, async () => {
      interleaving.kill(first.process);
      await row.breakOff(first.process);
    });
    // The living keep theirs up.
    const isLeftAlone = () => members.every(({ process, writes }) => !process.isAlive || writes === 0);
    interleaving.mayHappen(
      'marks expire',
      () => pass('all'),
      () => !first.process.isAlive && isLeftAlone(),
    );
  }
  await interleaving.run(choices, passTime);

  // All is quiet: what the dead have left expires, and everybody else looks.
  fates.length = 0;
  await pass('all');
  const left = await outside.get<Version>(key);
  let isOldLeft = left !== undefined && left.version !== row.version;
  for (const { process, cache } of members.filter(({ process }) => process.isAlive)) {
    interleaving.spawn(process, 'look', async () => {
      const seen = await cache.getOrLoad(key, () => row.read(process));
      if (seen.version !== row.version) isOldLeft = true;
    });
  }
  await interleaving.run([], passTime);
  const isCachedAgain = (await outside.get<Version>(key))?.version === row.version;
  return {
    steps: interleaving.history.length,
    oldServed,
    isOldLeft,
    isCachedAgain,
    history: interleaving.history,
  };
}

/** A missing row that lists ask for, too. */
export function neighbourOf(key: string): string {
  return `${key}:neighbour`;
}

interface Member {
  readonly process: ActorProcess;
  readonly cache: Subject;
  /** Under way. */
  writes: number;
}

/**
 * What a reader who asks now must be given at least: the row as it is, or one that is newer by the time it comes.
 *
 * Without Redis a process knows of its own writes only, and the others know nothing of what it writes; and a flush
 * takes the marks of those who write just then.
 */
function leastVersion({ trouble, actors }: Scenario, process: ActorProcess, row: Row): number {
  if (trouble === 'none' || trouble === 'kill') return row.promised;
  const isFirst = process.name === 'process 0';
  if (trouble !== 'flush' && isFirst) return row.promisedBy.get(process) ?? 0;
  const mayWriteUnseen = actors.some(
    (actor) => !actor.does.startsWith('read') && (trouble === 'flush' || actor.process === 0),
  );
  return mayWriteUnseen ? 0 : row.promised;
}

/** As if time had passed: what has been written down until then is over. */
const PASS = `
-- KEYS[1] and [2] the key and its neighbour   KEYS[3] the tag's record
-- ARGV[1] 'leases', 'freshness' or 'all': leases and marks
local what = ARGV[1]
local function pass(key)
  if redis.call('TYPE', key).ok ~= 'hash' then return end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local value = redis.call('HGET', key, field)
    if field == 'v' and what == 'freshness' then
      redis.call('HSET', key, field, (string.gsub(value, '^(2%l) %d+', '%1 1')))
    elseif string.sub(field, 1, 6) == 'lease:' and what ~= 'freshness' then
      redis.call('HSET', key, field, (string.gsub(value, ' %d+$', ' 1')))
    elseif field == 'mark' and what == 'all' then
      -- A marked key holds nothing else, and ends with its mark.
      return redis.call('UNLINK', key)
    end
  end
end
pass(KEYS[1])
pass(KEYS[2])
local record = redis.call('GET', KEYS[3])
if record and what == 'all' then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000000 + time[2])
  redis.call('SET', KEYS[3], (string.gsub(record, '(%S+):%d+', '%1:' .. now)), 'KEEPTTL')
end`;

function unlessRejected(error: unknown): void {
  if (!(error instanceof Rejected)) throw error;
}
