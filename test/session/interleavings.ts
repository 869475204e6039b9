/**
 * Two requests on one session, their Redis commands let through one at a time in an order that is given, and what must hold
 * afterwards whatever the order was.
 *
 * Each request has a store of its own, as two processes have.
 */
import { createHmac } from 'node:crypto';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore, type RedisSessionStoreOptions } from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import fc from 'fast-check';
import type { TestClient } from '../support/redis.js';
import { AN_HOUR, type AnySession, PATIENT, plant, TWO_WEEKS } from './support.js';

type Op = 'load' | 'set' | 'set shared' | 'delete' | 'save' | 'remember' | 'touch' | 'login' | 'logout';

/** What each of two requests does after it loaded the session, and which of them goes next whenever both could. */
export interface Interleaving {
  readonly programs: readonly [readonly Op[], readonly Op[]];
  readonly turns: readonly number[];
}

const OPS: readonly Op[] = [
  'load',
  'set',
  'set shared',
  'delete',
  'save',
  'remember',
  'touch',
  'login',
  'logout',
];

const program = fc.array(fc.constantFrom(...OPS, 'set' as const, 'set' as const, 'save' as const), {
  maxLength: 5,
});

export const interleavings: fc.Arbitrary<Interleaving> = fc.record({
  programs: fc.tuple(program, program),
  turns: fc.array(fc.nat({ max: 1 }), { minLength: 12, maxLength: 12 }),
});

/** Who serves the first request and who the second. */
export type Pairing =
  | 'both on connect-redis'
  | 'both here'
  | 'both here, hashed and encrypted'
  | 'one here, one on connect-redis';

const SEALED = {
  hashIds: 'a secret of thirty-two bytes or more',
  encryption: { keys: ['another secret of 32 bytes or more'] },
  absoluteTtlMs: 2 * TWO_WEEKS,
  onConflict: (mine: unknown) => mine,
};

export type Fault = 'resurrected' | 'update lost' | 'logged out' | 'time to live cut';

interface Contender {
  readonly store: RedisStore;
  readonly isOurs: boolean;
  gate: Lane | undefined;
}

/** The stores of one pairing; one interleaving at a time runs on them. */
export class Stage {
  readonly #client: TestClient;
  readonly #prefix: string;
  readonly #contenders: readonly [Contender, Contender];
  readonly #judge: RedisStore;
  readonly #ours: Partial<RedisSessionStoreOptions>;
  #runs = 0;

  constructor(client: TestClient, prefix: string, pairing: Pairing) {
    this.#client = client;
    this.#prefix = prefix;
    this.#ours = { ...PATIENT, ...(pairing === 'both here, hashed and encrypted' ? SEALED : {}) };
    const first = this.#contender(pairing !== 'both on connect-redis');
    this.#contenders = [first, this.#contender(pairing.startsWith('both here'))];
    this.#judge = this.#store(client, first.isOurs);
  }

  /** What went wrong by the doing of ours; where nobody is ours, what went wrong at all. */
  async run({ programs, turns }: Interleaving): Promise<Set<Fault>> {
    this.#runs += 1;
    const sid = `run${this.#runs}`;
    const key = this.#keyOf(sid);
    const [first, second] = this.#contenders;
    const isMixed = first.isOurs !== second.isOurs;
    // The date of the last save has passed, as in a session that was only read since; connect-redis would end it with a save.
    const expires = isMixed ? {} : { expires: new Date(Date.now() - 1000).toISOString() };
    if ('encryption' in this.#ours) {
      const cookie = { originalMaxAge: AN_HOUR, ...expires };
      await this.#judge.set(sid, { cookie, user: 'ada', a: 0, b: 0 } as never);
    } else {
      await plant(this.#client, key, { user: 'ada', a: 0, b: 0 }, expires);
    }

    const requests = this.#contenders.map((contender, i) => new Request(contender, sid, 'ab'[i] as string));
    const lanes = requests.map((request, i) => new Lane(() => request.run(programs[i] as readonly Op[])));
    this.#contenders.forEach((contender, i) => {
      contender.gate = lanes[i];
    });
    const faults = new Set<Fault>();
    let ttlMs = await this.#client.pTTL(key);
    await interleave(lanes, turns, async (lane) => {
      const left = await this.#client.pTTL(key);
      const isOursToAnswerFor = this.#contenders[lane]?.isOurs || !isMixed;
      if (isOursToAnswerFor && left >= 0 && left < ttlMs - 60_000) faults.add('time to live cut');
      ttlMs = left;
    });

