/** The options `vary` and `queryParams`: what tells pages and their variants apart, judged. */
import type { IncomingMessage } from 'node:http';
import { invalidOption } from '../core/errors.js';
import { TOKEN } from './fields.js';
import type { Profile } from './policy.js';
import type { QueryRules } from './query.js';
import type { Selection } from './selection.js';
import { watchUnnamed } from './unnamed.js';
import { MAX_VARY_NAMES, unionOf } from './vary.js';

export interface VaryOptions {
  /** Request headers, besides those in the response's Vary, which they are added to. Default: none. */
  readonly headers?: readonly string[];
  /** Of the query only these parameters tell pages apart; the handler must not look at others. Default: all do. */
  readonly query?: readonly string[];
  /** Cookies by name. A page is still only shared with requests that carry cookies when it is public. Default: none. */
  readonly cookies?: readonly string[];
  /**
   * Who asks. Each user has pages of their own, which are stored though the request carries credentials, and go out as
   * `private`; nobody (undefined, or '') shares with everybody as without this option. Called once for each request, after what
   * logs in. What a handler declares `private` or `no-store` is not stored even so.
   */
  user?(req: IncomingMessage): string | undefined;
}

export interface QueryParamsOptions {
  /** Parameters that do not tell pages apart, `utm_*` for all that begin so; the handler must not look at them. */
  readonly ignore?: readonly string[];
  /** `?a=1&b=2` and `?b=2&a=1` are one page. Default false. */
  readonly sort?: boolean;
}

const EXAMPLE =
  "{ headers: ['Accept-Language'], query: ['page'], cookies: ['theme'], user: (req) => req.user?.id }";

/** @throws SuiteError ERS_INVALID_OPTION */
export function resolveSelection(vary: VaryOptions = {}, profile: Profile = 'safe'): Selection {
  checkKeys('vary', vary, ['headers', 'query', 'cookies', 'user'], EXAMPLE);
  const { headers = [], cookies = [], user } = vary;
  const isName = (name: string) => TOKEN.test(name) && name !== '*';
  if (!isListOf(headers, isName)) throw invalidOption('vary.headers', headers, 'Use names of headers.');
  if (!isListOf(cookies, isName)) throw invalidOption('vary.cookies', cookies, 'Use names of cookies.');
  if (headers.length + cookies.length >= MAX_VARY_NAMES)
    throw invalidOption('vary', vary, `Use fewer than ${MAX_VARY_NAMES} headers and cookies.`);
  if (user !== undefined && typeof user !== 'function')
    throw invalidOption('vary.user', user, 'Use a function of the request.');
  const names = unionOf(headers.map((name) => name.toLowerCase()));
  const unnamedIn = profile === 'safe' ? watchUnnamed(names) : undefined;
  return { headers: names, cookies: [...new Set(cookies)], user: user?.bind(vary), unnamedIn };
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function resolveQuery(vary: VaryOptions = {}, queryParams: QueryParamsOptions = {}): QueryRules {
  checkKeys('queryParams', queryParams, ['ignore', 'sort'], "{ ignore: ['utm_*'], sort: true }");
  const { query } = vary;
  const { ignore = [], sort = false } = queryParams;
  const isParameter = (name: string) => /^[^[\].]+$/.test(name);
  if (query !== undefined && !isListOf(query, isParameter))
    throw invalidOption(
      'vary.query',
      query,
      "Use names of parameters: 'page' covers page[] and page[x], too.",
    );
  if (!isListOf(ignore, (name) => name !== '' && name !== '*'))
    throw invalidOption(
      'queryParams.ignore',
      ignore,
      "Use names of parameters, such as 'gclid' and 'utm_*'.",
    );
  if (query !== undefined && ignore.length > 0)
    throw invalidOption('queryParams.ignore', ignore, 'vary.query names all that count already.');
  if (typeof sort !== 'boolean') throw invalidOption('queryParams.sort', sort, 'Use true or false.');
  return { only: query && new Set(query), ignore: [...ignore], ignoresOrder: sort };
}

function checkKeys(option: string, given: unknown, known: readonly string[], example: string): void {
  const isRecord = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (!isRecord || Object.keys(given).some((key) => !known.includes(key)))
    throw invalidOption(option, given, `Use ${example} or a part of it.`);
}

function isListOf(given: unknown, isOne: (item: string) => boolean): boolean {
  return Array.isArray(given) && given.every((item) => typeof item === 'string' && isOne(item));
}
