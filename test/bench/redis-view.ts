/** What Redis itself sees of a contender: the commands it sends, and what its keys weigh. */
import { createClient } from 'redis';

type Client = ReturnType<typeof createClient>;

/** A command as it was sent, its name first. */
export type Command = readonly string[];

/** Not about any request: health probes, and what a client says of itself when it connects. */
const HOUSEKEEPING = new Set(['PING', 'HELLO', 'CLIENT']);

export async function connect(url: string): Promise<Client> {
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  return client as Client;
}

/** The URL of one of Redis' databases, of which there are sixteen: who has one for itself is seen alone. */
export function databaseOf(url: string, index: number): string {
  return new URL(`/${index}`, url).href;
}

/**
 * The commands that clients send to the database of `url` while `act` runs, in their order; what scripts do inside Redis is
 * not among them.
 */
export async function commandsDuring(url: string, act: () => Promise<unknown>): Promise<Command[]> {
  const [watcher, marker] = await Promise.all([connect(url), connect(url)]);
  const watched = new URL(url).pathname.slice(1) || '0';
  const sent: Command[] = [];
  let isOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    isOver = resolve;
  });
  await watcher.monitor((line) => {
    const [, database, source, rest = ''] = /^[\d.]+ \[(\d+) ([^\]]+)\] (.*)$/s.exec(String(line)) ?? [];
    if (database !== watched) return;
    const command = wordsOf(rest);
    const name = (command[0] ?? '').toUpperCase();
    if (name === 'ECHO') isOver();
    else if (source !== 'lua' && !HOUSEKEEPING.has(name)) sent.push([name, ...command.slice(1)]);
  });
  try {
    await act();
    await marker.echo('over');
    await over;
    return sent;
  } finally {
    watcher.destroy();
    marker.destroy();
  }
}

/** Such as `1.00 EVALSHA + 0.50 SET`. */
export function spellCommands(commands: readonly Command[], requests: number): string {
  const counts = new Map<string, number>();
  for (const [name = ''] of commands) counts.set(name, (counts.get(name) ?? 0) + 1);
  const spelled = [...counts].map(([name, count]) => `${(count / requests).toFixed(2)} ${name}`);
  return spelled.length === 0 ? 'none' : spelled.join(' + ');
}

/** The words of a MONITOR line: each in quotes, with C's escapes. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, word = '']) =>
    word.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, escaped: string) => unescaped(escaped)),
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

function unescaped(escaped: string): string {
  if (escaped.length === 3) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return ESCAPES[escaped] ?? escaped;
}
