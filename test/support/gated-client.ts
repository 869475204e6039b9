/** A Redis client whose every command is a step of an interleaving; whatever it does not gate is the client's own. */
import type { ActorProcess, Interleaving } from './interleaving.js';
import type { TestClient } from './redis.js';

/**
 * What becomes of one command: it is carried out; Redis answers with an error; the connection breaks before it gets
 * there, or after.
 */
export type Fate = 'done' | 'refused' | 'cut' | 'lost';

export interface Gate {
  readonly interleaving: Interleaving;
  readonly process: ActorProcess;
  /** Asked once for each command when it is sent. */
  readonly fateOf: (command: string) => Fate;
}

const COMMANDS = new Set(['evalSha', 'eval', 'get', 'set', 'del', 'unlink', 'hmGet', 'exists', 'ping']);
const VIEWS = new Set(['withCommandOptions', 'withTypeMapping']);

export function gatedClient(client: TestClient, gate: Gate): TestClient {
  const gated: TestClient = new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: unknown[]) => unknown;
      const name = String(property);
      if (name === 'on' || name === 'off') return () => gated;
      if (VIEWS.has(name)) return (...args: unknown[]) => gatedClient(call(...args) as TestClient, gate);
      if (COMMANDS.has(name))
        return (...args: unknown[]) => send(name, () => call(...args) as Promise<unknown>);
      return call;
    },
  });
  return gated;

  async function send(name: string, command: () => Promise<unknown>): Promise<unknown> {
    const fate = gate.fateOf(name);
    return gate.interleaving.call(gate.process, fate === 'done' ? name : `${name} (${fate})`, async () => {
      if (fate === 'refused') throw new Error("READONLY You can't write against a read only replica.");
      const reply = fate === 'cut' ? undefined : await command();
      if (fate !== 'done') throw new Error('Socket closed unexpectedly');
      return reply;
    });
  }
}
