/** Reads keys of the shared store: a plain HMGET where nothing is tagged, a script or a second look-up where tags are. */
import type { Guard } from '../core/guard.js';
import type { Redis } from '../core/redis.js';
import { runScript } from '../core/script.js';
import type { RedisClock } from './clock.js';
import { readScript } from './read.lua.js';
import type { Found, Reading } from './store.js';
import { judge, parseTagging, type Verdict, worstOf } from './tags.js';
import { Turnstile } from './turnstile.js';

/** What HMGET says of a key: values, leases, tags, expired, each for all fields, and the mark. */
type Reply = readonly (Buffer | null)[];

type Records = ReadonlyMap<string, string | null>;

const A_DAY_MS = 24 * 60 * 60_000;
/** What is read in one go, well within a deadline. */
const KEYS_AT_ONCE = 200;

export class RedisReader {
  readonly #guard: Guard;
  readonly #clock: RedisClock;
  readonly #tagPrefix: string;
  /** Of its own, so that hits need not wait for a list that is being loaded. */
  readonly #turnstile = new Turnstile();
  /** Values with tags have been seen: worth a script for every reading from now on. */
  #hasTags = false;

  constructor(guard: Guard, clock: RedisClock, tagPrefix: string) {
    this.#guard = guard;
    this.#clock = clock;
    this.#tagPrefix = tagPrefix;
  }

