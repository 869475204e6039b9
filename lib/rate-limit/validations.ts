/** Checks that protect users from common mistakes. They log, under express-rate-limit's codes, and never throw. */
import type { Request } from 'express';
import {
  CHECKS,
  type Check,
  type EnabledValidations,
  FINDINGS,
  type Finding,
  findAddressProblem,
  findUnknownCheck,
  findUnknownOption,
} from './findings.js';
import { isDraft } from './headers.js';
import type { Logger, RateLimitOptions, Store } from './options.js';

/** What a check found. `code` is stable and the one that express-rate-limit's documentation explains. */
class ValidationError extends Error {
  readonly code: string;
  readonly help: string;

  constructor(code: string, message: string) {
    const help = `https://express-rate-limit.github.io/${code}/`;
    super(`${message} See ${help}`);
    this.name = 'ValidationError';
    this.code = code;
    this.help = help;
  }
}

/** A busy server should not go on paying for it. */
const COUNTS_TO_LOOK_AT = 1_000;

/** The checks of one limiter. Each runs once, so that a busy server does not fill its log. */
export class Validations {
  readonly enabled: EnabledValidations;
  readonly #logger: Logger;
  #hasSeenAddress = false;
  #countsLookedAt = 0;

  constructor(validate: boolean | EnabledValidations, logger: Logger) {
    this.enabled = typeof validate === 'boolean' ? { default: validate } : { default: true, ...validate };
    this.#logger = logger;
  }

  /** Everything that can be known when a limiter is made. */
  checkOptions(passed: RateLimitOptions, known: ReadonlySet<string>): void {
    const retired = passed as { draft_polli_ratelimit_headers?: unknown; onLimitReached?: unknown };
    this.#once('validationsConfig', () => findUnknownCheck(this.enabled, [...CHECKS, 'default']));
    this.#once('knownOptions', () => findUnknownOption(passed, known));
    this.#once('draftPolliHeaders', () => retired.draft_polli_ratelimit_headers && FINDINGS.draftPolli);
    this.#once('onLimitReached', () => retired.onLimitReached && FINDINGS.onLimitReached);
    this.#once('windowMs', () => isOddWindow(passed.windowMs) && FINDINGS.windowMs);
    this.#once('keyGeneratorIpFallback', () => usesBareIp(passed.keyGenerator) && FINDINGS.bareIp);
    const { ipv6Subnet } = passed;
    if (ipv6Subnet === undefined) return;
    if (typeof ipv6Subnet !== 'function') this.checkSubnet(ipv6Subnet);
    this.#once('ipv6SubnetOrKeyGenerator', () => passed.keyGenerator && FINDINGS.ignoredSubnet);
  }

  checkCreation(): void {
    this.#once('creationStack', () => {
      const stack = new Error('where').stack ?? '';
      // The first is Express 4, the second 5.
      const isInHandler = /Layer\.handle \[as handle_request\]|Layer\.handleRequest/.test(stack);
      return isInHandler && FINDINGS.createdInHandler;
    });
  }

  checkStore(store: Store): void {
    this.#once('unsharedStore', () => isUsedAgain(store) && FINDINGS.storeReuse);
  }

  /** @param scope what limiters of one name share */
  checkName(scope: object): void {
    this.#once('unsharedStore', () => isUsedAgain(scope) && FINDINGS.nameReuse);
  }

  checkAddress(req: Request, address: string | undefined): void {
    if (this.#hasSeenAddress) return;
    this.#hasSeenAddress = true;
    this.#once('ip', () => findAddressProblem(address));
    const trustProxy = req.app?.get('trust proxy') as unknown;
    this.#once('trustProxy', () => trustProxy === true && FINDINGS.permissiveTrustProxy);
    const isIgnored = req.headers?.['x-forwarded-for'] !== undefined && trustProxy === false;
    this.#once('xForwardedForHeader', () => isIgnored && FINDINGS.unexpectedForwardedFor);
    const isSocket = address === req.socket?.remoteAddress;
    this.#once('forwardedHeader', () => req.headers?.forwarded && isSocket && FINDINGS.ignoredForwarded);
  }

  checkSubnet(subnet: unknown): void {
    const isUsual = Number.isInteger(subnet) && (subnet as number) >= 32 && (subnet as number) <= 64;
    this.#once('ipv6Subnet', () => !isUsual && subnet !== false && FINDINGS.oddSubnet);
  }

  /** @param scope the place where `key` is counted: two limiters that share it count a request twice */
  checkSingleCount(req: object, scope: unknown, key: string): void {
    // Of a limiter that is mounted twice, the first count alone shows nothing.
    if (this.#countsLookedAt === COUNTS_TO_LOOK_AT || !this.#isEnabled('singleCount')) return;
    this.#countsLookedAt += 1;
    if (isCountedAgain(req, scope, key)) this.#once('singleCount', () => FINDINGS.doubleCount);
  }

  checkLimit(limit: unknown): void {
    if (limit === 0) this.#once('limit', () => FINDINGS.zeroLimit);
  }

  checkHits(hits: unknown): void {
    const isCount = Number.isInteger(hits) && (hits as number) >= 1;
    this.#once('positiveHits', () => !isCount && FINDINGS.invalidHits);
  }

  checkDraft(version: unknown): void {
    this.#once('headersDraftVersion', () => !isDraft(version) && FINDINGS.unknownDraft);
  }

  checkResetTime(resetTime: Date | undefined): void {
    this.#once('headersResetTime', () => resetTime === undefined && FINDINGS.noResetTime);
  }

  #isEnabled(check: Check): boolean {
    return this.enabled[check] ?? this.enabled.default ?? false;
  }

  #once(check: Check, find: () => unknown): void {
    if (!this.#isEnabled(check)) return;
    this.enabled[check] = false;
    const finding = find();
    if (!Array.isArray(finding)) return;
    const [code, message] = finding as unknown as Finding;
    const isWarning = code.startsWith('WRN_');
    this.#logger[isWarning ? 'warn' : 'error'](new ValidationError(code, message));
  }
}

const used = new WeakSet<object>();
const countedFor = new WeakMap<object, Map<unknown, Set<string>>>();

function isUsedAgain(storeOrScope: object): boolean {
  const isUsed = used.has(storeOrScope);
  used.add(storeOrScope);
  return isUsed;
}

function isCountedAgain(req: object, scope: unknown, key: string): boolean {
  const counted = countedFor.get(req) ?? new Map<unknown, Set<string>>();
  countedFor.set(req, counted);
  const keys = counted.get(scope) ?? new Set<string>();
  counted.set(scope, keys);
  const isCounted = keys.has(key);
  keys.add(key);
  return isCounted;
}

function isOddWindow(windowMs: unknown): boolean {
  return windowMs !== undefined && typeof windowMs !== 'number';
}

function usesBareIp(keyGenerator: unknown): boolean {
  const source = typeof keyGenerator === 'function' ? String(keyGenerator) : '';
  return /\breq(uest)?\.ip\b/.test(source) && !source.includes('ipKeyGenerator');
}
