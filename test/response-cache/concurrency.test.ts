// Many at once, some of whom hang up, and handlers that do not finish what they began.
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { until } from '../support/until.js';
import { expressSite, isHit, plainSite, type Site, watch } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

async function redisOptions() {
  return { client: await connect(), namespace: uniqueNamespace() };
}

/** Asks, and hangs up at the first byte of the body, or after some time. */
function hangUp(site: Site, path: string, afterMs?: number): Promise<void> {
  return new Promise((resolve) => {
    const req = http.get(`${site.url}${path}`, { agent: false }, (res) => {
      res.on('error', () => {}).once('data', leave);
    });
    req.on('error', () => {});
    if (afterMs !== undefined) setTimeout(leave, afterMs);
    function leave() {
      req.destroy();
      resolve();
    }
  });
}

describe('concurrent requests', () => {
  it.each(['Redis', 'memory'])('for one page run its handler once: %s', async (where) => {
    const site = await expressSite(where === 'Redis' ? await redisOptions() : {}, async (_req, res, run) => {
      await sleep(50);
      res.writeHead(200, fresh).end(`run ${run}`);
    });
    const replies = await Promise.all(Array.from({ length: 50 }, () => site.get('/')));
    expect(new Set(replies.map(({ text }) => text))).toEqual(new Set(['run 1']));
    expect(site.runs.count).toBe(1);
    const told = replies.map(({ headers }) => String(headers['cache-status']));
    expect(told.filter((status) => status.includes('stored'))).toHaveLength(1);
    // Who came after the handler was done has a hit.
    expect(told.filter((status) => /collapsed|hit/.test(status))).toHaveLength(49);
  });

  it('for a page that may not be shared get an answer of their own each', async () => {
    const site = await expressSite(await redisOptions(), async (req, res) => {
      await sleep(20);
      res.writeHead(200, { 'Cache-Control': 'private, max-age=60' }).end(String(req.headers['x-user']));
    });
    const users = Array.from({ length: 30 }, (_, i) => `user ${i}`);
    const replies = await Promise.all(users.map((user) => site.get('/', { 'x-user': user })));
    expect(replies.map(({ text }) => text)).toEqual(users);
  });

  it('with credentials of their own wait for nobody whose answer is not public', async () => {
    const site = await expressSite(await redisOptions(), async (req, res) => {
      await sleep(20);
      res.writeHead(200, fresh).end(String(req.headers.cookie));
    });
    const cookies = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? `sid=${i}` : undefined));
    const replies = await Promise.all(
      cookies.map((cookie) => site.get('/', cookie === undefined ? {} : { cookie })),
    );
    expect(replies.map(({ text }) => text)).toEqual(cookies.map(String));
  });

  it('for a page that is never fresh ask the handler at once, not one after the other', async () => {
    let inside = 0;
    let most = 0;
    let letAllGo: (value?: unknown) => void = () => {};
    const allInside = new Promise((resolve) => {
      letAllGo = resolve;
    });
    const site = await expressSite(await redisOptions(), async (_req, res, run) => {
      inside += 1;
      most = Math.max(most, inside);
      if (most === 6) letAllGo();
      if (run > 1) await Promise.race([allInside, sleep(3_000, undefined, { ref: false })]);
      inside -= 1;
      res.writeHead(200, { 'Cache-Control': 'public, max-age=0, must-revalidate', ETag: '"1"' }).end('page');
    });
    await site.get('/');
    await Promise.all(Array.from({ length: 6 }, () => site.get('/')));
    expect(most).toBe(6);
  });

  it('for variants get the variant that they asked for', async () => {
    const site = await expressSite(await redisOptions(), async (req, res) => {
      await sleep(20);
      res.writeHead(200, { ...fresh, Vary: 'X-Team' }).end(String(req.headers['x-team']));
    });
    const teams = Array.from({ length: 30 }, (_, i) => `team ${i % 3}`);
    const replies = await Promise.all(teams.map((team) => site.get('/', { 'x-team': team })));
    expect(replies.map(({ text }) => text)).toEqual(teams);
  });

  it('go on when the one that they wait for hangs up', async () => {
    const site = await expressSite(await redisOptions(), async (_req, res, run) => {
      await sleep(100);
      res.writeHead(200, fresh).end(`run ${run}`);
    });
    const gone = hangUp(site, '/', 40);
    await sleep(20);
    const replies = await Promise.all(Array.from({ length: 10 }, () => site.get('/')));
    await gone;
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(site.runs.count).toBeLessThanOrEqual(3);
  });

  it('go on when the one that they wait for fails', async () => {
    const site = await expressSite(await redisOptions(), async (_req, res, run) => {
      await sleep(20);
      if (run === 1) throw new Error('the first one fails');
      res.writeHead(200, fresh).end(`run ${run}`);
    });
    const replies = await Promise.all(Array.from({ length: 10 }, () => site.get('/')));
    expect(replies.filter(({ status }) => status === 500)).toHaveLength(1);
    expect(site.runs.count).toBeLessThanOrEqual(3);
  });
});

