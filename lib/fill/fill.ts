/** Get or fill: a key is filled once, however many ask in however many processes, and never behind a write. */
import { setTimeout as sleep } from 'node:timers/promises';
import { landedBy } from './landed-by.js';
import { giveBack, loadUnder, passTrouble } from './lease.js';
import { type Load, PastStore } from './past-store.js';
import { type Flight, SingleFlight } from './single-flight.js';
import type { FillStore, Lease, Reading } from './store.js';
import { type FindRequest, findIn, isNewer, type Usable, usableIn } from './usable.js';

export interface FillOptions {
  /** How long a lease lasts that nobody renews, in milliseconds: what a process that dies while loading costs. */
  readonly leaseMs: number;
  /** How long to wait for somebody else's load, in milliseconds, before loading alone. */
  readonly waitMs: number;
  /** Whether loads that began before a call may be shared with it. */
  readonly mayShare: () => boolean;
}

export interface FillRequest<Value> extends FindRequest<Value> {
  readonly load: Load;
  /** How long who has a stale value waits for the load, in milliseconds, before being served it. */
  readonly softTimeoutMs: number;
  /** Called when somebody else loads, so that `load` will not be called soon, if at all. */
  readonly onWait: () => void;
}

export interface Filled<Value> {
  readonly value: Value;
  /** From the store, fresh or not; loaded and stored; loaded by somebody else; loaded past the store. */
  readonly outcome: 'hit' | 'stale' | 'miss' | 'shared' | 'bypass';
}

interface Landed {
  readonly bytes: Buffer;
  readonly outcome: 'hit' | 'stale' | 'miss' | 'bypass';
  /** Loaded after all who share the flight asked, or not changed since by anything that the store knows of. */
  readonly mayShare: boolean;
}

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

export class Filler {
  readonly #store: FillStore;
  readonly #options: FillOptions;
  readonly #fills = new SingleFlight<Landed>();
  readonly #pastStore: PastStore;

  constructor(store: FillStore, options: FillOptions) {
    this.#store = store;
    this.#options = options;
    this.#pastStore = new PastStore(options.waitMs);
  }

  /** What the key holds, in a box; undefined when there is nothing fresh. */
  async find<Value>(request: FindRequest<Value>): Promise<{ readonly value: Value } | undefined> {
    return findIn(request, await this.#look(request));
  }

  /**
   * What the key holds, else what `load` returns; rejects with what `load` rejects with, and with nothing else.
   *
   * @param seen the key's reading, where there is one already; undefined in an outage.
   */
  async get<Value>(request: FillRequest<Value>, ...seen: [] | [Reading | undefined]): Promise<Filled<Value>> {
    const giveUpAt = performance.now() + this.#options.waitMs;
    let reading = seen.length === 1 ? seen[0] : await this.#look(request);
    for (;;) {
      if (reading === undefined && this.#options.mayShare()) return this.#getInOutage(request);
      if (reading === undefined || reading.isMarked) return this.getAround(request);
      const usable = usableIn(request, reading.values[0]);
      if (usable?.use === 'fresh') return { value: usable.value, outcome: 'hit' };

      const flight = this.#fills.find(request.key);
      const isUnderWay = this.#options.mayShare() && (flight?.mayShare(reading.leases[0] ?? null) ?? false);
      const begin = () =>
        this.#fills.begin(request.key, (rules) => this.#fill(request, usable, rules, giveUpAt));
      if (isUnderWay || usable?.use === 'due') request.onWait();
      if (usable?.use === 'due') {
        if (flight === undefined) begin();
        return { value: usable.value, outcome: 'hit' };
      }
      if (usable !== undefined) {
        const landed = isUnderWay ? undefined : await this.#inSoftTime(request, begin().landing);
        return landed === undefined ? { value: usable.value, outcome: 'stale' } : asFilled(request, landed);
      }
      if (!isUnderWay) return asFilled(request, await begin().landing);

      const shared = await landedBy(giveUpAt, flight!.landing);
      if (shared === undefined || !shared.mayShare) return this.getAround(request);
      if (shared.outcome === 'miss' || shared.outcome === 'bypass')
        return { value: request.read(shared.bytes), outcome: 'shared' };
      // What another call found in the store may be older than this call: look again.
      reading = await this.#look(request);
    }
  }

  /** What `load` returns, past the store and past every load that began before this call. */
  async getAround<Value>({ key, load, read, onWait }: FillRequest<Value>): Promise<Filled<Value>> {
    const loaded = await this.#pastStore.load(key, load, onWait);
    return { value: read(loaded.value), outcome: 'bypass' };
  }

  /** No load that is under way is shared with those who ask from now on; without a key: of none. */
  forget(key?: string): void {
    this.#fills.forget(key);
    this.#pastStore.forget(key);
  }

  #look({ key, field }: FindRequest<unknown>): Promise<Reading | undefined> {
    return this.#store.read(key, [field]).catch(passTrouble);
  }

  async #getInOutage<Value>(request: FillRequest<Value>): Promise<Filled<Value>> {
    const { key, field, load, read, onWait } = request;
    try {
      const { loaded, isShared } = await this.#pastStore.loadInOutage(key, load, onWait);
      return { value: read(loaded.value), outcome: isShared ? 'shared' : 'bypass' };
    } catch (error) {
      const known = usableIn(request, this.#store.lastKnown?.(key, field));
      if (known === undefined) throw error;
      return { value: known.value, outcome: 'stale' };
    }
  }

  /** What lands in time for one who has a stale value; a load that fails is as good as none. */
  async #inSoftTime(
    { softTimeoutMs }: FillRequest<unknown>,
    landing: Promise<Landed>,
  ): Promise<Landed | undefined> {
    try {
      return await landedBy(performance.now() + softTimeoutMs, landing);
    } catch {
      return undefined;
    }
  }

