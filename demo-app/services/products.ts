/** The shop's products: read through the cache; a new price is in the database and in the cache before it is confirmed. */
import type { Cache } from 'express-redis-suite/cache-aside';
import type { Sql } from '../database/pool.js';

interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: number;
}

export interface Products {
  /** Fifty rows by primary key: nothing that a cache would make better. */
  list(): Promise<readonly Product[]>;
  find(id: number): Promise<Product | undefined>;
  setPrice(id: number, price: number): Promise<Product | undefined>;
}

const MOST_LISTED = 1000;

export function createProducts(sql: Sql, cache: Cache): Products {
  const keyOf = (id: number) => `product:${id}`;

  return {
    list() {
      return sql<Product[]>`select id, name, price from products order by id limit ${MOST_LISTED}`;
    },

    find(id) {
      return cache.getOrLoad(keyOf(id), async function loadProduct() {
        const [product] = await sql<Product[]>`select id, name, price from products where id = ${id}`;
        return product;
      });
    },

    setPrice(id, price) {
      return cache.writeThrough(keyOf(id), async function updatePrice() {
        const [product] = await sql<Product[]>`
          update products set price = ${price} where id = ${id} returning id, name, price
        `;
        return product;
      });
    },
  };
}
