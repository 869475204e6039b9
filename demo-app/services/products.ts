/** The shop's products: read through the cache, one or all; a new price is in the database and in the cache before it is confirmed. */
import type { Cache, RowChange } from 'express-redis-suite/cache-aside';
import type { Sql } from '../database/pool.js';
import type { Events } from '../events/events.js';

interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: number;
}

export interface Products {
  /** Which there are, from the database; what each is, from the cache, and in one query what the cache does not have. */
  list(): Promise<readonly Product[]>;
  find(id: number): Promise<Product | undefined>;
  setPrice(id: number, price: number): Promise<Product | undefined>;
}

const MOST_LISTED = 1000;
/** On everything cached here: what goes when changes may have been missed. */
export const PRODUCT_TAG = 'products';
const TAGGED = { tags: [PRODUCT_TAG] };
const PREFIX = 'product:';

/** A new price is published once it is in the database and in the cache. */
export function createProducts(sql: Sql, cache: Cache, events: Pick<Events, 'publish'>): Products {
  return {
    async list() {
      const rows = await sql<{ id: number }[]>`select id from products order by id limit ${MOST_LISTED}`;
      const products = await cache.loadMany<Product>(
        rows.map(({ id }) => keyOf(id)),
        async function loadMissing(keys) {
          const missing = await sql<Product[]>`
            select id, name, price from products where id in ${sql(keys.map(idOf))}
          `;
          return missing.map((product) => [keyOf(product.id), product] as const);
        },
        TAGGED,
      );
      return [...products.values()].filter((product) => product !== undefined);
    },

    find(id) {
      return cache.getOrLoad(
        keyOf(id),
        async function loadProduct() {
          const [product] = await sql<Product[]>`select id, name, price from products where id = ${id}`;
          return product;
        },
        TAGGED,
      );
    },

    async setPrice(id, price) {
      const product = await cache.writeThrough(
        keyOf(id),
        async function updatePrice() {
          const [product] = await sql<Product[]>`
          update products set price = ${price} where id = ${id} returning id, name, price
        `;
          return product;
        },
        TAGGED,
      );
      if (product !== undefined) events.publish({ kind: 'price', ...product });
      return product;
    },
  };
}

/** The keys of the cache that a changed row of this table concerns. */
export function productKeysOf({ table, key }: RowChange): string[] {
  return table === 'products' ? [PREFIX + key.id] : [];
}

function keyOf(id: number): string {
  return PREFIX + id;
}

function idOf(key: string): number {
  return Number(key.slice(PREFIX.length));
}
