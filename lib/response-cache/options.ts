/** The options of `responseCache`, judged and resolved once. */
import type { IncomingMessage } from 'node:http';
import type { RedisClient } from '../core/client.js';
import { invalidOption, requireKnown } from '../core/errors.js';
import { namespacePrefix } from '../core/keys.js';
import type { Profile, Rules } from './policy.js';
import type { QueryRules } from './query.js';
import type { Selection } from './selection.js';
import { checkTags } from './tag-names.js';
import { type QueryParamsOptions, resolveQuery, resolveSelection, type VaryOptions } from './vary-options.js';

export interface ResponseCacheOptions {
  /**
   * A client of `redis` (5.12 or later: client, pool, sentinel, cluster) or of `ioredis` (5.3 or later). Without one,
   * pages are cached in this process only.
   */
  readonly client?: RedisClient;
  /** Goes before every key, as `namespace:`. Default: nothing. */
  readonly namespace?: string;
  /**
   * `safe` adds to RFC 9111 what an app needs: no Set-Cookie is stored, requests with a Cookie or Authorization share
   * only what is explicitly public, errors are stored by choice only, nothing is guessed fresh, no Cache-Control of a request
   * makes the handler run, and headers that are called like a credential, or stand for the host, scheme, path or method,
   * count though no Vary names them. `rfc9111` is the standard to the letter: a page is stored with the cookies of its handler. A
   * POST answered with its own page is stored for GETs, too, and costs two commands to find out.
   * In both, a page that is stored and leaves with a cookie which a middleware before this one set for one client, a session's
   * for example, says `Cache-Control: private` to that client, without `public`, s-maxage and CDN-Cache-Control; and no
   * event stream is stored. Default `safe`.
   */
  readonly profile?: Profile;
  /**
   * How long responses are fresh whose handlers declare nothing (no max-age, s-maxage or Expires), in milliseconds.
   * Default: not at all.
   */
  readonly ttl?: number;
  /** These pages are the same for everybody, logged in or not. What says `private` is still not stored. Default false. */
  readonly public?: boolean;
  /**
   * Statuses from 400 on that may be stored. `ttl` covers them too. Default: none in the safe profile, all that declare
   * a lifetime in `rfc9111`.
   */
  readonly statuses?: readonly number[];
  /** The page's identity, instead of scheme, host and URL. It must tell apart whatever the handler tells apart. */
  key?(req: IncomingMessage): string;
  /** What tells pages and their variants apart, besides the URL and the response's Vary. Default: nothing. */
  readonly vary?: VaryOptions;
  /** What of the query does not tell pages apart. Not with `key`. Default: every byte of it does. */
  readonly queryParams?: QueryParamsOptions;
  /** Bodies over this many bytes go by without being stored. Default 1 MB (1,048,576). */
  readonly maxBodyBytes?: number;
  /** Variants of one page to keep. Default 64. */
  readonly maxVariants?: number;
  /**
   * How long a page may be served after its freshness lifetime while it is asked for again, in milliseconds, unless it
   * says stale-while-revalidate itself. Who asks is answered at once; the page is renewed by a request that the cache
   * sends through the app, once per page over all processes, with the headers that choose between its variants and no
   * others. Where the app is not Express, or answers that request before the cache sees it, the page is validated
   * first instead. Not under no-cache, must-revalidate, proxy-revalidate and s-maxage. RFC 5861, 3. Default: not at all.
   */
  readonly swrMs?: number;
  /**
   * How much earlier than its end a page that is asked for is renewed in the same way: over 1 earlier, 0 never. Each
   * request draws for itself, and the slower the handler and the nearer the end, the likelier (XFetch: Vattani et al.,
   * 2015). Default 1.
   */
  readonly beta?: number;
  /**
   * How long a page may be served after its freshness lifetime when its handler fails (500, 502, 503, 504, or it closes
   * the connection with nothing sent), in milliseconds, unless it says stale-if-error itself. Not under no-cache,
   * must-revalidate, proxy-revalidate and s-maxage. RFC 5861, 4. Default: not at all; under `rfc9111` an hour when the
   * connection was closed.
   */
  readonly staleIfErrorMs?: number;
  /** Tags of all pages, for `purgeTags`, besides what handlers say with `res.cacheTags` and `Cache-Tag`. Default: none. */
  readonly tags?: readonly string[] | ((req: IncomingMessage) => readonly string[]);
  /**
   * Each page carries a tag per folder of its path, so that `purgeBelow` works, eight folders deep. As with other tags,
   * each hit then costs Redis a small script, and on a cluster one more look-up at the same time. Default false.
   */
  readonly folderTags?: boolean;
  /**
   * Copies of up to so many bytes of pages in this process, in front of Redis: hits without a command. Each change
   * anywhere drops them through Redis pub/sub, so a page that was purged elsewhere may be served here for the time that
   * a message takes, under a millisecond on most networks, and for at most 2 s when the connection goes without a word.
   * While it is down Redis is asked as ever. It takes one connection more and two commands a second. Default: none; a cache
   * without `client` holds 64 MB.
   */
  readonly memory?: { readonly maxBytes: number };
  /** Requests that the cache leaves alone. Default: none. */
  skip?(req: IncomingMessage): boolean;
  /** Host names, with their port where it is not the scheme's own, that are cached; others pass. Default: any. */
  readonly hosts?: readonly string[];
  /** How long Redis may take to answer before the handler is asked instead, in milliseconds. Default 100. */
  readonly deadlineMs?: number;
}

