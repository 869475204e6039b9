/** The options of a rate limiter: express-rate-limit 8's, with the same meaning and default, and those of ours. */
import type { NextFunction, Request, Response } from 'express';
import type { RedisClient } from '../core/client.js';
import type { EnabledValidations } from './findings.js';

/** A value that depends on the request. */
export type ValueDeterminingMiddleware<T> = (request: Request, response: Response) => T | Promise<T>;

/** Answers a rejected request, or lets it pass by calling `next`. */
export type RateLimitExceededEventHandler = (
  request: Request,
  response: Response,
  next: NextFunction,
  optionsUsed: Options,
) => void;

/** Kept for those who import the type; express-rate-limit dropped the option. @deprecated Use `handler`. */
export type RateLimitReachedEventHandler = (
  request: Request,
  response: Response,
  optionsUsed: Options,
) => void;

export type LoggerFn = (error: unknown, message?: string) => void;

export type Logger = {
  error: LoggerFn;
  warn: LoggerFn;
};

/** What a request may cost, in units of the limit. */
export type Cost = number | ((request: Request, response: Response) => number | Promise<number>);

/** What happens to requests while Redis is away. */
export type OnRedisDown = 'local' | 'open' | 'closed';

/** The drafts of `RateLimit header fields for HTTP` (draft-ietf-httpapi-ratelimit-headers) that express-rate-limit spells. */
export type DraftHeadersVersion = 'draft-6' | 'draft-7' | 'draft-8';

/** All drafts that can be spelled here. */
export type DraftVersion = DraftHeadersVersion | 'draft-11';

export interface Options {
  /** Length of the window. Milliseconds, default 60000. */
  readonly windowMs: number;
  /** Units that one client may take in any window. Default 5. 0 rejects everything, Infinity nothing. */
  readonly limit: number | ValueDeterminingMiddleware<number>;
  /** Body for rejected requests: a string, bytes, anything else as JSON, or a function that returns one of these. */
  readonly message: unknown;
  /** Status of rejected requests. Default 429 (RFC 6585). */
  readonly statusCode: number;
  /** Send `X-RateLimit-*`. Default true. */
  readonly legacyHeaders: boolean;
  /** Send `RateLimit*` as an IETF draft spells them; true means draft 6. Default false. */
  readonly standardHeaders: boolean | DraftHeadersVersion;
  /** The policy's name in draft 8. Default such as `5-in-1min`. */
  readonly identifier: string | ValueDeterminingMiddleware<string>;
  /** What Retry-After says. Seconds; default the exact time until the request's cost fits, rounded up. */
  readonly retryAfter?: number | ValueDeterminingMiddleware<number>;
  /** Where on the request the outcome is left, as `RateLimitInfo`. Default `rateLimit`. */
  readonly requestPropertyName: string;
  /** Give requests back that fail: status 400 and up, a connection that breaks. Default false. */
  readonly skipFailedRequests: boolean;
  /** Give requests back that succeed: status below 400. Default false. */
  readonly skipSuccessfulRequests: boolean;
  /** Who is asking. Default the address, by `ipKeyGenerator`. */
  readonly keyGenerator: ValueDeterminingMiddleware<string>;
  /** Bits of an IPv6 address that make one client; false for all. Default 56. */
  readonly ipv6Subnet: 64 | 60 | 56 | 52 | 50 | 48 | 32 | number | ValueDeterminingMiddleware<number> | false;
  /** Answers rejected requests. Default: `statusCode` with `message`. */
  readonly handler: RateLimitExceededEventHandler;
  /** Requests that are not counted. Default none. */
  readonly skip: ValueDeterminingMiddleware<boolean>;
  /** What counts as success for the two `skip...Requests`. Default a status below 400. */
  readonly requestWasSuccessful: ValueDeterminingMiddleware<boolean>;
  /** A foreign hit counter instead of `client`. It decides how exact the limit is. */
  readonly store: Store | LegacyStore;
  /** Checks for common mistakes, which log: all, none, or by name. Default true. */
  readonly validate: boolean | EnabledValidations;
  /** @deprecated Use `legacyHeaders`. */
  readonly headers?: boolean;
  /** @deprecated Use `limit`. */
  readonly max?: number | ValueDeterminingMiddleware<number>;
  /** Let requests pass when `store` fails. Default false. With `client`, `onRedisDown` decides. */
  readonly passOnStoreError: boolean;
  /** Default the console. */
  readonly logger: Logger;