describe('what is not whole is not stored', () => {
  it.each<[string, (res: http.ServerResponse) => void]>([
    [
      'a handler that destroys the response',
      (res) => {
        res.write('half');
        setTimeout(() => res.destroy(), 10);
      },
    ],
    [
      'a handler that destroys the connection',
      (res) => {
        res.write('half');
        setTimeout(() => res.socket?.destroy(), 10);
      },
    ],
    [
      'fewer bytes than were declared',
      (res) => {
        res.setHeader('Content-Length', 10);
        res.write('half');
        res.end();
      },
    ],
    [
      'an error after the first byte',
      (res) => {
        res.write('half');
        throw new Error('late');
      },
    ],
  ])('%s', async (_name, fail) => {
    const site = await expressSite(await redisOptions(), (_req, res, run) => {
      res.setHeader('Cache-Control', 'max-age=60');
      if (run === 1) return fail(res);
      return res.end('whole');
    });
    const settled = watch();
    await site.get('/').catch(() => undefined);
    await settled.next(1);
    const second = await site.get('/');
    expect([isHit(second), second.text]).toEqual([false, 'whole']);
  });

  it('what a client hung up on', async () => {
    const site = await expressSite(await redisOptions(), async (_req, res, run) => {
      res.writeHead(200, fresh);
      res.write('half');
      if (run === 1) await new Promise((resolve) => res.once('close', resolve));
      res.end(' and half');
    });
    const settled = watch();
    await hangUp(site, '/');
    await settled.next(1);
    const second = await site.get('/');
    expect([isHit(second), second.text]).toEqual([false, 'half and half']);
    expect(isHit(await site.get('/'))).toBe(true);
  });

  it('what is over maxBodyBytes, but it goes by untouched', async () => {
    const body = Buffer.alloc(100_001, 'x');
    const site = await plainSite({ ...(await redisOptions()), maxBodyBytes: 100_000 }, (req, res) => {
      res.writeHead(200, fresh);
      const size = req.url === '/big' ? 100_001 : 100_000;
      for (let at = 0; at < size; at += 10_000) res.write(body.subarray(at, Math.min(size, at + 10_000)));
      res.end();
    });
    for (const path of ['/big', '/just'])
      expect((await site.get(path)).body.length).toBe(path === '/big' ? 100_001 : 100_000);
    expect(isHit(await site.get('/big'))).toBe(false);
    expect(isHit(await site.get('/just'))).toBe(true);
  });

  it('more bytes than were declared: the client and the page get the declared ones', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, { ...fresh, 'Content-Length': '4' });
      res.write('12');
      res.end('3456');
    });
    expect((await site.get('/')).text).toBe('1234');
    const second = await site.get('/');
    expect([isHit(second), second.text]).toEqual([true, '1234']);
  });
});

