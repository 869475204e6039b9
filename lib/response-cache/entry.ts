/** A stored response as bytes: one line of JSON, then the body. Whatever does not read back exactly is no entry. */
import { type Fields, isStorable, TOKEN } from './fields.js';
import type { TimedResponse } from './freshness.js';
import { partOf } from './ranges.js';
import { MAX_VARY_NAMES, type VaryNames } from './vary.js';

export interface Entry extends TimedResponse {
  /** The reason phrase, where the handler chose one. */
  readonly reason?: string;
  /** The request headers that chose this variant. */
  readonly vary: VaryNames;
  /** The field it was stored in. */
  readonly variant: string;
  readonly body: Buffer;
  /** As they were given: a later answer that says nothing new of the page keeps them. */
  readonly tags?: readonly string[];
}

/** Another number is a miss, so processes of two versions may share a Redis while we upgrade. */
const VERSION = 1;
const NEWLINE = 0x0a;
/** RFC 9110, 5.5: no control characters but the tab, so no line ends either. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export function encodeEntry({ body, fields, ...rest }: Entry): Buffer {
  const meta = JSON.stringify({ version: VERSION, ...rest, bodyBytes: body.length, fields });
  return Buffer.concat([Buffer.from(`${meta}\n`), body]);
}

/** The entry in `bytes`, if it is one that was meant for `variant`. */
export function decodeEntry(bytes: Buffer, variant: string): Entry | undefined {
  const end = bytes.indexOf(NEWLINE);
  const meta = end === -1 ? undefined : parseObject(bytes.toString('utf8', 0, end));
  if (meta === undefined || meta.version !== VERSION || meta.variant !== variant) return undefined;
  const { status, reason, fields, vary, requestedAtMs, receivedAtMs } = meta;
  const body = bytes.subarray(end + 1);
  if (meta.bodyBytes !== body.length || !isStatus(status) || !isReason(reason)) return undefined;
  if (!isFields(fields) || !isNames(vary) || !isTime(requestedAtMs) || !isTime(receivedAtMs))
    return undefined;
  if (status === 206 && !isPart(fields, body.length)) return undefined;
  const { tags } = meta;
  if (!isTags(tags)) return undefined;
  const base = { status, fields, vary, variant, body, requestedAtMs, receivedAtMs };
  return {
    ...base,
    ...(reason === undefined ? {} : { reason }),
    ...(tags === undefined ? {} : { tags }),
  };
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** 1xx and 304 are never stored. */
function isStatus(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 200 && Number(value) <= 999 && value !== 304;
}

function isPart(fields: Fields, bytes: number): boolean {
  const part = partOf({ fields });
  return part !== undefined && part.last + 1 - part.first === bytes;
}

function isReason(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && FIELD_VALUE.test(value));
}

function isTags(value: unknown): value is readonly string[] | undefined {
  return value === undefined || (Array.isArray(value) && value.every((tag) => typeof tag === 'string'));
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isNames(value: unknown): value is VaryNames {
  return Array.isArray(value) && value.length <= MAX_VARY_NAMES && value.every((name) => isFieldName(name));
}

function isFields(value: unknown): value is Fields {
  return Array.isArray(value) && value.every(isField);
}

function isField(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [name, line] = value as unknown[];
  return isFieldName(name) && isStorable(name) && typeof line === 'string' && FIELD_VALUE.test(line);
}

function isFieldName(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value);
}
