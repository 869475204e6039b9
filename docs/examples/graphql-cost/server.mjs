// A GraphQL query costs as many units as it may load rows: node docs/examples/graphql-cost/server.mjs
//
//   curl -i -H 'content-type: application/json' -d '{"query":"{ books(first: 50) { title } }"}' http://127.0.0.1:3000/graphql

import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { buildSchema, execute, GraphQLError, Kind, parse, validate } from 'graphql';

const { PORT = '3000', REDIS_URL } = process.env;
const client = await connectRedis({ url: REDIS_URL });

const UNITS_A_MINUTE = 500;
const MOST_TOKENS = 1_000;
const MOST_ROWS = 100;
const DEFAULT_ROWS = 10;

const schema = buildSchema(`
  type Book { title: String! }
  type Query { books(first: Int = ${DEFAULT_ROWS}): [Book!]! }
`);
const rootValue = {
  books: ({ first }) =>
    Array.from({ length: Math.min(first, MOST_ROWS) }, (_, index) => ({ title: `Book ${index + 1}` })),
};

const app = express();
app.post(
  '/graphql',
  express.json(),
  function read(req, _res, next) {
    Object.assign(req, readQuery(req.body?.query));
    next();
  },
  rateLimit({
    client,
    name: 'graphql',
    windowMs: 60_000,
    limit: UNITS_A_MINUTE,
    standardHeaders: 'draft-8',
    cost: (req) => (req.document ? costOf(req.document, req.body.variables) : 1),
  }),
  async function answer(req, res) {
    if (!req.document) return res.status(400).json({ errors: req.errors });
    const variableValues = req.body.variables;
    res.json(await execute({ schema, document: req.document, rootValue, variableValues }));
  },
);

/** The query, parsed once, or what is wrong with it. */
function readQuery(query) {
  try {
    const document = parse(String(query), { maxTokens: MOST_TOKENS });
    const errors = validate(schema, document);
    return errors.length > 0 ? { errors } : { document };
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [error] };
    throw error;
  }
}

/** A field costs one unit, and what is below it as often as there may be rows; a fragment each time that it is spread. */
function costOf(document, variables = {}) {
  const fragments = new Map();
  const operations = [];
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one.selectionSet);
    else operations.push(one.selectionSet);
  }

  const known = new Map();
  function costOfSpread(name) {
    if (!known.has(name)) known.set(name, costOfFields(fragments.get(name)));
    return known.get(name);
  }
  function costOfFields(fields) {
    let cost = 0;
    for (const field of fields.selections) {
      if (field.kind === Kind.FRAGMENT_SPREAD) cost += costOfSpread(field.name.value);
      else if (field.kind === Kind.INLINE_FRAGMENT) cost += costOfFields(field.selectionSet);
      else cost += 1 + (field.selectionSet ? rowsOf(field) * costOfFields(field.selectionSet) : 0);
    }
    return cost;
  }
  function rowsOf(field) {
    const first = field.arguments.find(({ name }) => name.value === 'first')?.value;
    if (first === undefined) return DEFAULT_ROWS;
    const rows = first.kind === Kind.VARIABLE ? variables?.[first.name.value] : Number(first.value);
    return Number.isInteger(rows) ? Math.min(Math.max(rows, 0), MOST_ROWS) : MOST_ROWS;
  }
  return Math.min(Math.max(1, ...operations.map(costOfFields)), UNITS_A_MINUTE + 1);
}

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
