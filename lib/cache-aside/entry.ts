/** A cached value as bytes: format version, kind, its times, payload: `2j 1764000060000 1764000060000 12 {"id":42}`. */
import { DEEPEST, isTooDeep } from '../core/depth.js';
import { SuiteError } from '../core/errors.js';

/** Turns values into bytes and back. What it throws on reading makes the entry a miss. */
export interface CacheSerializer {
  encode(value: unknown): string | Buffer;
  decode(bytes: Buffer): unknown;
}

/** When a value may be served, by the store's clock. */
export interface Times {
  readonly freshUntilMs: number;
  readonly staleUntilMs: number;
  /** How long it took to load. */
  readonly loadMs: number;
}

export interface EntryFormat {
  /** @throws SuiteError ERS_UNCACHEABLE_VALUE */
  encode(value: unknown, times: Times): Buffer;
  /** Throws on what `encode` did not write. */
  decode(bytes: Buffer): unknown;
}

/** Another version is a miss, so that processes of two versions may share a Redis while we upgrade. */
const VERSION = '2';
const HEAD = /^2([jcnu]) (\d{1,16}) (\d{1,16}) (\d{1,16}) /;
const LONGEST_HEAD = 54;

/** JSON, unless a serializer is given; `null` and `undefined`, which say that a row is missing, stand for themselves. */
export function entryFormat(serializer: CacheSerializer | undefined): EntryFormat {
  const codec = serializer ?? jsonSerializer;
  const kind = serializer === undefined ? 'j' : 'c';

  return {
    encode(value, times) {
      if (isMissing(value)) return Buffer.from(headOf(value === null ? 'n' : 'u', times));
      const payload = encodeOrExplain(codec, value);
      return Buffer.concat([Buffer.from(headOf(kind, times)), Buffer.from(payload as Buffer)]);
    },

    decode(bytes) {
      const [head, found] = readHead(bytes);
      const payload = bytes.subarray(head.length);
      // What a serializer of the user's makes of them may be those very bytes, and others are given the same.
      if (found === kind) return codec.decode(kind === 'c' ? Buffer.from(payload) : payload);
      if (found === 'n' && bytes.length === head.length) return null;
      if (found === 'u' && bytes.length === head.length) return undefined;
      throw new Error('not an entry of this format');
    },
  };
}

/** Throws as `decode` does. */
export function timesOf(bytes: Buffer): Times {
  const [, , freshUntil, staleUntil, loadMs] = readHead(bytes);
  return {
    freshUntilMs: Number(freshUntil),
    staleUntilMs: Number(staleUntil),
    loadMs: Number(loadMs),
  };
}

/** A row that is not there: `null` or `undefined`, whichever the loader says. */
export function isMissing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function headOf(kind: string, { freshUntilMs, staleUntilMs, loadMs }: Times): string {
  return `${VERSION}${kind} ${[freshUntilMs, staleUntilMs, loadMs].map(Math.round).join(' ')} `;
}

function readHead(bytes: Buffer): RegExpExecArray {
  const head = HEAD.exec(bytes.toString('latin1', 0, LONGEST_HEAD));
  if (head === null) throw new Error('not an entry of this format');
  return head;
}

const jsonSerializer: CacheSerializer = {
  encode(value) {
    const json = JSON.stringify(value);
    requireShallow(value, json);
    return json;
  },
  decode(bytes) {
    const json = bytes.toString();
    const value: unknown = JSON.parse(json);
    requireShallow(value, json);
    return value;
  },
};

/** Whoever was handed such a value could not send it. */
function requireShallow(value: unknown, json: string | undefined): void {
  if (json !== undefined && isTooDeep(value, json))
    throw new Error(`it is nested more than ${DEEPEST} levels deep`);
}

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