  /** The Redis that shares the window between processes. Without it, each process has its own. */
  readonly client?: RedisClient;
  /** Stands before every key, for databases that several apps share. Default none. */
  readonly namespace?: string;
  /**
   * Names the window in Redis; limiters of one name share their hits. 1 to 32 characters of `A-Z a-z 0-9 . _ ~ @ / + = -`.
   * Default the policy, such as `5-in-1min`.
   */
  readonly name?: string;
  /** Units a request takes, all or none; a whole number. Default 1. */
  readonly cost?: Cost;
  /**
   * While Redis is away: `local` limits in this process, `open` lets pass, `closed` answers 503 with Retry-After: 1.
   * Default `local`.
   */
  readonly onRedisDown?: OnRedisDown;
  /** Processes that share the limit while each is on its own under `local`. Default 1. */
  readonly expectedProcesses?: number;
  /** How long a request waits for Redis. Milliseconds, default 100. */
  readonly deadlineMs?: number;
  /** Rejected requests fill the window too, and stay there: who keeps trying is kept out. Default false. */
  readonly countRejected?: boolean;
  /**
   * Several windows instead of `windowMs` and `limit`: a request has to fit into all and is taken in all or none, in one
   * command. What clients and handlers are told describes the tightest: the one that rejected, or has fewest units left.
   */
  readonly limits?: readonly RateLimitPolicy[];
  /**
   * For huge limits: the entries that one window is divided into, at least 1. Memory is bounded by it, not by the limit;
   * in return a unit may count up to `windowMs / resolution` longer than the window, and never shorter. 100 is an error of
   * 1 % and 2 KB per client. Of several windows the shortest is meant. Default: every request has its own entry, exactly.
   */
  readonly resolution?: number;
  /** After a rejection the client is rejected for this long, whatever the window says. Milliseconds, default 0. */
  readonly blockMs?: number;
  /**
   * Counts, tells `request.rateLimit` and publishes as always, but rejects nobody and sends no header: to try a limit on
   * real traffic. Default false.
   */
  readonly dryRun?: boolean;
}

/** One of several windows. */
export interface RateLimitPolicy {
  /** Length of the window. Milliseconds. */
  readonly windowMs: number;
  /** Units that one client may take in any such window. */
  readonly limit: number;
  /** How clients are told of it, instead of `identifier`. Printable ASCII without quotes. Default such as `5-in-1min`. */
  readonly name?: string;
}

/** What `rateLimit` takes: all of `Options`, none of it required, and the header drafts that express-rate-limit lacks. */
export type RateLimitOptions = Partial<Omit<Options, 'standardHeaders'>> & {
  readonly standardHeaders?: boolean | DraftVersion;
};

/** What a request is told on `request.rateLimit`. */
export type RateLimitInfo = {
  limit: number;
  /** Units taken within the window, by this request too. More than `limit` means rejected. */
  used: number;
  remaining: number;
  /** When the oldest hit leaves the window. */
  resetTime: Date | undefined;
  key: string;
  /** Of several windows, the name of the one that the numbers are about. */
  policy?: string;
};

/** A request that has passed a limiter. */
export type AugmentedRequest = Request & {
  [key: string]: RateLimitInfo;
};

/** What a store knows of one client. */
export type ClientRateLimitInfo = {
  totalHits: number;
  /** When the count starts again; undefined when the store cannot tell. */
  resetTime: Date | undefined;
};

export type IncrementResponse = ClientRateLimitInfo;

export type IncrementCallback = (
  error: Error | undefined,
  totalHits: number,
  resetTime: Date | undefined,
) => void;

/** A hit counter, as express-rate-limit 6 and later define it. */
export type Store = {
  /** Called once, when the limiter is made; it is not waited for. */
  init?: (options: Options) => void | Promise<void>;
  get?: (key: string) => Promise<ClientRateLimitInfo | undefined> | ClientRateLimitInfo | undefined;
  increment: (key: string) => Promise<IncrementResponse> | IncrementResponse;
  decrement: (key: string) => Promise<void> | void;
  resetKey: (key: string) => Promise<void> | void;
  resetAll?: () => Promise<void> | void;
  shutdown?: () => Promise<void> | void;
  /** Whether this store's keys are no other instance's keys. */
  localKeys?: boolean;
  /** What the store puts before its keys. */
  prefix?: string;
};

/** A hit counter with callbacks. @deprecated Implement `Store`. */
export type LegacyStore = {
  incr: (key: string, callback: IncrementCallback) => void;
  decrement: (key: string) => void;
  resetKey: (key: string) => void;
  resetAll?: () => void;
};
