/** Redis' clock as this process knows it: from the times in Redis' replies, and its own steady clock in between. */

/** After that both may have drifted, or Redis' clock may have been set. */
const KNOWN_FOR_MS = 10 * 60_000;

export class RedisClock {
  readonly #ask: () => Promise<number>;
  /** What to add to `performance.now()`. At first what this host believes. */
  #offsetMs = performance.timeOrigin;
  #learntAt = Number.NEGATIVE_INFINITY;
  #isWanted = false;
  #isAsking = false;

  /** @param ask the time in microseconds, at the cost of a command */
  constructor(ask: () => Promise<number>) {
    this.#ask = ask;
  }

  /** Somebody has asked for the time, and nothing recent is known of it. */
  get mustLearn(): boolean {
    return this.#isWanted && !this.#isKnown();
  }

  /** For calls whose replies say nothing of the time: asks for it, at most once every ten minutes. */
  async askIfUnknown(): Promise<void> {
    if (!this.mustLearn || this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.learn(await this.#ask());
    } catch {
      // The next call asks again.
    } finally {
      this.#isAsking = false;
    }
  }

  /** A reply says what time it was, in microseconds. Replies that took longer only know less. */
  learn(timeUs: number): void {
    const now = performance.now();
    const offsetMs = timeUs / 1000 - now;
    if (this.#isKnown() && offsetMs < this.#offsetMs) return;
    this.#offsetMs = offsetMs;
    this.#learntAt = now;
  }

  /** In milliseconds; never ahead of Redis' own. */
  now(): number {
    this.#isWanted = true;
    return performance.now() + this.#offsetMs;
  }

  #isKnown(): boolean {
    return performance.now() - this.#learntAt < KNOWN_FOR_MS;
  }
}
