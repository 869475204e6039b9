/** Get or fill: a key is filled once, however many ask in however many processes, and never behind a write. */
import { setTimeout as sleep } from 'node:timers/promises';
import { giveBack, type Loaded, loadUnder, passTrouble } from './lease.js';
import { type Flight, FollowingFlight, SingleFlight } from './single-flight.js';
import type { FillStore, Lease, Reading } from './store.js';

export interface FillOptions {
  /** How long a lease lasts that nobody renews, in milliseconds: what a process that dies while loading costs. */
  readonly leaseMs: number;
  /** How long to wait for somebody else's load, in milliseconds, before loading alone. */
  readonly waitMs: number;
}

export interface FindRequest<Value> {
  readonly key: string;
  readonly field: string;
  /** Throws on bytes that it cannot read; found in the store, those are a miss. Every caller decodes its own copy. */
  readonly decode: (bytes: Buffer) => Value;
}

export interface FillRequest<Value> extends FindRequest<Value> {
  readonly load: () => Promise<Loaded>;
}

export interface Filled<Value> {
  readonly value: Value;
  /** From the store; loaded and stored; loaded by somebody else; loaded past the store. */
  readonly outcome: 'hit' | 'miss' | 'shared' | 'bypass';
}

interface Landed {
  readonly bytes: Buffer;
  readonly outcome: 'hit' | 'miss' | 'bypass';
}

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

export class Filler {
  readonly #store: FillStore;
  readonly #options: FillOptions;
  readonly #fills = new SingleFlight<Landed>();
  /** Loads while the store cannot be used. */
  readonly #outageLoads = new SingleFlight<Loaded>();
  /** Loads past the store, of keys that are being written. */
  readonly #loadsAround = new FollowingFlight<Loaded>();

  constructor(store: FillStore, options: FillOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** What the key holds, in a box; undefined when there is nothing that may be served. */
  async find<Value>(request: FindRequest<Value>): Promise<{ readonly value: Value } | undefined> {
    const reading = await this.#look(request);
    return decodeFound(request, reading?.values[0]?.bytes);
  }

  /** What the key holds, else what `load` returns; rejects with what `load` rejects with, and with nothing else. */
  async get<Value>(request: FillRequest<Value>): Promise<Filled<Value>> {
    const giveUpAt = performance.now() + this.#options.waitMs;
    for (;;) {
      const reading = await this.#look(request);
      if (reading === undefined) return this.#loadInOutage(request, giveUpAt);
      if (reading.isMarked) return this.getAround(request);
      const found = decodeFound(request, reading.values[0]?.bytes);
      if (found !== undefined) return { value: found.value, outcome: 'hit' };

      const flight = this.#fills.find(request.key);
      if (!flight?.mayShare(reading.leases[0] ?? null)) {
        const own = this.#fills.begin(request.key, (rules) => this.#fill(request, rules, giveUpAt));
        const { bytes, outcome } = await own.landing;
        return { value: request.decode(bytes), outcome };
      }
      const shared = await landedBy(giveUpAt, flight.landing);
      if (shared === undefined) return this.getAround(request);
      // What another call found in the store may be older than this call: look again.
      if (shared.outcome !== 'hit') return { value: request.decode(shared.bytes), outcome: 'shared' };
    }
  }

  /** What `load` returns, past the store and past every load that began before this call. */
  async getAround<Value>(request: FillRequest<Value>): Promise<Filled<Value>> {
    const loaded = await this.#loadAround(request);
    return { value: request.decode(loaded.value), outcome: 'bypass' };
  }

  /** No load that is under way is shared with those who ask from now on. */
  forget(key: string): void {
    this.#fills.forget(key);
    this.#outageLoads.forget(key);
  }

  #look({ key, field }: FindRequest<unknown>): Promise<Reading | undefined> {
    return this.#store.read(key, [field]).catch(passTrouble);
  }

  async #fill<Value>(
    request: FillRequest<Value>,
    rules: Pick<Flight<Landed>, 'mayShare'>,
    giveUpAt: number,
  ): Promise<Landed> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const lease = await this.#acquire(request);
      if (lease === 'trouble') break;
      if (lease !== undefined) {
        // Whoever still sees this lease asks before any write that could make the loaded value an old one.
        rules.mayShare = (leaseSeen) => leaseSeen === lease.token;
        const found = decodeFound(request, lease.found?.bytes);
        if (found === undefined) return this.#loadUnder(lease, request);
        giveBack(this.#store, lease);
        return { bytes: lease.found?.bytes as Buffer, outcome: 'hit' };
      }
      if (performance.now() > giveUpAt) break;

      // Half of the pause is chance, so that waiting processes do not ask in step.
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { ref: false });
      const reading = await this.#look(request);
      if (reading === undefined || reading.isMarked) break;
      const bytes = reading.values[0]?.bytes ?? null;
      if (bytes !== null && decodeFound(request, bytes) !== undefined) return { bytes, outcome: 'hit' };
    }
    rules.mayShare = () => false;
    const loaded = await this.#loadAround(request);
    return { bytes: loaded.value, outcome: 'bypass' };
  }

  /** The lease; undefined while somebody else has it. */
  #acquire({ key, field }: FillRequest<unknown>): Promise<Lease | 'trouble' | undefined> {
    return this.#store.acquire(key, field, this.#options.leaseMs).catch((error: unknown) => {
      passTrouble(error);
      return 'trouble';
    });
  }

  async #loadUnder(lease: Lease, request: FillRequest<unknown>): Promise<Landed> {
    const { value } = await loadUnder(this.#store, lease, this.#options.leaseMs, request.load);
    return { bytes: value, outcome: 'miss' };
  }

  async #loadAround({ key, load }: FillRequest<unknown>): Promise<Loaded> {
    const { landing, isOwn } = this.#loadsAround.run(key, load);
    if (isOwn) return landing;
    return (await landedBy(performance.now() + this.#options.waitMs, landing)) ?? load();
  }

  /** Nobody can tell then what other processes write: an outage is the one time when a load may be shared unchecked. */
  async #loadInOutage<Value>(request: FillRequest<Value>, giveUpAt: number): Promise<Filled<Value>> {
    const { key, load, decode } = request;
    const flight = this.#outageLoads.find(key);
    if (flight === undefined) {
      const own = await this.#outageLoads.begin(key, load).landing;
      return { value: decode(own.value), outcome: 'bypass' };
    }
    const shared = await landedBy(giveUpAt, flight.landing);
    return shared === undefined
      ? this.getAround(request)
      : { value: decode(shared.value), outcome: 'shared' };
  }
}

/** In a box, for a value may be undefined. What cannot be read may be tampered with, or of another version. */
function decodeFound<Value>(
  { decode }: FindRequest<Value>,
  bytes: Buffer | null | undefined,
): { readonly value: Value } | undefined {
  if (bytes === null || bytes === undefined) return undefined;
  try {
    return { value: decode(bytes) };
  } catch {
    return undefined;
  }
}

/** What lands in time, else undefined. */
async function landedBy<Result>(giveUpAt: number, landing: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, giveUpAt - performance.now()), undefined).unref();
  });
  try {
    return await Promise.race([landing, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
