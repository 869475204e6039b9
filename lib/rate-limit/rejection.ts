/** What a refused client is sent: the bytes that Express' `res.send` would send, on any node:http response. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** `app.get` of Express, when there is an Express around. */
interface Settings {
  get(name: string): unknown;
}
type ExpressRequest = IncomingMessage & { readonly app?: Settings };

/**
 * A string is sent as HTML, bytes as they are, anything else as JSON. Nothing happens once headers are out.
 *
 * @param mediaType what kind of JSON it is
 */
export function sendRejection(
  req: IncomingMessage,
  res: ServerResponse,
  statusCode: number,
  message: unknown,
  mediaType?: string,
): void {
  if (res.headersSent || res.writableEnded) return;
  const app = (req as ExpressRequest).app;
  const { type, bytes } = represent(message, app, mediaType);
  res.statusCode = statusCode;
  if (type !== undefined && !res.hasHeader('Content-Type')) res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', bytes.length);
  const etag = app?.get('etag fn');
  if (typeof etag === 'function' && !res.hasHeader('ETag')) setIfAny(res, 'ETag', etag(bytes));
  res.end(bytes);
}

interface Representation {
  readonly type: string | undefined;
  readonly bytes: Buffer;
}

function represent(message: unknown, app: Settings | undefined, mediaType?: string): Representation {
  if (message === undefined || message === null) return { type: undefined, bytes: Buffer.alloc(0) };
  if (typeof message === 'string') return { type: 'text/html; charset=utf-8', bytes: Buffer.from(message) };
  if (ArrayBuffer.isView(message)) return { type: 'application/octet-stream', bytes: bytesOf(message) };
  const json = JSON.stringify(
    message,
    app?.get('json replacer') as undefined,
    app?.get('json spaces') as undefined,
  );
  return { type: mediaType ?? 'application/json; charset=utf-8', bytes: Buffer.from(json ?? '') };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function setIfAny(res: ServerResponse, name: string, value: unknown): void {
  if (typeof value === 'string') res.setHeader(name, value);
}
