/** A cached value as bytes: format version, kind, payload, such as `1j{"id":42}`. Readable in redis-cli. */
import { SuiteError } from '../core/errors.js';

/** Turns values into bytes and back. What it throws on reading makes the entry a miss. */
export interface CacheSerializer {
  encode(value: unknown): string | Buffer;
  decode(bytes: Buffer): unknown;
}

export interface EntryFormat {
  /** @throws SuiteError ERS_UNCACHEABLE_VALUE */
  encode(value: unknown): Buffer;
  /** Throws on what `encode` did not write. */
  decode(bytes: Buffer): unknown;
}

const VERSION = '1';
const JSON_VALUE = `${VERSION}j`;
const CUSTOM_VALUE = `${VERSION}c`;
const NULL_VALUE = `${VERSION}n`;
const UNDEFINED_VALUE = `${VERSION}u`;
const HEAD_LENGTH = 2;

/** JSON, unless a serializer is given; `null` and `undefined`, which say that a row is missing, stand for themselves. */
export function entryFormat(serializer: CacheSerializer | undefined): EntryFormat {
  const codec = serializer ?? jsonSerializer;
  const kind = serializer === undefined ? JSON_VALUE : CUSTOM_VALUE;

  return {
    encode(value) {
      if (value === null) return Buffer.from(NULL_VALUE);
      if (value === undefined) return Buffer.from(UNDEFINED_VALUE);
      const payload = encodeOrExplain(codec, value);
      return Buffer.concat([Buffer.from(kind), Buffer.from(payload as Buffer)]);
    },

    decode(bytes) {
      const head = bytes.toString('latin1', 0, HEAD_LENGTH);
      if (head === kind) return codec.decode(bytes.subarray(HEAD_LENGTH));
      if (head === NULL_VALUE && bytes.length === HEAD_LENGTH) return null;
      if (head === UNDEFINED_VALUE && bytes.length === HEAD_LENGTH) return undefined;
      throw new Error('not an entry of this format');
    },
  };
}

/** A row that is not there: `null` or `undefined`, whichever the loader says. */
export function isMissing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

const jsonSerializer: CacheSerializer = {
  encode: (value) => JSON.stringify(value),
  decode: (bytes) => JSON.parse(bytes.toString()),
};

function encodeOrExplain(codec: CacheSerializer, value: unknown): string | Buffer {
  const payload = attempt(codec, value);
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload;
  throw uncacheable(`it became ${typeof payload}`);
}

function attempt(codec: CacheSerializer, value: unknown): unknown {
  try {
    return codec.encode(value);
  } catch (cause) {
    throw uncacheable(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function uncacheable(why: string, cause?: unknown): SuiteError {
  return new SuiteError(
    'ERS_UNCACHEABLE_VALUE',
    `cache-aside: this value cannot be cached: ${why}. Return what JSON can hold (no BigInt, function, symbol or cycle), or give createCache a serializer.`,
    { cause },
  );
}
