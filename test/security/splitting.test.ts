/** Whatever somebody wrote into Redis in place of a page: none of it reaches the wire. */
import net from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { expressSite, type Site, watch } from '../response-cache/site.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';

const HOST = 'shop.example';

type Meta = Record<string, unknown> & { fields: unknown[] };

const tamperings: readonly [string, (meta: Meta) => unknown][] = [
  ['a line break in a value', (meta) => meta.fields.push(['X-A', 'b\r\nX-Evil: 1\r\n\r\n<script>'])],
  ['a bare line feed in a value', (meta) => meta.fields.push(['X-A', 'b\nX-Evil: 1'])],
  ['a NUL in a value', (meta) => meta.fields.push(['X-Evil', 'a\u0000b'])],
  ['a character beyond a byte', (meta) => meta.fields.push(['X-Evil', '嘊嘍X-More: 1'])],
  ['a line break in a name', (meta) => meta.fields.push(['X-A\r\nX-Evil', '1'])],
  ['no name', (meta) => meta.fields.push(['', 'X-Evil'])],
  ['a name with a colon', (meta) => meta.fields.push(['X-Evil: 1', '1'])],
  ['a value that is no text', (meta) => meta.fields.push(['X-Evil', { toString: '1' }])],
  ['fields that are an object', (meta) => Object.assign(meta, { fields: { 'X-Evil': '1' } })],
  ['a line break in the reason', (meta) => Object.assign(meta, { reason: 'OK\r\nX-Evil: 1' })],
  ['Transfer-Encoding', (meta) => meta.fields.push(['Transfer-Encoding', 'chunked'], ['X-Evil', '1'])],
  ['another Content-Length', (meta) => meta.fields.push(['Content-Length', '1'], ['X-Evil', '1'])],
  ['a cookie', (meta) => meta.fields.push(['Set-Cookie', 'X-Evil=1'])],
  ['status 999', (meta) => Object.assign(meta, { status: 999, fields: [...meta.fields, ['X-Evil', '1']] })],
  ['status 101', (meta) => Object.assign(meta, { status: 101, fields: [...meta.fields, ['X-Evil', '1']] })],
  ['status -1', (meta) => Object.assign(meta, { status: -1, fields: [...meta.fields, ['X-Evil', '1']] })],
  ['a status of text', (meta) => Object.assign(meta, { status: '200', fields: [['X-Evil', '1']] })],
  ['a status of 1e300', (meta) => Object.assign(meta, { status: 1e300, fields: [['X-Evil', '1']] })],
  ['a negative length', (meta) => Object.assign(meta, { bodyBytes: -1, fields: [['X-Evil', '1']] })],
  ['a huge length', (meta) => Object.assign(meta, { bodyBytes: 2 ** 53, fields: [['X-Evil', '1']] })],
  ['a length of text', (meta) => Object.assign(meta, { bodyBytes: '4', fields: [['X-Evil', '1']] })],
  ['times of text', (meta) => Object.assign(meta, { receivedAtMs: 'now', fields: [['X-Evil', '1']] })],
  ['a Vary of objects', (meta) => Object.assign(meta, { vary: [{}], fields: [['X-Evil', '1']] })],
  ['tags of objects', (meta) => Object.assign(meta, { tags: [{}], fields: [['X-Evil', '1']] })],
  ['fields without end', (meta) => meta.fields.push(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))],
];

async function filled(): Promise<{ site: Site; client: TestClient; key: string }> {
  const client = await connect();
  const namespace = uniqueNamespace();
  const site = await expressSite({ client, namespace }, (_req, res) =>
    res.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Length': '4' }).end('page'),
  );
  const settled = watch();
  await onTheWire(site);
  await settled.next(1);
  return { site, client, key: `${namespace}:page:{http://${HOST}/}` };
}

/** Byte for byte. */
function onTheWire({ port }: Site): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`),
    );
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('an entry', () => {
  it.each(tamperings)('with %s is a miss', async (_what, tamper) => {
    const { site, client, key } = await filled();
    const entry = (await client.hGet(key, 'page')) ?? '';
    const [head = '', ...body] = entry.split('\n');
    const meta = JSON.parse(head) as Meta;
    tamper(meta);
    const text = stringified(meta);
    await client.hSet(key, 'page', `${text}\n${body.join('\n')}`);
    for (const _ of [1, 2]) {
      const answer = await onTheWire(site);
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(answer).not.toMatch(/evil/i);
      expect(answer.endsWith('\r\n\r\npage')).toBe(true);
    }
  });
});

/** JSON.stringify cannot follow fields without end. */
function stringified(meta: Meta): string {
  try {
    return JSON.stringify(meta);
  } catch {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    return JSON.stringify({ ...meta, fields: ['X-Evil', 'DEEP'] }).replace('"DEEP"', deep);
  }
}
