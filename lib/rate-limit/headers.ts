/** What a limiter tells the client: express-rate-limit's header fields, byte for byte, as pure tables. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** The drafts of `RateLimit header fields for HTTP` (draft-ietf-httpapi-ratelimit-headers) that can be spelled. */
export type DraftHeadersVersion = 'draft-6' | 'draft-7' | 'draft-8';

export interface Facts {
  readonly limit: number;
  readonly remaining: number;
  /** Undefined when a store cannot tell. */
  readonly resetTime: Date | undefined;
  readonly windowMs: number;
  /** The client's key; draft 8 shows a hash of it. */
  readonly key: string;
}

export interface Field {
  readonly name: string;
  readonly value: string;
  /** Beside the fields of other limiters, not in their place. */
  readonly isAppended?: boolean;
}

export function legacyFields({ limit, remaining, resetTime }: Facts, now: Date): Field[] {
  const fields = [field('X-RateLimit-Limit', limit), field('X-RateLimit-Remaining', remaining)];
  if (resetTime === undefined) return fields;
  const resetAtSeconds = Math.ceil(resetTime.getTime() / 1000);
  return [...fields, field('Date', now.toUTCString()), field('X-RateLimit-Reset', resetAtSeconds)];
}

/** @param policy its name; only draft 8 has one */
export function draftFields(version: DraftHeadersVersion, facts: Facts, now: Date, policy: string): Field[] {
  return DRAFTS[version](facts, resetSeconds(facts, now), Math.ceil(facts.windowMs / 1000), policy);
}

export function isDraft(version: unknown): version is DraftHeadersVersion {
  return typeof version === 'string' && Object.hasOwn(DRAFTS, version);
}

/** Whole seconds to wait, at least 1. RFC 9110 10.2.3: "A delay-seconds value is a non-negative decimal integer". */
export function retryAfterSeconds(retryMs: number, windowMs: number): number {
  return Math.max(1, Math.ceil((Number.isFinite(retryMs) ? retryMs : windowMs) / 1000));
}

export function writeFields(res: ServerResponse, fields: readonly Field[]): void {
  if (res.headersSent) return;
  for (const { name, value, isAppended } of fields) {
    if (isAppended) res.appendHeader(name, value);
    else res.setHeader(name, value);
  }
}

type Spelling = (facts: Facts, reset: number, windowSeconds: number, policy: string) => Field[];

const DRAFTS: Record<DraftHeadersVersion, Spelling> = {
  'draft-6': ({ limit, remaining }, reset, windowSeconds) => [
    field('RateLimit-Policy', `${limit};w=${windowSeconds}`),
    field('RateLimit-Limit', limit),
    field('RateLimit-Remaining', remaining),
    field('RateLimit-Reset', reset),
  ],
  'draft-7': ({ limit, remaining }, reset, windowSeconds) => [
    field('RateLimit-Policy', `${limit};w=${windowSeconds}`),
    field('RateLimit', `limit=${limit}, remaining=${remaining}, reset=${reset}`),
  ],
  'draft-8': ({ limit, remaining, key }, reset, windowSeconds, policy) => [
    appended('RateLimit', `"${policy}"; r=${remaining}; t=${reset}`),
    appended('RateLimit-Policy', `"${policy}"; q=${limit}; w=${windowSeconds}; pk=:${partitionKey(key)}:`),
  ],
};

function field(name: string, value: string | number): Field {
  return { name, value: String(value) };
}

function appended(name: string, value: string): Field {
  return { name, value, isAppended: true };
}

function resetSeconds({ resetTime, windowMs }: Facts, now: Date): number {
  if (resetTime === undefined) return Math.ceil(windowMs / 1000);
  return Math.max(0, Math.ceil((resetTime.getTime() - now.getTime()) / 1000));
}

/** Tells clients apart without telling who they are. */
function partitionKey(key: string): string {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 12);
  return Buffer.from(hash).toString('base64');
}
