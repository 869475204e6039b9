/** What a refused client is sent: the bytes that Express' `res.send` would send, on any node:http response. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** `app.get` of Express, when there is an Express around. */
interface Settings {
  get(name: string): unknown;
}
type ExpressRequest = IncomingMessage & { readonly app?: Settings; readonly fresh?: boolean };
type MakeEtag = (bytes: Buffer) => unknown;

/** A body that is ready to be sent, as often as one likes. */
export interface Answer {
  readonly type: string | undefined;
  /** Text stays text: node:http sends it together with the head. */
  readonly body: string | Buffer | undefined;
  readonly length: number;
  /** Made once for all who are sent it. */
  etag(make: MakeEtag): unknown;
}

/**
 * A string is sent as HTML, bytes as they are, anything else as JSON.
 *
 * @param app whose settings say how JSON is spelled
 * @param mediaType what kind of JSON it is
 */
export function answerOf(message: unknown, app?: Settings, mediaType?: string): Answer {
  if (message === undefined) return answer(undefined, undefined);
  if (message === null) return answer(undefined, '');
  if (typeof message === 'string') return answer('text/html; charset=utf-8', message);
  if (ArrayBuffer.isView(message)) return answer('application/octet-stream', bytesOf(message));
  const [replacer, spaces] = [app?.get('json replacer'), app?.get('json spaces')];
  const json = JSON.stringify(message, replacer as undefined, spaces as undefined);
  return answer(mediaType ?? 'application/json; charset=utf-8', json ?? '');
}

/** Nothing happens once headers are out. */
export function sendRejection(
  req: IncomingMessage,
  res: ServerResponse,
  statusCode: number,
  { type, body, length, etag }: Answer,
): void {
  if (res.headersSent || res.writableEnded) return;
  const { app } = req as ExpressRequest;
  res.statusCode = statusCode;
  if (type !== undefined && !res.hasHeader('Content-Type')) res.setHeader('Content-Type', type);
  if (body !== undefined) {
    res.setHeader('Content-Length', length);
    const make = app?.get('etag fn');
    if (typeof make === 'function' && !res.hasHeader('ETag')) setIfAny(res, 'ETag', etag(make as MakeEtag));
  }
  res.end(withoutContent(req, res) ? undefined : body);
}

/** RFC 9110 15.3.5, 15.3.6, 15.4.5: 204, 205 and 304 have no content, and the first and last do not speak of one. */
function withoutContent(req: ExpressRequest, res: ServerResponse): boolean {
  if (res.statusCode < 300 && req.fresh) res.statusCode = 304;
  if (res.statusCode === 205) res.setHeader('Content-Length', 0);
  if (res.statusCode !== 204 && res.statusCode !== 304) return res.statusCode === 205;
  res.removeHeader('Content-Type');
  res.removeHeader('Content-Length');
  return true;
}

function answer(type: string | undefined, body: string | Buffer | undefined): Answer {
  let maker: MakeEtag | undefined;
  let tag: unknown;
  return {
    type,
    body,
    length: body === undefined ? 0 : Buffer.byteLength(body),
    etag(make) {
      if (make !== maker) tag = make(Buffer.from(body ?? ''));
      maker = make;
      return tag;
    },
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function setIfAny(res: ServerResponse, name: string, value: unknown): void {
  if (typeof value === 'string') res.setHeader(name, value);
}
