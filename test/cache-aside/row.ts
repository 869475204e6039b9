/** A row of a real table whose versions count up, and the statements on it as steps of an interleaving. */
import type postgres from 'postgres';
import type { ActorProcess, Interleaving } from '../support/interleaving.js';

export interface Version {
  readonly version: number;
}

export interface RowPlace {
  readonly table: string;
  readonly id: number;
  /** One connection for readers, and one for the writer that has the row locked. */
  readonly reading: postgres.Sql;
  readonly writing: postgres.Sql;
}

/** Before anybody is at it: no step of any interleaving. */
export async function readVersion({ reading, table, id }: RowPlace): Promise<Version> {
  const [row] = await reading<Version[]>`select version from ${reading(table)} where id = ${id}`;
  return row as Version;
}

export class Row {
  /** The latest version that was committed. */
  version: number;
  /** The latest that readers have a right to, and the latest of each process' own. */
  promised: number;
  readonly promisedBy = new Map<ActorProcess, number>();
  readonly #place: RowPlace;
  readonly #interleaving: Interleaving;
  #lockedBy: ActorProcess | undefined;

  constructor(place: RowPlace, interleaving: Interleaving, { version }: Version) {
    this.#place = place;
    this.#interleaving = interleaving;
    this.version = version;
    this.promised = version;
  }

  read(process: ActorProcess): Promise<Version> {
    return this.#interleaving.call(process, 'SELECT', () => readVersion(this.#place));
  }

  /** A transaction that updates the row and commits. */
  async change(process: ActorProcess): Promise<Version> {
    const changed = await this.#update(process);
    await this.#end(process, 'COMMIT', () => {
      this.version = changed.version;
      this.promise(process, changed);
    });
    return changed;
  }

  /** The same by somebody who does not know of the cache: nobody has a right to it before it is promised. */
  async changeBehind(process: ActorProcess): Promise<Version> {
    const changed = await this.#update(process);
    await this.#end(process, 'COMMIT', () => {
      this.version = changed.version;
    });
    return changed;
  }

  promise(process: ActorProcess, { version }: Version): void {
    this.promised = Math.max(version, this.promised);
    this.promisedBy.set(process, Math.max(version, this.promisedBy.get(process) ?? 0));
  }

  /** One that updates the row, and then thinks better of it. */
  async changeAndFail(process: ActorProcess): Promise<never> {
    await this.#update(process);
    await this.#end(process, 'ROLLBACK');
    throw new Rejected();
  }

  /** What Postgres does when it loses the connection of a writer. */
  async breakOff(process: ActorProcess): Promise<void> {
    if (this.#lockedBy !== process) return;
    await this.#place.writing.unsafe('rollback');
    this.#lockedBy = undefined;
  }

  #update(process: ActorProcess): Promise<Version> {
    const { writing, table, id } = this.#place;
    const update = async () => {
      this.#lockedBy = process;
      await writing.unsafe('begin');
      const [row] = await writing<Version[]>`
        update ${writing(table)} set version = version + 1 where id = ${id} returning version`;
      return row as Version;
    };
    // Postgres would let it wait for the lock; so do we.
    return this.#interleaving.call(process, 'UPDATE', update, () => this.#lockedBy === undefined);
  }

  #end(process: ActorProcess, how: 'COMMIT' | 'ROLLBACK', then: () => void = () => {}): Promise<void> {
    return this.#interleaving.call(process, how, async () => {
      await this.#place.writing.unsafe(how);
      this.#lockedBy = undefined;
      then();
    });
  }
}

/** What a writer rejects with whose transaction was rolled back. */
export class Rejected extends Error {}
