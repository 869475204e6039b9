/** How often a key that is not there any more is loaded when four processes are asked for it 200 times each, at once. */
import { randomBytes } from 'node:crypto';
import type { Extra, Stage } from '../plan.js';
import {
  type Contender,
  type ContenderSpec,
  type LoadSender,
  startContender,
  startLoadSender,
} from '../processes.js';
import { rawGet } from '../raw-get.js';
import { connect } from '../redis-view.js';

const PROCESSES = 4;
const ASKING = 200;
const ROUNDS = 5;

export async function loadsPerExpiry(
  specs: readonly ContenderSpec[],
  ours: string,
  { redisUrl, say }: Stage,
): Promise<Extra> {
  const rows: string[][] = [['', 'loads per expiry', 'worst']];
  const figures: Record<string, number> = {};
  for (const spec of specs) {
    say(`loads per expiry: ${spec.name}`);
    const loads = await loadsOf(spec, redisUrl);
    const mean = loads.reduce((sum, each) => sum + each, 0) / loads.length;
    rows.push([spec.name, mean.toFixed(1), String(Math.max(...loads))]);
    if (spec.name === ours) figures.loadsPerExpiry = mean;
  }
  return {
    title: `loads of one key that is gone, ${PROCESSES} processes asked ${ASKING} times each`,
    rows,
    figures,
  };
}

async function loadsOf(spec: ContenderSpec, redisUrl: string): Promise<number[]> {
  const counter = await connect(redisUrl);
  const contenders: Contender[] = [];
  const senders: LoadSender[] = [];
  try {
    for (let started = 0; started < PROCESSES; started += 1) {
      contenders.push(await startContender(spec, redisUrl));
      senders.push(startLoadSender());
    }
    const loads: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const key = randomBytes(6).toString('hex');
      const ask = (times: number) =>
        Promise.all(contenders.map(({ port }, index) => send(senders[index]!, port, key, times)));
      await ask(ASKING);
      loads.push(Number(await counter.get(`loads:${key}`)));
    }
    // In the first one the processes warm up.
    return loads.slice(1);
  } finally {
    for (const each of [...contenders, ...senders]) each.stop();
    counter.destroy();
  }
}

function send(sender: LoadSender, port: number, key: string, times: number): Promise<unknown> {
  const requests = Array.from({ length: times }, () => rawGet(`/stampede/${key}`));
  return sender.send({ port, requests, count: times, connections: times });
}
