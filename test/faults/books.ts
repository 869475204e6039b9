/** What customers and shopkeepers of the demo were told is done, and whether it is. */
import type { Shop } from '../demo-app/support.js';
import type { Served } from '../support/http.js';
import type { Losses } from './traffic.js';

/** Orders that were confirmed. */
export class Orders {
  readonly #confirmed: number[] = [];

  confirm(id: number): void {
    this.#confirmed.push(id);
  }

  async missing({ sql }: Shop): Promise<number> {
    const rows = await sql<{ id: number }[]>`
      select id from orders where id = any(string_to_array(${this.#confirmed.join()}, ',')::integer[])
    `;
    return this.#confirmed.length - rows.length;
  }
}

/** One product's price, and its only writer, who looks after each change whether it is there. */
export class Price {
  readonly #served: Served;
  readonly #path: string;
  readonly #id: number;
  readonly #losses: Losses;
  #price = 1;
  #isConfirmed = false;
  #isToCheck = false;
  /** The last one confirmed, and those tried since: any of them may be there. */
  #possible: number[] = [];

  constructor(served: Served, id: number, losses: Losses) {
    this.#served = served;
    this.#path = `/api/products/${id}`;
    this.#id = id;
    this.#losses = losses;
  }

  visit(): Promise<number> {
    return this.#isToCheck ? this.#check() : this.#change();
  }

  async #change(): Promise<number> {
    this.#price = Math.round(100 * this.#price + 1) / 100;
    this.#possible.push(this.#price);
    const body = { price: this.#price };
    const { status } = await this.#served.send(`${this.#path}/price`, { method: 'PUT', body });
    this.#isToCheck = status === 200;
    if (status !== 200) return status;
    this.#isConfirmed = true;
    this.#possible = [this.#price];
    return status;
  }

  async #check(): Promise<number> {
    this.#isToCheck = false;
    const reply = await this.#served.get(this.#path);
    if (reply.status === 200 && reply.json().price !== this.#price) this.#losses.writes += 1;
    return reply.status;
  }

  /** In the table, and in what is served of it. */
  async missing({ sql }: Shop): Promise<number> {
    if (!this.#isConfirmed) return 0;
    const [row] = await sql<{ price: number }[]>`select price from products where id = ${this.#id}`;
    const served = (await this.#served.get(this.#path)).json() as { price?: number };
    return Number(!this.#possible.includes(row?.price as number)) + Number(served.price !== row?.price);
  }
}
