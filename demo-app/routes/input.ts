/** What comes from a client, judged before anything else sees it: each function returns a sound value or throws a 400. */
import type { Request } from 'express';
import { HttpError } from './errors.js';

/** A JSON object as it was sent: look at single fields, each through one of the functions below. */
export type Fields = Readonly<Record<string, unknown>>;

/** Postgres' integer, which all ids are. */
const LARGEST_ID = 2_147_483_647;
const LARGEST_PRICE = 1_000_000;

/** The `id` of the path. */
export function idOf(req: Request): number {
  const text = String(req.params.id);
  const id = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN;
  return asId(id, 'id');
}

/** The body, which must be a JSON object: 415 for another content type. */
export function bodyOf(req: Request): Fields {
  // Nothing at all, as curl -X POST sends it, is a body that is missing, not one of another type.
  if (req.get('content-type') !== undefined && req.is('application/json') === false) {
    throw new HttpError(415, 'must be application/json', 'content-type');
  }
  return asFields(req.body, 'body');
}

export function asFields(value: unknown, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(field, 'must be a JSON object');
  }
  return value as Fields;
}

export function asId(value: unknown, field: string): number {
  return asInteger(value, field, 1, LARGEST_ID);
}

export function asInteger(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw bad(field, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** Money: at most two decimals, which is what the database keeps. */
export function asPrice(value: unknown, field: string): number {
  if (typeof value !== 'number' || !(value >= 0.01 && value <= LARGEST_PRICE)) {
    throw bad(field, `must be a number from 0.01 to ${LARGEST_PRICE}`);
  }
  if (Math.round(value * 100) / 100 !== value) throw bad(field, 'must have at most two decimals');
  return value;
}

/** Up to `maxCharacters`, not blank, on one line. Postgres holds no NUL and UTF-8 no half of a surrogate pair. */
export function asText(value: unknown, field: string, maxCharacters: number): string {
  if (typeof value !== 'string' || value.trim() === '') throw bad(field, 'must be a text that is not blank');
  if ([...value].length > maxCharacters) throw bad(field, `must have at most ${maxCharacters} characters`);
  if (/\p{Cc}|\p{Cs}/u.test(value)) throw bad(field, 'must not hold control characters or broken Unicode');
  return value;
}

export function asOneOf<T extends string>(value: unknown, field: string, choices: readonly T[]): T {
  if (!choices.includes(value as T)) throw bad(field, `must be one of ${choices.join(', ')}`);
  return value as T;
}

export function asList(value: unknown, field: string, maxLength: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxLength) {
    throw bad(field, `must be a list of 1 to ${maxLength}`);
  }
  return value;
}

export function bad(field: string, message: string): HttpError {
  return new HttpError(400, message, field);
}