  async #fill(
    request: FillRequest<unknown>,
    before: Usable<unknown> | undefined,
    rules: Pick<Flight<Landed>, 'mayShare'>,
    giveUpAt: number,
  ): Promise<Landed> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const lease = await this.#acquire(request);
      if (lease === 'trouble') break;
      if (lease !== undefined) {
        // Whoever still sees this lease asks before any write that could make the loaded value an old one.
        rules.mayShare = (leaseSeen) => leaseSeen === lease.token;
        const found = usableIn(request, lease.found);
        if (!isNewer(found, before)) return this.#loadUnder(lease, request);
        giveBack(this.#store, lease);
        return { bytes: found.bytes, outcome: 'hit', mayShare: true };
      }
      request.onWait();
      if (before !== undefined) return { bytes: before.bytes, outcome: 'stale', mayShare: true };
      if (performance.now() > giveUpAt) break;

      // Half of the pause is chance, so that waiting processes do not ask in step.
      const randomMs = pauseMs * (0.5 + Math.random() / 2);
      await (this.#store.changeOf?.(request.key, randomMs) ?? sleep(randomMs, undefined, { ref: false }));
      const reading = await this.#look(request);
      if (reading === undefined || reading.isMarked) break;
      const found = usableIn(request, reading.values[0]);
      if (isNewer(found, before)) return { bytes: found.bytes, outcome: 'hit', mayShare: true };
    }
    rules.mayShare = () => false;
    const { value } = await this.#pastStore.load(request.key, request.load, request.onWait);
    return { bytes: value, outcome: 'bypass', mayShare: true };
  }

  /** The lease; undefined while somebody else has it. */
  #acquire({ key, field }: FillRequest<unknown>): Promise<Lease | 'trouble' | undefined> {
    return this.#store.acquire(key, field, this.#options.leaseMs).catch((error: unknown) => {
      passTrouble(error);
      return 'trouble';
    });
  }

  /** A tag that was purged meanwhile shows only at the end: who asked after that must not share. */
  async #loadUnder(lease: Lease, request: FillRequest<unknown>): Promise<Landed> {
    const { loaded, isStored } = await loadUnder(this.#store, lease, this.#options.leaseMs, request.load);
    const mayShare = isStored || (loaded.tags ?? []).length === 0;
    return { bytes: loaded.value, outcome: 'miss', mayShare };
  }
}

function asFilled<Value>({ read }: FindRequest<Value>, { bytes, outcome }: Landed): Filled<Value> {
  return { value: read(bytes), outcome };
}