describe('a client that leaves while its response waits for its turn on the connection', () => {
  /** Two requests on one connection, which closes after the handler of the second one began. */
  async function pipelined(site: Site, began: Promise<unknown>): Promise<void> {
    const socket = net.connect(site.port, '127.0.0.1');
    const head = `HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n\r\n`;
    socket.write(`GET /slow ${head}GET /big ${head}`);
    await began;
    socket.destroy();
  }

  it.each(['Redis', 'memory'])('does not keep its page from being stored: %s', async (where) => {
    const surroundings = new EventEmitter();
    const began = once(surroundings, 'began');
    const site = await expressSite(
      where === 'Redis' ? await redisOptions() : {},
      (_req, res, run) => {
        res.setHeader('Cache-Control', 'max-age=60');
        if (run > 1) return res.end('whole');
        // It never ends: it would wait for the client to read.
        res.write('half');
        return surroundings.emit('began');
      },
      [(req, _res, next) => req.url === '/slow' || next()],
    );
    const settled = watch();
    await pipelined(site, began);
    await settled.next(1);
    expect((await site.get('/big')).headers['cache-status']).toContain('stored');
    expect(isHit(await site.get('/big'))).toBe(true);
  });

  it('leaves no listener behind, however many requests its connection carries', async () => {
    const sockets = new Set<net.Socket>();
    const warned: Error[] = [];
    const note = (warning: Error) => warned.push(warning);
    process.on('warning', note);
    onTestEnd(() => process.off('warning', note));
    const site = await expressSite(await redisOptions(), (_req, res) => res.writeHead(200, fresh).end('x'), [
      (req, _res, next) => {
        sockets.add(req.socket);
        next();
      },
    ]);
    const socket = net.connect(site.port, '127.0.0.1');
    const requests = Array.from({ length: 40 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
    socket.write(requests.join(''));
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      if (text.split('HTTP/1.1 200').length > requests.length) break;
    }
    const [served] = sockets;
    expect([sockets.size, warned]).toEqual([1, []]);
    expect(served?.listenerCount('close')).toBeLessThan(5);
  });
});

describe('what one cache found not fit to be stored', () => {
  it('another one with other options stores, though it waited for the first one', async () => {
    const shared = await redisOptions();
    const host = { host: 'shop.example' };
    let release = () => {};
    const isReleased = new Promise<void>((resolve) => {
      release = resolve;
    });
    const strict = await expressSite(shared, async (_req, res) => {
      await isReleased;
      res.end('of the strict one');
    });
    const lenient = await expressSite({ ...shared, ttl: 60_000 }, (_req, res) => res.end('of the other one'));
    const first = strict.get('/', host);
    while (strict.runs.count === 0) await sleep(5);
    const second = lenient.get('/', host);
    await sleep(150);
    release();
    expect((await first).headers['cache-status']).toContain('detail=not-fresh');
    expect((await second).headers['cache-status']).toContain('stored');
  });
});

describe('what is for one client only', () => {
  it('is made for all who waited at once, in however many processes', async () => {
    const namespace = uniqueNamespace();
    const host = { host: 'shop.example' };
    const released = new EventEmitter();
    const openSite = async (mayAnswer: () => Promise<unknown>) =>
      expressSite({ client: await connect(), namespace }, async (_req, res) => {
        await mayAnswer();
        res.writeHead(200, { 'Cache-Control': 'private, max-age=60' }).end('own');
      });
    const others: Site[] = [];
    const areBothAtIt = () => until(() => others.every(({ runs }) => runs.count === 1), 3_000);
    others.push(await openSite(areBothAtIt), await openSite(areBothAtIt));
    const first = await openSite(() => once(released, 'now'));

    const asked = [first.get('/', host)];
    await until(() => first.runs.count === 1);
    asked.push(...others.map((site) => site.get('/', host)));
    await sleep(100);
    released.emit('now');
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('a page that turns out to have variants', () => {
  it('is not made again by a process that was just about to take its turn', async () => {
    const namespace = uniqueNamespace();
    const host = { host: 'shop.example' };
    const [released, stored] = [new EventEmitter(), new EventEmitter()];
    const early = await expressSite({ client: await connect(), namespace }, async (_req, res) => {
      await once(released, 'now');
      res.writeHead(200, { ...fresh, Vary: 'X-A' }).end('early');
    });
    const client = await connect();
    const { evalSha } = client;
    let turns = 0;
    // The one that createClient wraps, and each view of it.
    Object.assign(Object.getPrototypeOf(client), {
      async evalSha(this: typeof client, ...args: unknown[]) {
        turns += 1;
        if (turns === 2) await once(stored, 'now');
        return Reflect.apply(evalSha, this, args);
      },
    });
    const late = await expressSite({ client, namespace }, (_req, res) => res.end('late'));

    const seen = watch();
    const first = early.get('/', host);
    await until(() => early.runs.count === 1);
    const second = late.get('/', host);
    await until(() => turns === 2);
    released.emit('now');
    await Promise.all([first, seen.next(1)]);
    stored.emit('now');
    expect((await second).text).toBe('early');
    expect(late.runs.count).toBe(0);
  });
});

describe('a response that never ends', () => {
  it('is given up after half a minute, so that its page may be stored', async () => {
    const site = await expressSite({}, (_req, res, run) => {
      res.writeHead(200, fresh).write('half');
      if (run > 1) res.end(' and half');
    });
    jest.useFakeTimers({
      doNotFake: ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate'],
    });
    onTestEnd(() => void jest.useRealTimers());
    const endless = http.get(`${site.url}/`, { agent: false }).on('error', () => {});
    onTestEnd(() => void endless.destroy());
    await new Promise((resolve) => endless.once('response', (res) => res.once('data', resolve)));
    const waiting = site.get('/');
    const isOver = waiting.then(() => true);
    while (!(await Promise.race([isOver, nextTurn(false)]))) await jest.advanceTimersByTimeAsync(10);
    expect((await waiting).headers['cache-status']).toContain('detail=reserved');
    const settled = watch();
    await jest.advanceTimersByTimeAsync(31_000);
    await settled.next(1);
    expect(settled.events).toEqual([expect.objectContaining({ outcome: 'miss', reason: 'too-slow' })]);
  });
});

describe('requests for a page whose answer has begun and does not end', () => {
  it.each<[string, http.OutgoingHttpHeaders]>([
    ['events', { ...fresh, 'Content-Type': 'text/event-stream; charset=utf-8' }],
    ['lines', { ...fresh, 'Content-Type': 'application/x-ndjson' }],
  ])('do not wait for it: %s', async (_name, headers) => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, headers);
      res.write('1\n');
    });
    const startedAt = performance.now();
    for (let i = 0; i < 4; i += 1) onTestEnd(await firstLine(site));
    await Promise.all([1, 2, 3].map(async () => onTestEnd(await firstLine(site))));
    // Waiting for an end that does not come took 10 s each.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(site.runs.count).toBe(7);
  });

  it('do not wait for a client that does not read', async () => {
    const body = Buffer.alloc(32 * 1024 * 1024, 'x');
    const site = await expressSite(
      { ...(await redisOptions()), maxBodyBytes: 2 * body.length },
      (_req, res) => {
        res.writeHead(200, fresh);
        Readable.from([body, body.subarray(0, 1)]).pipe(res);
      },
    );
    const lazy = net.connect(site.port, '127.0.0.1').pause();
    onTestEnd(() => void lazy.destroy());
    lazy.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n\r\n`);
    while (site.runs.count === 0) await sleep(5);
    const second = await site.get('/');
    expect(second.headers['cache-status']).toBe('ExpressRedisSuite; fwd=uri-miss; detail=reserved');
    expect(second.body.length).toBe(body.length + 1);
  });

  it('are told that events are not stored, in every profile', async () => {
    for (const profile of ['safe', 'rfc9111'] as const) {
      const site = await expressSite({ ...(await redisOptions()), profile }, (_req, res) =>
        res.writeHead(200, { ...fresh, 'Content-Type': 'Text/Event-Stream' }).end('data: 1\n\n'),
      );
      expect((await site.get('/')).headers['cache-status']).toContain('detail=event-stream');
      expect(isHit(await site.get('/'))).toBe(false);
    }
  });

  /** Resolves at the first line with what hangs up. */
  function firstLine(site: Site): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const req = http.get(`${site.url}/`, { agent: false }, (res) => {
        res.on('error', () => {}).once('data', () => resolve(() => void req.destroy()));
      });
      req.on('error', reject);
    });
  }
});

describe('awkward surroundings', () => {
  it('a timeout that answered while we looked is left alone', async () => {
    const site = await expressSite(
      await redisOptions(),
      (_req, res) => res.writeHead(200, fresh).end('late'),
      [
        (_req, res, next) => {
          next();
          res.status(503).end('timeout');
        },
      ],
    );
    const reply = await site.get('/');
    expect([reply.status, reply.text]).toEqual([503, 'timeout']);
    expect(site.runs.count).toBe(0);
  });

  it('a stream of events reaches its client event by event', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
      res.write('data: 1\n\n');
    });
    await Promise.all([hangUp(site, '/'), hangUp(site, '/'), hangUp(site, '/')]);
    expect(site.runs.count).toBe(3);
  });

  it('a handler that ends twice, or writes after the end, stores what it sent', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.on('error', () => {});
      res.writeHead(200, fresh);
      res.end('once');
      res.end('twice');
      res.write('thrice');
    });
    expect((await site.get('/')).text).toBe('once');
    const second = await site.get('/');
    expect([isHit(second), second.text]).toEqual([true, 'once']);
  });

  it('a wrapper before the cache that writes from within end is not recorded twice', async () => {
    const site = await expressSite(
      await redisOptions(),
      (_req, res) => res.writeHead(200, fresh).end('body'),
      [
        (_req, res, next) => {
          const { end } = res;
          res.end = function wrapped(this: typeof res, chunk: unknown) {
            this.write(chunk);
            return end.call(this, undefined, 'utf8') as never;
          } as typeof res.end;
          next();
        },
      ],
    );
    expect((await site.get('/')).text).toBe('body');
    const second = await site.get('/');
    expect([isHit(second), second.text]).toEqual([true, 'body']);
  });

  it('what a handler throws reaches next, where no Express caught it before', async () => {
    const site = await plainSite(await redisOptions(), () => {
      throw new Error('thrown in the handler');
    });
    const reply = await site.get('/');
    expect([reply.status, reply.text]).toEqual([500, 'Error: thrown in the handler']);
    expect((await site.get('/')).status).toBe(500);
  });

  it('two caches in a row work', async () => {
    const { responseCache } = await import('express-redis-suite/response-cache');
    const options = await redisOptions();
    const site = await expressSite(
      options,
      (_req, res) => res.writeHead(200, fresh).end('x'),
      [],
      [responseCache(options)],
    );
    await site.get('/');
    const second = await site.get('/');
    expect([second.status, second.text, isHit(second), site.runs.count]).toEqual([200, 'x', true, 1]);
  });

  it('a request that renews a page is never answered from it', async () => {
    const site = await expressSite(
      await redisOptions(),
      (_req, res, run) => res.writeHead(200, fresh).end(`run ${run}`),
      [
        (req, _res, next) => {
          if (req.headers['x-renew'] !== undefined)
            Object.assign(req, { [Symbol.for('express-redis-suite.revalidation')]: true });
          next();
        },
      ],
    );
    await site.get('/');
    expect((await site.get('/', { 'x-renew': '1' })).text).toBe('run 2');
    const third = await site.get('/');
    expect([isHit(third), third.text]).toEqual([true, 'run 2']);
  });
});
