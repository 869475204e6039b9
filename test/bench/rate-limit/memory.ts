/** What the key of one client weighs in Redis when its limit is used up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Extra, Stage } from '../plan.js';
import type { ContenderSpec } from '../processes.js';
import { connect } from '../redis-view.js';
import { commandFor, flexible, OURS, ours, peer } from './contenders.js';

const LIMITS = [100, 1_000, 10_000];
const ADDRESS = '203.0.113.9';
const RESOLUTION = 100;
const SHORT_WINDOW_MS = 2_000;

export async function memoryPerKey({ redisUrl, say }: Stage): Promise<Extra> {
  const figures: Record<string, number> = {};
  const rows: string[][] = [['', ...LIMITS.map((limit) => `limit ${limit}`)]];
  for (const make of [ours, coarse, peer, flexible]) {
    const { name } = make(0);
    say(`memory per key: ${name}`);
    const bytes: number[] = [];
    for (const limit of LIMITS) bytes.push(await bytesOf(make(limit), limit, redisUrl));
    rows.push([name, ...bytes.map(String)]);
    const figure = make === ours ? 'bytesAt' : make === coarse ? 'coarseBytesAt' : undefined;
    for (const [index, limit] of LIMITS.entries())
      if (figure) figures[`${figure}${limit}`] = bytes[index] ?? 0;
  }
  return { title: 'bytes per key with the limit used up (MEMORY USAGE)', rows, figures };
}

/** With `resolution` the entries depend on how the hits are spread, so these come evenly within a short window. */
function coarse(limit: number): ContenderSpec {
  const env = { RESOLUTION: String(RESOLUTION), WINDOW_MS: String(SHORT_WINDOW_MS) };
  return { ...ours(limit, env), name: `${OURS}, resolution: ${RESOLUTION}` };
}

async function bytesOf(spec: ContenderSpec, limit: number, redisUrl: string): Promise<number> {
  const command = await commandFor(spec, ADDRESS, redisUrl);
  const key = command[3] as string;
  const client = await connect(redisUrl);
  const spreadMs = spec.env?.RESOLUTION === undefined ? 0 : SHORT_WINDOW_MS * 0.95;
  try {
    await client.unlink(key);
    const startedAt = performance.now();
    for (let sent = 0; sent < limit; await sleep(spreadMs / RESOLUTION / 4)) {
      const due =
        spreadMs === 0 ? limit : Math.min(limit, (limit * (performance.now() - startedAt)) / spreadMs);
      const hits = Array.from({ length: Math.ceil(due) - sent }, () => client.sendCommand([...command]));
      sent += (await Promise.all(hits)).length;
    }
    return Number(await client.memoryUsage(key, { SAMPLES: 0 }));
  } finally {
    await client.flushAll();
    client.destroy();
  }
}
