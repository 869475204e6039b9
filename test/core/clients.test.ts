/** One contract, every kind of client: whatever is behind `client`, the features see the same Redis. */
import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from '@jest/globals';
import { redisOf } from '../../lib/core/client.js';
import { guardRedis } from '../../lib/core/guard.js';
import type { Redis } from '../../lib/core/redis.js';
import { defineScript, runScript } from '../../lib/core/script.js';
import { onTestEnd } from '../support/cleanup.js';
import { type ClientKind, clientKinds, type Opened, startServers } from '../support/client-kinds.js';
import { ask } from '../support/redis.js';
import { eventually } from '../support/until.js';

const servers = startServers();

afterAll(printTable);

const setAndGet = defineScript(
  `redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000) return redis.call('GET', KEYS[1])`,
);

describe.each(clientKinds)('$name', (kind) => {
  const holds = (rule: string, proof: () => Promise<void>) => test(rule, () => record(kind, rule, proof));

  holds('runs a script and gets strings, numbers, nil and nested lists back', async () => {
    const redis = await connected(kind);
    const shapes = defineScript(`return { 'text', 7, false, { 'a', { KEYS[1], ARGV[1] } } }`);
    const key = someKey();
    const reply = await runScript(redis, shapes, [key], ['é']);
    expect(reply).toEqual(['text', 7, null, ['a', [key, 'é']]]);
  });

  holds('carries bytes in and out, untouched', async () => {
    const redis = await connected(kind);
    const bytes = Buffer.from([0, 255, 13, 10, 128, 0xc3, 0x28]);
    const key = someKey();
    expect(await runScript(redis, setAndGet, [key], [bytes], 'bytes')).toEqual(bytes);
    expect(await runScript(redis, defineScript('return { ARGV[1], 1 }'), [key], [bytes], 'bytes')).toEqual([
      bytes,
      1,
    ]);
  });

  holds('sends a script in full once Redis has forgotten it', async () => {
    const redis = await connected(kind);
    const key = someKey();
    const script = defineScript(`return 'known ${randomBytes(4).toString('hex')}'`);
    expect(await runScript(redis, script, [key], [])).toMatch(/^known/);
    await redis.eval(`return redis.call('PING')`, [key], [], 'text');
    await flushScripts(kind);
    expect(await runScript(redis, script, [key], [])).toMatch(/^known/);
    expect(await redis.evalSha(script.sha, [key], [], 'text')).toMatch(/^known/);
  });

  holds('rejects with the error that Redis replied', async () => {
    const redis = await connected(kind);
    const key = someKey();
    await runScript(redis, setAndGet, [key], ['text']);
    await expect(redis.hmGet(key, ['field'])).rejects.toThrow(/^WRONGTYPE/);
    await expect(redis.evalSha('f'.repeat(40), [key], [], 'text')).rejects.toThrow(/^NOSCRIPT/);
    await expect(
      runScript(redis, defineScript(`return redis.error_reply('OOM full')`), [key], []),
    ).rejects.toThrow(/^OOM full/);
  });

  holds('reads strings and hash fields, and deletes', async () => {
    const redis = await connected(kind);
    const [text, hash] = [someKey(), someKey()];
    await runScript(redis, setAndGet, [text], ['value']);
    await redis.eval(
      `return redis.call('HSET', KEYS[1], 'a', ARGV[1], 'b', '2')`,
      [hash],
      [Buffer.from([255])],
      'text',
    );
    await redis.eval(`return redis.call('PEXPIRE', KEYS[1], 60000)`, [hash], [], 'text');
    expect(await redis.get(text)).toBe('value');
    expect(await redis.get(someKey())).toBeNull();
    expect(await redis.hmGet(hash, ['a', 'missing', 'b'])).toEqual([
      Buffer.from([255]),
      null,
      Buffer.from('2'),
    ]);
    expect(await redis.hmGet(someKey(), ['a', 'b'])).toEqual([null, null]);
    expect(await redis.unlink(text)).toBe(1);
    expect(await redis.unlink(text)).toBe(0);
  });

  holds('finds keys by pattern on every master', async () => {
    const redis = await connected(kind);
    const prefix = someKey();
    const keys = Array.from({ length: 30 }, (_, index) => `${prefix}:${index}`);
    await Promise.all(keys.map((key) => runScript(redis, setAndGet, [key], ['x'])));
    const found = new Set<string>();
    for await (const page of redis.scan(`${prefix}:*`, 100)) for (const key of page) found.add(key);
    expect([...found].sort()).toEqual(keys.sort());
  });

  holds('hears what is published, until it stops listening', async () => {
    const redis = await connected(kind);
    const channel = someKey();
    const heard: string[] = [];
    const publish = (message: string) =>
      redis.eval(`return redis.call('PUBLISH', ARGV[1], ARGV[2])`, [channel], [channel, message], 'text');
    const stop = await redis.subscribe([channel], (message) => heard.push(message));
    await publish('one');
    await eventually(() => expect(heard).toEqual(['one']));
    await stop();
    const others: string[] = [];
    onTestEnd(await redis.subscribe([channel], (message) => others.push(message)));
    await publish('two');
    await eventually(() => expect(others).toEqual(['two']));
    expect(heard).toEqual(['one']);
  });

  holds("leaves the replies of its user's own calls as they were", async () => {
    const { opened, redis } = await open(kind);
    const key = someKey();
    await runScript(redis, setAndGet, [key], ['text'], 'bytes');
    await redis.hmGet(someKey(), ['field']);
    expect(await (opened.client as unknown as { get(key: string): Promise<unknown> }).get(key)).toBe('text');
  });

  holds('answers a PING', async () => {
    const redis = await connected(kind);
    await expect(redis.ping()).resolves.toBeDefined();
  });

  // redis 5 has no key prefixes to keep.
  if (kind.hasKeyPrefix)
    holds('keeps the key prefix of its user', async () => {
      const { redis } = await open(kind, 'app:');
      const plain = await connected(kind);
      const key = someKey();
      await runScript(redis, setAndGet, [key], ['prefixed']);
      expect(await plain.get(`app:${key}`)).toBe('prefixed');
      expect(await redis.get(key)).toBe('prefixed');
      expect(await redis.unlink(key)).toBe(1);
      expect(await plain.get(`app:${key}`)).toBeNull();
    });

  holds('does without Redis until its user connects it, and works as soon as it is', async () => {
    const opened = kind.open(servers);
    onTestEnd(opened.close);
    const guard = guardRedis(opened.client, { feature: 'test', deadlineMs: 2_000 });
    const early = guard.run((redis) => redis.get(someKey()));
    // A lazy ioredis client is connected by its first command.
    if (kind.name.startsWith('ioredis')) await expect(early).resolves.toBeNull();
    else await expect(early).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    await opened.connect();
    await eventually(() => guard.run((redis) => redis.get('nothing')));
  });

  holds('fails at once when its user has closed it', async () => {
    const { opened } = await open(kind);
    const guard = guardRedis(opened.client, { feature: 'test', deadlineMs: 2_000 });
    await guard.run((redis) => redis.get('nothing'));
    await opened.close();
    await eventually(() => expect(guard.redis.isReady()).toBe(false));
    const sentAt = performance.now();
    await expect(guard.run((redis) => redis.get('nothing'))).rejects.toMatchObject({
      code: 'ERS_REDIS_UNAVAILABLE',
    });
    expect(performance.now() - sentAt).toBeLessThan(500);
  });
});

