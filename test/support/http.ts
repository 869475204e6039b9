/** Real HTTP for tests: `serve` a handler, `get` from it, `send` anything to it, and follow a `browser` with its cookies. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestEnd } from './cleanup.js';

type Handler = (req: http.IncomingMessage, res: http.ServerResponse) => void;

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects in it
  json(): any;
  readonly durationMs: number;
}

export interface Sending {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** A string or bytes as they are; anything else as JSON. */
  readonly body?: unknown;
}

export interface Served {
  readonly url: string;
  readonly port: number;
  get(path: string, headers?: Sending['headers']): Promise<Reply>;
  send(path: string, sending: Sending): Promise<Reply>;
  /** A client that keeps its cookies, as a browser does. */
  browser(): Browser;
  close(): Promise<void>;
}

export interface Browser extends Pick<Served, 'get' | 'send'> {
  readonly cookies: Map<string, string>;
}

/** Listens on a free loopback port until the test ends. Any Express app or `(req, res)` function will do. */
export async function serve(handler: Handler): Promise<Served> {
  const server = http.createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  onTestEnd(close);
  return talkTo(`http://127.0.0.1:${port}`, close);
}

/** The same four words over a server that runs already. */
export function talkTo(url: string, close: () => Promise<void> = async () => {}): Served {
  const send = (path: string, sending: Sending) => request(url, path, sending);
  const get = (path: string, headers: Sending['headers'] = {}) => send(path, { headers });
  return {
    url,
    port: Number(new URL(url).port),
    get,
    send,
    browser: () => openBrowser(send),
    close,
  };
}

function openBrowser(send: Served['send']): Browser {
  const cookies = new Map<string, string>();
  async function sendWithCookies(path: string, sending: Sending): Promise<Reply> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = cookie === '' ? sending.headers : { cookie, ...sending.headers };
    const reply = await send(path, { ...sending, headers: headers ?? {} });
    for (const line of reply.headers['set-cookie'] ?? []) keep(line);
    return reply;
  }
  function keep(line: string) {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const expires = attributes.find((attribute) => /^expires=/i.test(attribute))?.slice('expires='.length);
    if (expires !== undefined && Date.parse(expires) <= Date.now()) cookies.delete(name);
    else cookies.set(name, pair.slice(pair.indexOf('=') + 1));
  }
  return {
    cookies,
    send: sendWithCookies,
    get: (path, headers = {}) => sendWithCookies(path, { headers }),
  };
}

function request(url: string, path: string, sending: Sending): Promise<Reply> {
  const { method = sending.body === undefined ? 'GET' : 'POST', headers = {}, body } = sending;
  const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const payload = isRaw ? (body as string | Buffer | undefined) : JSON.stringify(body);
  const sentAt = performance.now();
  return new Promise((resolve, reject) => {
    const req = http.request(
      // `path` as it stands: a URL object would normalise what a hostile client sends.
      {
        host: '127.0.0.1',
        port: new URL(url).port,
        path,
        method,
        agent: false,
        timeout: 15_000,
        headers: {
          ...(isRaw ? {} : { 'content-type': 'application/json' }),
          ...headers,
        } as http.OutgoingHttpHeaders,
      },
      async function collect(res) {
        const chunks: Buffer[] = [];
        try {
          for await (const chunk of res) chunks.push(chunk as Buffer);
        } catch (error) {
          return reject(error);
        }
        const bytes = Buffer.concat(chunks);
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          rawHeaders: res.rawHeaders,
          body: bytes,
          text: bytes.toString(),
          json: () => JSON.parse(bytes.toString()),
          durationMs: performance.now() - sentAt,
        });
      },
    );
    req.on('error', reject);
    req.on('timeout', () => req.destroy(new Error(`no answer to ${method} ${path} within 15 s`)));
    req.end(payload);
  });
}
