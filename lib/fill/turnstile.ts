/** So many calls at a time, the others in their order: thousands at once would miss their deadlines in their own crowd. */

/** Few enough for any deadline, and enough for 100,000 calls a second to a Redis a millisecond away. */
const CALLS_AT_ONCE = 100;

export class Turnstile {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(atOnce: number = CALLS_AT_ONCE) {
    this.#free = atOnce;
  }

  /** Settles as `call` does. */
  async pass<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((letIn) => this.#waiting.add(letIn));
    try {
      return await call();
    } finally {
      this.#leave();
    }
  }

  /** Whoever waits longest takes the place over, so that nobody who comes just then is before them. */
  #leave(): void {
    const [letIn] = this.#waiting;
    if (letIn === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(letIn);
    letIn();
  }
}
