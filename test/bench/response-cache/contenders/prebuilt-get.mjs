// The least that a cache in Redis can do under Express: a middleware that answers the bytes of one GET.

import { createClient, RESP_TYPES } from 'redis';
import { serveBench } from '../../contender-process.mjs';
import { answerBytes, newApp, PAGES } from './app.mjs';

const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
const keyOf = (path) => `prebuilt-${process.pid}:${path}`;
for (const [path, page] of Object.entries(PAGES)) await client.set(keyOf(path), page);

serveBench(
  newApp().use((req, res, next) => {
    bytes.get(keyOf(req.path)).then((page) => answerBytes(res, page), next);
  }),
);
