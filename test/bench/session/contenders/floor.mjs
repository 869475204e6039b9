// What a session in Redis costs at least: express-session over one GETEX, one SET, and a touch that does nothing.

import session from 'express-session';
import { createClient } from 'redis';
import { common, serveSessions } from './app.mjs';

const LIFETIME_MS = common.cookie.maxAge;
const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();

class MinimalStore extends session.Store {
  /** @type {import('express-session').Store['get']} */
  get(sid, callback) {
    client
      .getEx(`floor:${sid}`, { type: 'PX', value: LIFETIME_MS })
      .then((text) => callback(null, text === null ? null : JSON.parse(text)), callback);
  }

  /** @type {import('express-session').Store['set']} */
  set(sid, data, callback) {
    client
      .set(`floor:${sid}`, JSON.stringify(data), { expiration: { type: 'PX', value: LIFETIME_MS } })
      .then(() => callback?.(), callback);
  }

  /** @type {import('express-session').Store['destroy']} */
  destroy(sid, callback) {
    client.unlink(`floor:${sid}`).then(() => callback?.(), callback);
  }

  /** @type {NonNullable<import('express-session').Store['touch']>} */
  touch(_sid, _data, callback) {
    callback?.();
  }
}

serveSessions(session({ ...common, store: new MinimalStore() }));
