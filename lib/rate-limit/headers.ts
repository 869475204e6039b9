/** What a limiter tells the client: express-rate-limit's header fields, byte for byte, and a later draft, as pure tables. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Response } from 'express';
import { type Item, serializeList } from 'structured-headers';
import type { DraftVersion } from './options.js';
import type { Policy } from './policies.js';

/** Of several windows, the numbers of the tightest. */
export interface Facts {
  readonly limit: number;
  readonly remaining: number;
  /** Undefined when a store cannot tell. */
  readonly resetTime: Date | undefined;
  readonly windowMs: number;
  /** All windows, where there are several. */
  readonly policies: readonly Policy[];
  /** The client's key; drafts 8 and 11 show a hash of it. */
  readonly key: string;
}

export interface Field {
  readonly name: string;
  readonly value: string;
  /** Beside the fields of other limiters, not in their place. */
  readonly isAppended?: boolean;
}

type LegacyFacts = Pick<Facts, 'limit' | 'remaining' | 'resetTime'>;

export function legacyFields({ limit, remaining, resetTime }: LegacyFacts, now: Date): Field[] {
  const fields = [field('X-RateLimit-Limit', limit), field('X-RateLimit-Remaining', remaining)];
  if (resetTime === undefined) return fields;
  const resetAtSeconds = Math.ceil(resetTime.getTime() / 1000);
  fields.push(field('Date', now.toUTCString()), field('X-RateLimit-Reset', resetAtSeconds));
  return fields;
}

/** @param policy the name of the window that the facts are about; older drafts have none */
export function draftFields(version: DraftVersion, facts: Facts, now: Date, policy: string): Field[] {
  return DRAFTS[version](facts, resetSeconds(facts, now), policy);
}

export function isDraft(version: unknown): version is DraftVersion {
  return typeof version === 'string' && Object.hasOwn(DRAFTS, version);
}

export function hasPolicyNames(version: DraftVersion): boolean {
  return version === 'draft-8' || version === 'draft-11';
}

/** Whole seconds to wait, at least 1. RFC 9110 10.2.3: "A delay-seconds value is a non-negative decimal integer". */
export function retryAfterSeconds(retryMs: number, windowMs: number): number {
  return Math.max(1, Math.ceil((Number.isFinite(retryMs) ? retryMs : windowMs) / 1000));
}

export function writeFields(res: ServerResponse, fields: readonly Field[]): void {
  if (res.headersSent) return;
  for (const { name, value, isAppended } of fields) {
    if (!isAppended) res.setHeader(name, value);
    // A stand-in of a unit test knows Express' name of it.
    else if (res.appendHeader === undefined) (res as Response).append(name, value);
    else res.appendHeader(name, value);
  }
}

type Spelling = (facts: Facts, reset: number, policy: string) => Field[];

const DRAFTS: Record<DraftVersion, Spelling> = {
  'draft-6': (facts, reset) => [
    field('RateLimit-Policy', oldPolicies(facts)),
    field('RateLimit-Limit', facts.limit),
    field('RateLimit-Remaining', facts.remaining),
    field('RateLimit-Reset', reset),
  ],
  'draft-7': (facts, reset) => [
    field('RateLimit-Policy', oldPolicies(facts)),
    field('RateLimit', `limit=${facts.limit}, remaining=${facts.remaining}, reset=${reset}`),
  ],
  'draft-8': (facts, reset, policy) => [
    appended('RateLimit', `"${policy}"; r=${facts.remaining}; t=${reset}`),
    ...policiesIn(facts, policy).map(({ name, limit, windowMs }) =>
      appended(
        'RateLimit-Policy',
        `"${name}"; q=${limit}; w=${inSeconds(windowMs)}; pk=:${Buffer.from(partition(facts.key)).toString('base64')}:`,
      ),
    ),
  ],
  // Without `qu`: the default unit is requests, and what `cost` counts has no unit that is registered.
  'draft-11': (facts, reset, policy) => [
    appended('RateLimit', serializeList([item(policy, facts, { r: facts.remaining, t: reset })])),
    appended(
      'RateLimit-Policy',
      serializeList(
        policiesIn(facts, policy).map(({ name, limit, windowMs }) =>
          item(name, facts, { q: limit, w: inSeconds(windowMs) }),
        ),
      ),
    ),
  ],
};

function oldPolicies(facts: Facts): string {
  return policiesIn(facts, '')
    .map(({ limit, windowMs }) => `${limit};w=${inSeconds(windowMs)}`)
    .join(', ');
}

function policiesIn({ policies, limit, windowMs }: Facts, name: string): readonly Policy[] {
  return policies.length > 0 ? policies : [{ name, limit, windowMs }];
}

function inSeconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

const LARGEST_INTEGER = 999_999_999_999_999;

/** RFC 9651 3.3.1 knows integers of 15 digits and 3.3.3 strings of printable ASCII. */
function item(name: string, { key }: Facts, numbers: Record<string, number>): Item {
  const parameters = new Map<string, number | Buffer>();
  for (const [parameter, value] of Object.entries(numbers))
    parameters.set(parameter, Math.min(value, LARGEST_INTEGER));
  parameters.set('pk', Buffer.from(partition(key), 'hex'));
  return [name.replace(/[^ -~]/g, '_'), parameters];
}

function field(name: string, value: string | number): Field {
  return { name, value: String(value) };
}

function appended(name: string, value: string): Field {
  return { name, value, isAppended: true };
}

function resetSeconds({ resetTime, windowMs }: Facts, now: Date): number {
  if (resetTime === undefined) return inSeconds(windowMs);
  return Math.max(0, Math.ceil((resetTime.getTime() - now.getTime()) / 1000));
}

/** Tells clients apart without telling who they are. */
function partition(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}