    const destroyed = new Set(requests.flatMap((request) => [...request.destroyed]));
    for (const id of destroyed) if (await this.#isThere(id, isMixed)) faults.add('resurrected');
    for (const [i, request] of requests.entries()) {
      if (request.missed.some((id) => !destroyed.has(id))) faults.add('logged out');
      // What connect-redis overwrote is not ours to answer for.
      const mayBeOverwritten = isMixed && i === 0;
      await this.#judgeUpdates(request, destroyed, mayBeOverwritten, faults);
    }
    if (!destroyed.has(sid) && (await this.#judge.get(sid)) === null) faults.add('logged out');
    return faults;
  }

  #keyOf(id: string): string {
    const { hashIds } = this.#ours;
    if (hashIds === undefined) return this.#prefix + id;
    return this.#prefix + createHmac('sha256', SEALED.hashIds).update(id).digest('base64url');
  }

  /** A process on connect-redis may write what it likes; but nobody here reads it. */
  async #isThere(id: string, isMixed: boolean): Promise<boolean> {
    if (!isMixed && (await this.#client.exists(this.#keyOf(id))) > 0) return true;
    return (await this.#judge.get(id)) !== null;
  }

  async #judgeUpdates(
    request: Request,
    destroyed: ReadonlySet<string>,
    mayBeOverwritten: boolean,
    faults: Set<Fault>,
  ): Promise<void> {
    for (const [id, fields] of request.saved) {
      if (destroyed.has(id) || (mayBeOverwritten && id === request.firstId)) continue;
      const session = (await this.#judge.get(id)) as Record<string, unknown> | null;
      for (const [field, value] of fields) if (session?.[field] !== value) faults.add('update lost');
    }
  }

  #contender(isOurs: boolean): Contender {
    const contender: { gate: Lane | undefined } = { gate: undefined };
    const client = stepped(this.#client, () => contender.gate?.pass());
    return Object.assign(contender, { store: this.#store(client, isOurs), isOurs });
  }

  #store(client: TestClient, isOurs: boolean): RedisStore {
    const options = { client, prefix: this.#prefix };
    return isOurs ? new RedisSessionStore({ ...options, ...this.#ours }) : new RedisStore(options);
  }
}

type Generate = (req: { sessionID: string }) => void;

/** One request as express-session runs it: load, the handler's program, and at the end a save or a touch. */
class Request {
  readonly destroyed = new Set<string>();
  /** The ids that it found nothing under. */
  readonly missed: string[] = [];
  /** By id, what a save that was done holds of the fields that only this request changes; undefined: deleted. */
  readonly saved = new Map<string, Map<string, unknown>>();
  readonly firstId: string;
  readonly #store: RedisStore;
  readonly #name: string;
  readonly #req: { sessionID: string; session?: AnySession; sessionStore: RedisStore };
  #changes = new Map<string, unknown>();
  #isChanged = false;
  #count = 0;

  constructor({ store }: Contender, sid: string, name: string) {
    this.#store = store;
    this.firstId = sid;
    this.#name = name;
    this.#req = { sessionID: sid, sessionStore: store };
    // express-session puts it there.
    (store as unknown as { generate: Generate }).generate = (req) => this.#generate(req);
  }

  async run(ops: readonly Op[]): Promise<void> {
    for (const op of ['load', ...ops] as const) await this.#do(op);
    if (this.#req.session === undefined) return;
    await this.#do(this.#isChanged ? 'save' : 'touch');
  }

  async #do(op: Op): Promise<void> {
    const { session } = this.#req;
    if (op === 'load') return this.#load();
    // Logged out: nothing is left to work on.
    if (session === undefined) return;
    if (op === 'set') return this.#change(`${this.#name}${this.#count}`, this.#count);
    if (op === 'delete') return this.#change(this.#name, undefined);
    if (op === 'set shared') return this.#write(session, 'shared', this.#name);
    if (op === 'touch') return this.#touch(session);
    if (op === 'logout') return this.#logout();
    if (op === 'login') await this.#login(session);
    if (op === 'remember') session.cookie.maxAge = TWO_WEEKS;
    await this.#save();
  }

  async #touch(session: AnySession): Promise<void> {
    await this.#store.touch(session.id, session.touch() as never);
  }

  async #load(): Promise<void> {
    const id = this.#req.sessionID;
    this.#changes = new Map();
    this.#isChanged = false;
    const data = this.saved.has(id) || id === this.firstId ? await this.#store.get(id) : undefined;
    if (data === undefined) return;
    if (data !== null) return void this.#store.createSession(this.#req as never, data as SessionData);
    this.missed.push(id);
    this.#generate(this.#req);
  }

  #change(field: string, value: unknown): void {
    const session = this.#req.session as AnySession;
    this.#count += 1;
    this.#changes.set(field, value);
    this.#write(session, field, value);
  }

  #write(session: AnySession, field: string, value: unknown): void {
    this.#isChanged = true;
    if (value === undefined) delete session[field];
    else session[field] = value;
  }

  async #save(): Promise<void> {
    const session = this.#req.session as AnySession;
    await this.#store.set(session.id, session as never);
    const fields = this.saved.get(session.id) ?? new Map<string, unknown>();
    for (const [field, value] of this.#changes) fields.set(field, value);
    this.saved.set(session.id, fields);
    this.#isChanged = false;
  }

  async #login(session: AnySession): Promise<void> {
    this.destroyed.add(session.id);
    await new Promise((resolve) => session.regenerate(resolve));
    this.#change('user', this.#name);
  }

  async #logout(): Promise<void> {
    const { session } = this.#req;
    this.destroyed.add(session?.id as string);
    await new Promise((resolve) => session?.destroy(resolve));
  }

  #generate(req: Parameters<Generate>[0]): void {
    this.#count += 1;
    this.#changes = new Map();
    req.sessionID = `${this.firstId}-${this.#name}${this.#count}`;
    this.#store.createSession(req as never, { cookie: { originalMaxAge: AN_HOUR } } as SessionData);
  }
}

