/** Hears what other processes change in a store, and knows whether it would have heard. */
import { randomBytes } from 'node:crypto';
import type { Guard } from '../core/guard.js';
import { defineScript, runScript } from '../core/script.js';

export interface LinkOptions {
  readonly guard: Guard;
  /** Where the scripts of the store publish. */
  readonly channel: string;
  readonly onChange: (message: string) => void;
  /** Changes may have been missed. */
  readonly onLost: () => void;
}

const BEAT_EVERY_MS = 500;
/** A connection may be gone without a word: changes are missed for no longer than this. */
const HEARD_WITHIN_MS = 2_000;
/** After that long in silence another connection is tried. */
const GIVE_UP_AFTER_MS = 5_000;

const beatScript = defineScript(`
-- KEYS[1] any key   ARGV[1] channel   ARGV[2] message
return redis.call('PUBLISH', ARGV[1], ARGV[2])
`);

/**
 * A beat that this process sends itself through Redis twice a second shows that whatever was published before it has
 * arrived. Without one heard of late, or with the connection lost since, the link is down.
 *
 * It begins with the first `isUp`, and ends with the user's client.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #ownChannel: string;
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;
  #isSubscribing = false;
  /** When the latest beat was sent that came back. */
  #heardSince = Number.NEGATIVE_INFINITY;
  #startedAt = 0;
  /** Beats from before the connection was lost prove nothing. */
  #era = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#ownChannel = `${options.channel}:${randomBytes(9).toString('base64url')}`;
  }

  isUp(): boolean {
    if (this.#timer === undefined) this.#start();
    return performance.now() - this.#heardSince < HEARD_WITHIN_MS;
  }

  #start(): void {
    if (!this.#options.guard.redis.isOpen()) return;
    this.#timer = setInterval(() => this.#keepUp(), BEAT_EVERY_MS).unref();
    this.#keepUp();
  }

  #keepUp(): void {
    if (!this.#options.guard.redis.isOpen()) {
      this.#lose();
      this.#leave();
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else if (this.#unsubscribe === undefined) {
      void this.#subscribe();
    } else {
      this.#beat();
      const isSilent = performance.now() - Math.max(this.#heardSince, this.#startedAt) > GIVE_UP_AFTER_MS;
      if (isSilent) this.#leave();
    }
  }

  async #subscribe(): Promise<void> {
    if (this.#isSubscribing || !this.#options.guard.isUsable()) return;
    this.#isSubscribing = true;
    const { channel, onChange, guard } = this.#options;
    const hear = (message: string, on: string) => {
      if (on === channel) onChange(message);
      else this.#hearBeat(message);
    };
    try {
      this.#unsubscribe = await guard.redis.subscribe([channel, this.#ownChannel], hear, () => this.#lose());
      this.#startedAt = performance.now();
      this.#keepUp();
    } catch {
      // Tried again at the next beat.
    } finally {
      this.#isSubscribing = false;
    }
  }

  #beat(): void {
    const args = [this.#ownChannel, `${this.#era} ${performance.now()}`];
    this.#options.guard
      .run((redis) => runScript(redis, beatScript, [this.#ownChannel], args), this.#ownChannel)
      .catch(() => {});
  }

  #hearBeat(message: string): void {
    const [era, sentAt] = message.split(' ').map(Number);
    if (era === this.#era) this.#heardSince = sentAt ?? Number.NEGATIVE_INFINITY;
  }

  #lose(): void {
    this.#era += 1;
    this.#heardSince = Number.NEGATIVE_INFINITY;
    this.#options.onLost();
  }

  #leave(): void {
    this.#unsubscribe?.().catch(() => {});
    this.#unsubscribe = undefined;
  }
}