const NAMES = `client namespace profile ttl public statuses key vary queryParams maxBodyBytes maxVariants swrMs
  staleIfErrorMs beta tags folderTags memory skip hosts deadlineMs`;

export interface Settings {
  readonly client: RedisClient | undefined;
  readonly prefix: string;
  readonly rules: Rules;
  readonly key: ((req: IncomingMessage) => string) | undefined;
  readonly selection: Selection;
  readonly query: QueryRules;
  readonly memory: { readonly maxBytes: number } | undefined;
  readonly tags: (req: IncomingMessage) => unknown;
  readonly folderTags: boolean;
  readonly beta: number;
  readonly maxBodyBytes: number;
  readonly maxVariants: number;
  readonly skip: (req: IncomingMessage) => boolean;
  /** Empty: any. */
  readonly hosts: readonly string[];
  readonly deadlineMs: number;
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function resolveOptions(options: ResponseCacheOptions): Settings {
  requireKnown(options, NAMES);
  const { profile = 'safe', ttl, statuses, key, skip = () => false, hosts = [], vary, queryParams } = options;
  if (profile !== 'safe' && profile !== 'rfc9111')
    throw invalidOption('profile', profile, "Use 'safe' or 'rfc9111'.");
  if (typeof skip !== 'function') throw invalidOption('skip', skip, 'Use a function of the request.');
  if (key !== undefined && typeof key !== 'function')
    throw invalidOption('key', key, 'Use a function of the request.');

  if (key !== undefined && (vary?.query !== undefined || queryParams !== undefined))
    throw invalidOption(
      'key',
      key,
      'It says what counts of the query, so leave out vary.query and queryParams.',
    );

  return {
    client: options.client,
    prefix: namespacePrefix(options.namespace),
    rules: {
      profile,
      isPublic: flag('public', options.public),
      ttlMs: optional('ttl', ttl),
      statuses: statuses === undefined ? undefined : errorStatuses(statuses),
      allowsHeuristics: profile === 'rfc9111',
      doubtsAge: profile === 'rfc9111',
      swrMs: optional('swrMs', options.swrMs),
      staleIfErrorMs: optional('staleIfErrorMs', options.staleIfErrorMs),
      servesStaleWhenClosed: profile === 'rfc9111',
    },
    key: key?.bind(options),
    selection: resolveSelection(vary, profile),
    query: resolveQuery(vary, queryParams),
    memory: options.memory === undefined ? undefined : memoryOf(options.memory),
    tags: tagger(options),
    folderTags: flag('folderTags', options.folderTags),
    beta: notNegative('beta', options.beta ?? 1),
    maxBodyBytes: positive('maxBodyBytes', options.maxBodyBytes ?? 1_048_576, 'bytes'),
    maxVariants: positive('maxVariants', options.maxVariants ?? 64, 'variants'),
    skip: skip.bind(options),
    hosts: hostNames(hosts),
    deadlineMs: positive('deadlineMs', options.deadlineMs ?? 100, 'milliseconds'),
  };
}

function flag(name: string, given: unknown = false): boolean {
  if (typeof given !== 'boolean') throw invalidOption(name, given, 'Use true or false.');
  return given;
}

function optional(name: string, given: unknown): number | undefined {
  return given === undefined ? undefined : positive(name, given, 'milliseconds');
}

function positive(name: string, given: unknown, unit: string): number {
  if (Number.isSafeInteger(given) && Number(given) > 0) return Number(given);
  throw invalidOption(name, given, `Use a whole number of ${unit}, 1 or more.`);
}

function memoryOf(given: unknown): { readonly maxBytes: number } {
  return { maxBytes: positive('memory.maxBytes', Object(given).maxBytes, 'bytes') };
}

function tagger(options: ResponseCacheOptions): (req: IncomingMessage) => unknown {
  const { tags = [] } = options;
  if (typeof tags === 'function') return tags.bind(options);
  const fixed = checkTags('tags', tags);
  return () => fixed;
}

function notNegative(name: string, given: unknown): number {
  if (typeof given === 'number' && given >= 0 && Number.isFinite(given)) return given;
  throw invalidOption(name, given, 'Use a number, 0 or more.');
}

function errorStatuses(given: unknown): ReadonlySet<number> {
  const isStatus = (status: unknown) =>
    Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599;
  if (Array.isArray(given) && given.every(isStatus)) return new Set(given as number[]);
  throw invalidOption('statuses', given, 'Use a list of statuses from 400 to 599, such as [404, 410].');
}

function hostNames(given: unknown): readonly string[] {
  if (Array.isArray(given) && given.every((host) => typeof host === 'string' && /^[^\s/@]+$/.test(host)))
    return given.map((host: string) => host.toLowerCase());
  throw invalidOption(
    'hosts',
    given,
    "Use a list of host names, such as ['shop.example', 'localhost:3000'].",
  );
}