/** One request on its way: it stops before each command until it is let through. */
class Lane {
  #state: 'running' | 'waiting' | 'done' = 'running';
  #failure: unknown;
  #open: () => void = () => {};
  #notify: () => void = () => {};
  readonly #start: () => Promise<void>;

  constructor(start: () => Promise<void>) {
    this.#start = start;
  }

  begin(): void {
    this.#start().then(
      () => this.#become('done'),
      (error) => {
        this.#failure = error;
        this.#become('done');
      },
    );
  }

  /** Called by the client before it sends a command. */
  pass(): Promise<void> {
    const opened = new Promise<void>((resolve) => {
      this.#open = resolve;
    });
    this.#become('waiting');
    return opened;
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  /** Lets it send its command and resolves when it stops before the next one, or is done. */
  async step(): Promise<void> {
    this.#state = 'running';
    this.#open();
    await this.stopped();
  }

  async stopped(): Promise<void> {
    while (this.#state === 'running') {
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #become(state: 'waiting' | 'done'): void {
    this.#state = state;
    this.#notify();
  }
}

async function interleave(
  lanes: readonly Lane[],
  turns: readonly number[],
  stepped: (lane: number) => Promise<void>,
): Promise<void> {
  for (const lane of lanes) {
    lane.begin();
    await lane.stopped();
  }
  for (let step = 0; lanes.some((lane) => lane.isWaiting); step += 1) {
    const wanted = turns[step % turns.length] as number;
    const next = lanes[wanted]?.isWaiting ? wanted : 1 - wanted;
    await lanes[next]?.step();
    await stepped(next);
  }
}

const COMMANDS: readonly unknown[] = ['evalSha', 'eval', 'get', 'set', 'del', 'expire', 'unlink'];

/** The same client, asking before every command. */
function stepped(client: TestClient, pass: () => Promise<void> | undefined): TestClient {
  return new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      if (name === 'withCommandOptions')
        return (options: object) => stepped(value.call(target, options), pass);
      if (!COMMANDS.includes(name)) return value.bind(target);
      return async (...args: unknown[]) => {
        await pass();
        return value.apply(target, args);
      };
    },
  });
}
