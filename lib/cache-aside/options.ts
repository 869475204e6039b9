/** The options of a cache, judged when it is made. */
import type { RedisClient } from '../core/client.js';
import { invalidOption, requireKnown } from '../core/errors.js';
import { namespacePrefix } from '../core/keys.js';
import { type CacheSerializer, type EntryFormat, entryFormat } from './entry.js';
import { type LoadOptions, type ResolvedEntry, resolveEntry } from './entry-options.js';
import { atLeast, within } from './numbers.js';

export interface CacheOptions extends Omit<LoadOptions, 'tags'> {
  /** The Redis that all processes share. Without one, values are cached in this process only. */
  readonly client?: RedisClient;
  /** What comes before every key, so that no other cache's key is ever touched. Default `cache`. */
  readonly namespace?: string;
  /** How long a value may be served, in milliseconds. Default 60,000. */
  readonly ttlMs?: number;
  /** How long a missing row may be taken as missing, in milliseconds; 0: not at all. Default 5,000, at most `ttlMs`. */
  readonly missTtlMs?: number;
  /** How long after its `ttlMs` a value may stand in while its successor is loaded, in milliseconds. Default 0. */
  readonly staleMs?: number;
  /** How long who could be served a stale value waits for a load instead, in milliseconds. Default `waitMs`. */
  readonly softTimeoutMs?: number;
  /** How early values are loaded anew before their end, see XFetch; 0: never. Default 1. */
  readonly beta?: number;
  /** By which part of it, at most, chance shortens each life, so that what was filled together does not end together. 0 to 1, default 0.1. */
  readonly jitter?: number;
  /** How values become bytes. Default JSON: what comes back is what JSON keeps of a value, on a miss as on a hit. */
  readonly serializer?: CacheSerializer;
  /** How long others wait for a process that died while it loaded, in milliseconds. Loads may take longer. Default 3,000. */
  readonly leaseMs?: number;
  /** How long to wait for somebody else's load before loading alone, in milliseconds. Default 10,000. */
  readonly waitMs?: number;
  /** How long nothing is cached under a key whose writer died, in milliseconds. Writes may take longer. Default 30,000. */
  readonly markMs?: number;
  /** How long one call to Redis may take, in milliseconds, before the cache does without. Default 100. */
  readonly deadlineMs?: number;
  /** Bytes to hold where there is no `client`. Default 64 MB. */
  readonly maxBytes?: number;
  /**
   * Copies of up to so many bytes of keys and values in this process, in front of Redis: hits without a command. Each
   * change anywhere drops them through Redis pub/sub, so this process may serve the old value for the time that a message
   * takes, under a millisecond on most networks, and for at most 2 s when its connection goes without a word. While the
   * link is down Redis is asked as ever. One connection more and two commands a second. Default: none.
   */
  readonly memory?: { readonly maxBytes: number };
}

export interface ResolvedOptions {
  readonly client: RedisClient | undefined;
  readonly keyPrefix: string;
  readonly namespace: string;
  readonly entry: ResolvedEntry;
  readonly jitter: number;
  readonly format: EntryFormat;
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly markMs: number;
  readonly deadlineMs: number;
  readonly maxBytes: number;
  readonly memory: { readonly maxBytes: number } | undefined;
}

const NAMES = `client namespace ttlMs missTtlMs staleMs softTimeoutMs beta jitter serializer leaseMs waitMs markMs
  deadlineMs maxBytes memory`;
const A_DAY_MS = 24 * 60 * 60_000;
const DEFAULT_MISS_TTL_MS = 5_000;
const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** What other features' keys begin with: a cache of that name would heal their keys away. */
const OTHERS_PREFIXES = ['rl:', 'sess:', 'sess-user:', 'page:'];

/** @throws SuiteError ERS_INVALID_OPTION */
export function resolveOptions(options: CacheOptions): ResolvedOptions {
  requireKnown(options, NAMES);
  const { namespace = 'cache', client, maxBytes, memory, serializer, jitter = 0.1 } = options;
  const waitMs = within(0, A_DAY_MS, 'waitMs', options.waitMs ?? 10_000);

  const keyPrefix = namespacePrefix(namespace);
  if (keyPrefix === '' || OTHERS_PREFIXES.includes(keyPrefix))
    throw invalidOption('namespace', namespace, 'Use a name that no other feature uses, such as cache.');
  if (!(typeof jitter === 'number' && jitter >= 0 && jitter < 1))
    throw invalidOption('jitter', jitter, 'Use a number from 0 to less than 1.');
  if (client !== undefined && maxBytes !== undefined)
    throw invalidOption(
      'maxBytes',
      maxBytes,
      'Leave it out: it is for a cache without client, and Redis has maxmemory.',
    );
  if (client === undefined && memory !== undefined)
    throw invalidOption(
      'memory',
      memory,
      'Use maxBytes: memory stands in front of Redis, and there is no client.',
    );
  if (serializer !== undefined && !isSerializer(serializer))
    throw invalidOption('serializer', serializer, 'Give an object with the functions encode and decode.');

  return {
    client,
    keyPrefix,
    namespace,
    entry: resolveEntry(options, {
      ttlMs: 60_000,
      missTtlMs: DEFAULT_MISS_TTL_MS,
      staleMs: 0,
      softTimeoutMs: waitMs,
      beta: 1,
      tags: [],
    }),
    jitter,
    format: entryFormat(serializer),
    leaseMs: within(100, A_DAY_MS, 'leaseMs', options.leaseMs ?? 3_000),
    waitMs,
    markMs: within(100, A_DAY_MS, 'markMs', options.markMs ?? 30_000),
    deadlineMs: within(1, A_DAY_MS, 'deadlineMs', options.deadlineMs ?? 100),
    maxBytes: wholeBytes('maxBytes', maxBytes ?? DEFAULT_MAX_BYTES),
    memory:
      memory === undefined ? undefined : { maxBytes: wholeBytes('memory.maxBytes', Object(memory).maxBytes) },
  };
}

/** lru-cache wants whole numbers. */
function wholeBytes(option: string, given: number): number {
  return Math.floor(atLeast(1, option, given));
}

function isSerializer(given: unknown): given is CacheSerializer {
  const { encode, decode } = Object(given) as Partial<CacheSerializer>;
  return typeof encode === 'function' && typeof decode === 'function';
}
