/** One user's sessions in Redis: the calls to the index, and to the sessions that it names. */
import type { Guard } from '../core/guard.js';
import { runScript, type Script } from '../core/script.js';
import { inBatches } from './batches.js';
import { noteRevoked } from './lives.js';
import type { SessionNames } from './names.js';
import { destroySession } from './save.js';
import { NO_SESSION } from './touch.lua.js';
import { type Entered, entriesIn } from './user-entry.js';
import {
  admitScript,
  enterScript,
  entriesScript,
  leftScript,
  revokeScript,
  trimScript,
} from './user-index.lua.js';

/** An entry, and what PTTL says of its session. */
export interface Looked {
  readonly entry: Entered;
  readonly leftMs: number;
}

/**
 * How many others each entrance looks after, by chance: each brings one that will end, so that an index comes to hold a
 * fourth more than what lives, however many that are.
 */
const LOOK_AFTER = 5;
/** How many before one of them has to go: whoever has ended goes first. */
const LOOK_BEFORE_EVICTION = 100;
/** How long a revocation turns away logins that began before it. */
const REVOCATION_MS = 3_600_000;

export class UserIndex {
  readonly #guard: Guard;
  readonly #names: SessionNames;

  constructor(guard: Guard, names: SessionNames) {
    this.#guard = guard;
    this.#names = names;
  }

  /** What the last revocation is called. */
  async revocation(user: string): Promise<string> {
    return (await this.#run(admitScript, user)) as string;
  }

  /**
   * @param since the revocation that must be the last one still, or ANY_TIME
   * @param maxSessions 0: any number
   * @returns how many sessions the user has, and some of the others; undefined when it was not let in
   */
  async enter(
    user: string,
    handle: string,
    entry: string,
    livesForMs: number,
    since: string,
    maxSessions = 0,
  ): Promise<{ readonly count: number; readonly others: Entered[] } | undefined> {
    const looks = [LOOK_AFTER, maxSessions, LOOK_BEFORE_EVICTION].map(String);
    const args = [handle, entry, String(livesForMs), since, ...looks];
    const reply = await this.#run(enterScript, user, args);
    const [isIn, count = 0, ...flat] = reply as [number, number?, ...string[]];
    return isIn ? { count, others: entriesIn(flat) } : undefined;
  }

  /** All, or the one of that handle. */
  async entries(user: string, handle?: string): Promise<Entered[]> {
    const args = handle === undefined ? [] : [handle];
    return entriesIn((await this.#run(entriesScript, user, args)) as string[]);
  }

  /** From now on whoever was admitted before cannot enter. Returns who is in. */
  async revoke(user: string, revocation: string): Promise<Entered[]> {
    return entriesIn((await this.#run(revokeScript, user, [revocation, String(REVOCATION_MS)])) as string[]);
  }

  /** The oldest go, once those that have ended are gone. */
  async limit(user: string, others: readonly Entered[], maxSessions: number): Promise<void> {
    const ended = (await this.#look(others)).filter(hasEnded).map(({ entry }) => entry.handle);
    const evicted = (await this.#run(trimScript, user, [String(maxSessions), ...ended])) as string[];
    await this.#endAll(user, entriesIn(evicted));
  }

  /** Takes out those that have ended, and returns the others. */
  async prune(user: string, entries: readonly Entered[]): Promise<Looked[]> {
    const looked = await this.#look(entries);
    await this.leave(
      user,
      looked.filter(hasEnded).map(({ entry }) => entry.handle),
    );
    return looked.filter((each) => !hasEnded(each));
  }

  /** First the sessions end and then they leave the index: a crash in between loses none of them. */
  async end(user: string, entries: readonly Entered[]): Promise<number> {
    const ended = await this.#endAll(user, entries);
    await this.leave(
      user,
      entries.map(({ handle }) => handle),
    );
    return ended.filter(Boolean).length;
  }

  async leave(user: string, handles: readonly string[]): Promise<void> {
    if (handles.length > 0) await this.#run(trimScript, user, ['0', ...handles]);
  }

  /** Which of them were there. */
  #endAll(user: string, entries: readonly Entered[]): Promise<boolean[]> {
    return inBatches(entries, async ({ id, handle }) => {
      const wasThere = await destroySession(this.#guard, this.#names.ofStored(id));
      if (wasThere) noteRevoked(handle, user);
      return wasThere;
    });
  }

  #look(entries: readonly Entered[]): Promise<Looked[]> {
    return inBatches(entries, async (entry) => {
      const { key } = this.#names.ofStored(entry.id);
      const left = await this.#guard.run((redis) => runScript(redis, leftScript, [key], []), key);
      return { entry, leftMs: left as number };
    });
  }

  #run(script: Script, user: string, args: readonly string[] = []): Promise<unknown> {
    const key = this.#names.ofUser(user);
    return this.#guard.run((redis) => runScript(redis, script, [key], args), key);
  }
}

function hasEnded({ leftMs }: Looked): boolean {
  return leftMs === NO_SESSION;
}