test('a subscription that Redis does not confirm is given up, and its connection with it', async () => {
  const { single } = servers;
  const all = await Promise.all(clientKinds.filter(({ server }) => server === 'single').map(connected));
  const connections = async () => String(await ask(single.url, ['CLIENT', 'LIST'])).split('\n').length;
  const before = await connections();
  single.freeze();
  await Promise.all(all.map((redis) => expect(redis.subscribe([someKey()], () => {})).rejects.toThrow()));
  single.thaw();
  await eventually(async () => expect(await connections()).toBe(before));
}, 20_000);

const table = new Map<string, Map<string, 'yes' | 'no'>>();

async function record(kind: ClientKind, rule: string, proof: () => Promise<void>): Promise<void> {
  const column = table.get(rule) ?? new Map<string, 'yes' | 'no'>();
  table.set(rule, column.set(kind.name, 'no'));
  await proof();
  column.set(kind.name, 'yes');
}

/** Which kind of client keeps which rule, for whoever reads the log. */
function printTable(): void {
  const rules = [...table.keys()];
  const widest = Math.max(...rules.map((rule) => rule.length));
  const head = clientKinds.map(({ name }, index) => `${index + 1} ${name}`).join(', ');
  const numbers = clientKinds.map((_, index) => String(index + 1).padStart(4)).join('');
  const lines = rules.map((rule) => {
    const cells = clientKinds.map(({ name }) => (table.get(rule)?.get(name) ?? '-').padStart(4));
    return rule.padEnd(widest) + cells.join('');
  });
  process.stdout.write(`${head}\n${' '.repeat(widest)}${numbers}\n${lines.join('\n')}\n`);
}

async function open(kind: ClientKind, keyPrefix?: string): Promise<{ opened: Opened; redis: Redis }> {
  const opened = kind.open(servers, keyPrefix);
  onTestEnd(opened.close);
  const redis = redisOf(opened.client);
  await opened.connect();
  await eventually(() => expect(redis.isReady()).toBe(true));
  return { opened, redis };
}

async function connected(kind: ClientKind): Promise<Redis> {
  return (await open(kind)).redis;
}

async function flushScripts(kind: ClientKind): Promise<void> {
  const { single, sentinel, cluster } = servers;
  const nodes = { single: [single], sentinel: [sentinel.master], cluster: cluster.nodes }[kind.server];
  for (const node of nodes) await askNode(node.url, ['SCRIPT', 'FLUSH']);
}

async function askNode(url: string, command: string[]): Promise<void> {
  const { createClient } = await import('redis');
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  await client.sendCommand(command);
  client.destroy();
}

function someKey(): string {
  return `contract:${randomBytes(6).toString('hex')}`;
}
