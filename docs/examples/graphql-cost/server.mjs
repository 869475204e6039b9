// A GraphQL query costs as many units as it may load rows: node docs/examples/graphql-cost/server.mjs
//
//   curl -i -H 'content-type: application/json' -d '{"query":"{ books(first: 50) { title } }"}' http://127.0.0.1:3000/graphql

import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { buildSchema, graphql, parse, visit } from 'graphql';

const { PORT = '3000', REDIS_URL } = process.env;
const client = await connectRedis({ url: REDIS_URL });

const UNITS_A_MINUTE = 500;
const MOST_TOKENS = 1_000;
const MOST_ROWS = 100;

const schema = buildSchema('type Book { title: String! } type Query { books(first: Int = 10): [Book!]! }');
const rootValue = {
  books: ({ first }) =>
    Array.from({ length: Math.min(first, MOST_ROWS) }, (_, index) => ({ title: `Book ${index + 1}` })),
};

/** One unit for each field, `first` of them where there is one. What is no GraphQL costs one unit. */
function costOf(query) {
  let cost = 0;
  try {
    visit(parse(String(query), { maxTokens: MOST_TOKENS }), {
      Field(field) {
        const first = field.arguments?.find(({ name }) => name.value === 'first')?.value;
        // A variable may become anything, so it costs the most.
        cost +=
          first?.kind === 'IntValue'
            ? Math.min(Math.abs(Number(first.value)), MOST_ROWS)
            : first
              ? MOST_ROWS
              : 1;
      },
    });
  } catch {
    // The server below says what is wrong with it.
  }
  return Math.max(1, cost);
}

const app = express();
app.post(
  '/graphql',
  express.json(),
  rateLimit({
    client,
    name: 'graphql',
    windowMs: 60_000,
    limit: UNITS_A_MINUTE,
    standardHeaders: 'draft-8',
    cost: (req) => costOf(req.body?.query),
  }),
  async (req, res) => {
    const { query, variables } = req.body ?? {};
    res.json(await graphql({ schema, rootValue, source: String(query), variableValues: variables }));
  },
);

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
