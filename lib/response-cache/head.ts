/** What node:http does to a response's headers when it writes them, done a little earlier. */
import type { ServerResponse } from 'node:http';

/** RFC 9110, 15.4.5: a 304 describes what is not in it as little as it can. */
export const NOT_IN_304: readonly string[] = [
  'content-length',
  'content-type',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
];

/** The length that node would have found out by itself at `end`. */
export function stateLength(res: ServerResponse, chunk: unknown, encoding: BufferEncoding | undefined): void {
  const isFramed = ['content-length', 'transfer-encoding', 'trailer'].some((name) => res.hasHeader(name));
  if (isFramed || res.statusCode === 204 || res.statusCode === 304 || res.req.method === 'HEAD') return;
  if (chunk === undefined || chunk === null) res.setHeader('Content-Length', 0);
  else if (typeof chunk === 'string') res.setHeader('Content-Length', Buffer.byteLength(chunk, encoding));
  else if (chunk instanceof Uint8Array) res.setHeader('Content-Length', chunk.byteLength);
}

/** Holds a body to the length that its head declares: node would let more bytes follow, as if a next response began. */
export interface Framing {
  /** The chunk, or as much of it as belongs to the response. */
  cut(chunk: unknown, encoding: BufferEncoding | undefined): unknown;
}

export function frameOf(res: ServerResponse): Framing {
  let left: number | undefined;
  return {
    cut(chunk, encoding) {
      left ??= declaredBytes(res);
      const bytes = typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : sizeOf(chunk);
      const isTooMuch = bytes > left;
      const kept = isTooMuch ? bytesOf(chunk, encoding).subarray(0, left) : chunk;
      left = Math.max(0, left - bytes);
      return kept;
    },
  };
}

function declaredBytes(res: ServerResponse): number {
  const length = String(res.getHeader('content-length') ?? '');
  return /^\d+$/.test(length) && res.req.method !== 'HEAD' ? Number(length) : Number.POSITIVE_INFINITY;
}

function sizeOf(chunk: unknown): number {
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}

export type Callback = () => void;

/** What `write` and `end` may be called with after the chunk: `(encoding, callback)`, `(callback)` or nothing. */
export function argumentsOf(rest: readonly unknown[]): [BufferEncoding | undefined, Callback | undefined] {
  const encoding = typeof rest[0] === 'string' ? (rest[0] as BufferEncoding) : undefined;
  return [encoding, rest.find((value) => typeof value === 'function') as Callback | undefined];
}

/** Whether it may be a piece of a body; node refuses anything else before it has written a thing. */
export function isBytes(chunk: unknown): chunk is string | Uint8Array {
  return typeof chunk === 'string' || chunk instanceof Uint8Array;
}

/** A piece of a body; no bytes for what is none. */
export function bytesOf(chunk: unknown, encoding: BufferEncoding | undefined): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  return chunk instanceof Uint8Array ? chunk : new Uint8Array();
}
