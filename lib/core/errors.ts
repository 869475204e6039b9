/** Every error that this package makes on purpose: a stable code, a remedy in the message, a place to read on. */

export type SuiteErrorCode =
  | 'ERS_INVALID_OPTION'
  | 'ERS_INVALID_CLIENT'
  | 'ERS_NAME_IN_USE'
  | 'ERS_REDIS_UNAVAILABLE'
  | 'ERS_REDIS_REFUSED'
  | 'ERS_SESSION_CONFLICT'
  | 'ERS_SESSION_TOO_LARGE'
  | 'ERS_OLD_STORE_FAILED'
  | 'ERS_SESSION_REVOKED'
  | 'ERS_INSECURE_COOKIE'
  | 'ERS_UNCACHEABLE_VALUE';

/**
 * An error with a stable `code`.
 *
 * Compare codes, never `instanceof`: an app that loads both the ESM and the CommonJS build has two of these classes.
 */
export class SuiteError extends Error {
  /** Stable, upper case, `ERS_...`. */
  readonly code: SuiteErrorCode;
  /** Where the docs explain this code. */
  readonly help: string;
  /** What Express' error handler, and those of most apps, answer a request that fails with it: 503 when it may pass. */
  readonly status: 500 | 503;
  /** What Express' error handler sends along. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: SuiteErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SuiteError';
    this.code = code;
    this.help = `docs/errors.md#${code.toLowerCase()}`;
    this.status = TEMPORARY.includes(code) ? 503 : 500;
    this.headers = this.status === 503 ? { 'Retry-After': RETRY_AFTER_S } : {};
  }
}

const TEMPORARY: readonly unknown[] = [
  'ERS_REDIS_UNAVAILABLE',
  'ERS_REDIS_REFUSED',
  'ERS_SESSION_CONFLICT',
  'ERS_OLD_STORE_FAILED',
] satisfies SuiteErrorCode[];

/** Redis is asked ten times a second whether it is back. */
export const RETRY_AFTER_S = '1';

/** Whether what failed with it may well succeed a moment later. */
export function isTemporary(error: unknown): boolean {
  return error instanceof Error && TEMPORARY.includes((error as { code?: unknown }).code);
}

/** Whether `error` is one of ours with that code, from whichever build. */
export function hasCode(error: unknown, code: SuiteErrorCode): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code;
}

/** Whether Redis could not be used for this call, because it is away or because it refused the command. */
export function isRedisTrouble(error: unknown): boolean {
  return hasCode(error, 'ERS_REDIS_UNAVAILABLE') || hasCode(error, 'ERS_REDIS_REFUSED');
}

/** What was thrown, for `next` and for callbacks, which would take nothing for success. */
export function failureOf(thrown: unknown): unknown {
  return thrown || new Error(`failed with ${String(thrown)} instead of an error`);
}

/** A bad option: what was given, and what to write instead. */
export function invalidOption(option: string, given: unknown, remedy: string): SuiteError {
  // Nobody waits for it: were it to reject, that would end the process.
  if (given instanceof Promise) given.catch(() => {});
  return new SuiteError('ERS_INVALID_OPTION', `${option}: ${describe(given)} will not do. ${remedy}`);
}

/**
 * Without a word, an option that is misspelt would be none.
 *
 * @param names all that there are, with spaces between them
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function requireKnown(options: unknown, names: string): void {
  const known = names.split(/\s+/);
  const remedy = `There are: ${known.join(', ')}.`;
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', options, `Give an object. ${remedy}`);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    throw new SuiteError('ERS_INVALID_OPTION', `${name}: there is no such option. ${remedy}`);
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'function') return 'a function';
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