  /** One key, as every hit reads it, with as little around the command as can be. */
  async read(key: string, fields: readonly string[]): Promise<Reading> {
    if (this.#mustScript()) return (await this.#readByScript([key], fields))[0]!;
    const reply = await this.#run((redis) => readKey(redis, key, fields), key);
    const records = hasTags(reply, fields.length) ? await this.#recordsOf([reply], fields.length) : NONE;
    return readingOf(reply, fields.length, records);
  }

  /**
   * One round trip for 200 keys; on a cluster, and where tags are seen for the first time, one more for values with tags.
   */
  async readMany(keys: readonly string[], fields: readonly string[]): Promise<Reading[]> {
    if (keys.length <= KEYS_AT_ONCE) return this.#readSome(keys, fields);
    const readings: Reading[] = [];
    for (let start = 0; start < keys.length; start += KEYS_AT_ONCE)
      readings.push(...(await this.#readSome(keys.slice(start, start + KEYS_AT_ONCE), fields)));
    return readings;
  }

  async #readSome(keys: readonly string[], fields: readonly string[]): Promise<Reading[]> {
    if (keys.length === 0) return [];
    if (this.#mustScript()) return this.#readByScript(keys, fields);
    const replies = await this.#runEach(keys, (redis, key) => readKey(redis, key, fields));
    const records = await this.#recordsOf(replies, fields.length);
    return replies.map((reply) => readingOf(reply, fields.length, records));
  }

  /** Where there are tags, or the time is to be learnt, and one server can tell. */
  #mustScript(): boolean {
    const { mustLearn } = this.#clock;
    if (!this.#guard.redis.hasManyNodes) return this.#hasTags || mustLearn;
    if (mustLearn) void this.#clock.askIfUnknown();
    return false;
  }

  /** A value and what stands beside it, judged. */
  async judge(bytes: Buffer | null, tags: Buffer | null, expired: Buffer | null): Promise<Found | null> {
    const reply = [bytes, null, tags, expired];
    return foundIn(reply, 1, 0, await this.#recordsOf([reply], 1));
  }

  async #readByScript(keys: readonly string[], fields: readonly string[]): Promise<Reading[]> {
    const args = [keys[0] as string, this.#tagPrefix, ...fields];
    const reply = await this.#run((redis) => runScript(redis, readScript, keys, args, 'bytes'), keys[0]);
    const [time, ...replies] = reply as [Buffer, ...Reply[]];
    this.#clock.learn(Number(time));
    this.#hasTags ||= replies.some((each) => hasTags(each, fields.length));
    return replies.map((each) => readingOf(each, fields.length, undefined));
  }

  #run<Result>(call: (redis: Redis) => Promise<Result>, key?: string): Promise<Result> {
    return this.#turnstile.pass(() => this.#guard.run(call, key));
  }

  /** In one go; on a cluster each by itself, so that those of a node that is away fail at once. */
  #runEach<Result>(
    keys: readonly string[],
    call: (redis: Redis, key: string) => Promise<Result>,
  ): Promise<Result[]> {
    if (!this.#guard.redis.hasManyNodes)
      return this.#run((redis) => Promise.all(keys.map((key) => call(redis, key))));
    return this.#turnstile.pass(() =>
      Promise.all(keys.map((key) => this.#guard.run((redis) => call(redis, key), key))),
    );
  }

  async #recordsOf(replies: readonly Reply[], fields: number): Promise<Records> {
    const tagged = replies.filter((reply) => hasTags(reply, fields));
    if (tagged.length === 0) return NONE;
    this.#hasTags = true;
    const texts = tagged.flatMap((reply) => reply.slice(2 * fields, 3 * fields));
    const names = [...new Set(texts.flatMap((text) => (text ? parseTagging(text.toString()).names : [])))];
    const records = await this.#runEach(
      names.map((name) => this.#tagPrefix + name),
      (redis, key) => redis.get(key).catch(asNone),
    );
    return new Map(names.map((name, i) => [name, records[i] ?? null]));
  }
}

const NONE: Records = new Map();

const BESIDE = ['lease:', 'tags:', 'expired:'];

/** A plain HMGET and no script: hits are the common case. */
function readKey(redis: Redis, key: string, fields: readonly string[]): Promise<Reply> {
  const names = [...fields];
  for (const kind of BESIDE) for (const field of fields) names.push(kind + field);
  names.push('mark');
  return redis.hmGet(key, names).catch(asNothing);
}

function hasTags(reply: Reply, fields: number): boolean {
  for (let i = 2 * fields; i < 3 * fields; i += 1) if (reply[i]) return true;
  return false;
}

/** Without records, the tags have been judged. */
function readingOf(reply: Reply, fields: number, records: Records | undefined): Reading {
  const mark = reply[4 * fields] ?? null;
  const values: (Found | null)[] = [];
  const leases: (string | null)[] = [];
  for (let i = 0; i < fields; i += 1) {
    // A mark removes the values: one that is seen beside it was put there by somebody else.
    values.push(mark === null ? foundIn(reply, fields, i, records) : null);
    leases.push(tokenOf(reply[fields + i]));
  }
  return { values, leases, isMarked: mark !== null && mayStand(mark) };
}

function foundIn(reply: Reply, fields: number, i: number, records: Records | undefined): Found | null {
  const bytes = reply[i] ?? null;
  if (bytes === null) return null;
  const text = reply[2 * fields + i];
  if (!text) return { bytes, tags: NO_TAGS, isExpired: Boolean(reply[3 * fields + i]) };
  const { since, names } = parseTagging(text.toString());
  const verdict: Verdict =
    records === undefined ? 'valid' : worstOf(names.map((name) => judge(since, records.get(name) ?? null)));
  if (verdict === 'gone') return null;
  return { bytes, tags: names, isExpired: verdict === 'expired' || Boolean(reply[3 * fields + i]) };
}

const NO_TAGS: readonly string[] = [];

/**
 * Marks end with their key, so one that is seen stands, unless somebody tampered with it or with the key's TTL. That
 * is judged by this process' clock, which may be wrong by hours, and then put right by the next lease.
 */
function mayStand(mark: Buffer): boolean {
  const expiries = mark.toString('latin1').matchAll(/\S:(\d{1,15})(?= |$)/g);
  return [...expiries].some(([, expiry]) => Number(expiry) > Date.now() - A_DAY_MS);
}

/** Whatever else lies under the key is not ours: it holds nothing, and goes at the first write. */
function asNothing(error: unknown): Reply {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return [];
  throw error;
}

function asNone(error: unknown): null {
  asNothing(error);
  return null;
}

function tokenOf(lease: Buffer | null | undefined): string | null {
  return lease?.toString('latin1').split(' ', 1)[0] ?? null;
}
