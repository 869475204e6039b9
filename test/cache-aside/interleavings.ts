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
 * What befalls the first process: nothing; it is killed; Redis refuses its commands or loses its connection; its timers
 * go off early, so that it gives up calls which are carried out later. Or Redis is flushed.
 */
export const troubles = ['none', 'kill', 'refusals', 'delays', 'flush'] as const;
export type Trouble = (typeof troubles)[number];

type Deed = 'read' | 'write' | 'write through' | 'write and fail' | 'delete';

export interface Scenario {
  readonly trouble: Trouble;
  /** Whether the row is cached when it begins. */
  readonly isWarm: boolean;
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

export type OpenSubject = (client: TestClient, namespace: string) => Subject;

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
  { weight: 5, arbitrary: fc.constant<Deed>('read') },
  { weight: 3, arbitrary: fc.constantFrom<Deed>('write', 'write through') },
  { weight: 1, arbitrary: fc.constantFrom<Deed>('write and fail', 'delete') },
);

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  trouble: fc.constantFrom(...troubles),
  isWarm: fc.boolean(),
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
  const redisKey = `${lane.namespace}:${key}`;
  const onlooker = lane.clients[PROCESSES] as TestClient;
  const expire = (what: 'leases' | 'all') =>
    onlooker.eval(EXPIRE, { keys: [redisKey], arguments: [what] }) as Promise<unknown>;
  const expireLeases = () => expire('leases');

  await onlooker.unlink(redisKey);
  const outside = open(onlooker, lane.namespace);
  if (isWarm) await outside.getOrLoad(key, () => readVersion(lane));

  const interleaving = new Interleaving();
  const row = new Row(lane, interleaving, await readVersion(lane));
  const fates = trouble === 'refusals' ? [...scenario.fates] : [];
  const members = Array.from({ length: PROCESSES }, (_, index): Member => {
    const isFirst = index === 0;
    const longestTimerMs = isFirst && trouble === 'delays' ? Number.POSITIVE_INFINITY : PROMPT_MS;
    const process: ActorProcess = { name: `process ${index}`, longestTimerMs, isAlive: true };
    const fateOf = (command: string) =>
      (isFirst && !READS.has(command) ? fates.shift() : undefined) ?? 'done';
    const client = gatedClient(lane.clients[index] as TestClient, { interleaving, process, fateOf });
    return { process, cache: open(client, lane.namespace), writes: 0 };
  });
  const [first] = members as [Member];

  let oldServed = 0;
  async function read({ process, cache }: Member): Promise<void> {
    const least = leastVersion(scenario, process, row);
    const { version } = await cache.getOrLoad(key, () => row.read(process));
    interleaving.history.push(`${process.name}: is given ${version} of ${row.version}, may be ${least}`);
    if (version < least) oldServed += 1;
  }

  const does: Record<Deed, (member: Member) => Promise<unknown>> = {
    read,
    write: ({ process, cache }) => cache.write(key, () => row.change(process)),
    'write through': ({ process, cache }) => cache.writeThrough(key, () => row.change(process)),
    'write and fail': ({ process, cache }) =>
      cache.write(key, () => row.changeAndFail(process)).catch(unlessRejected),
    delete: ({ cache }) => cache.delete(key),
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

  for (let times = 0; times < 2; times += 1) interleaving.mayHappen('leases expire', expireLeases);
  if (trouble === 'flush') interleaving.mayHappen('FLUSHALL', () => onlooker.unlink(redisKey));
  if (trouble === 'kill') {
    interleaving.mayHappen(`${first.process.name} is killed`, async () => {
      interleaving.kill(first.process);
      await row.breakOff(first.process);
    });
    // The living keep theirs up.
    const isLeftAlone = () => members.every(({ process, writes }) => !process.isAlive || writes === 0);
    interleaving.mayHappen(
      'marks expire',
      () => expire('all'),
      () => !first.process.isAlive && isLeftAlone(),
    );
  }
  await interleaving.run(choices, expireLeases);

  // All is quiet: what the dead have left expires, and everybody else looks.
  fates.length = 0;
  await expire('all');
  const left = await outside.get<Version>(key);
  let isOldLeft = left !== undefined && left.version !== row.version;
  for (const { process, cache } of members.filter(({ process }) => process.isAlive)) {
    interleaving.spawn(process, 'look', async () => {
      const seen = await cache.getOrLoad(key, () => row.read(process));
      if (seen.version !== row.version) isOldLeft = true;
    });
  }
  await interleaving.run([], expireLeases);
  const isCachedAgain = (await outside.get<Version>(key))?.version === row.version;
  return {
    steps: interleaving.history.length,
    oldServed,
    isOldLeft,
    isCachedAgain,
    history: interleaving.history,
  };
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
  if (trouble === 'none' || trouble === 'kill') return row.version;
  const isFirst = process.name === 'process 0';
  if (trouble !== 'flush' && isFirst) return row.versionBy.get(process) ?? 0;
  const mayWriteUnseen = actors.some(
    (actor) => actor.does.startsWith('write') && (trouble === 'flush' || actor.process === 0),
  );
  return mayWriteUnseen ? 0 : row.version;
}

/** The time that is written in leases, and in marks, is over. */
const EXPIRE = `
-- KEYS[1] the key   ARGV[1] 'leases' or 'all'
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 6) == 'lease:' then
    local lease = redis.call('HGET', KEYS[1], field)
    redis.call('HSET', KEYS[1], field, (string.gsub(lease, ' %d+$', ' 1')))
  -- A marked key holds nothing else, and ends with its mark.
  elseif field == 'mark' and ARGV[1] == 'all' then
    return redis.call('UNLINK', KEYS[1])
  end
end`;

function unlessRejected(error: unknown): void {
  if (!(error instanceof Rejected)) throw error;
}
