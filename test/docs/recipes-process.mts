/** Runs a snippet of docs/recipes.md, given as a path, with what the page takes for granted, and serves its app. */
import 'reflect-metadata';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';
import { login } from 'express-redis-suite/session';
import { buildSchema } from 'graphql';
import passport from 'passport';
import { Strategy } from 'passport-local';

const app = express();
const server = http.createServer();
let runs = 0;
const report = async () => ({ run: ++runs });

passport.use(new Strategy((id, password, done) => done(null, password === 'right' ? { id } : false)));
passport.serializeUser((user, done) => done(null, (user as { id: string }).id));
passport.deserializeUser((id: string, done) => done(null, { id }));

class Reports {}
// What `@Controller('reports')` and `@Get()` do, where decorators are not compiled.
Object.assign(Reports.prototype, { read: report });
Controller('reports')(Reports);
Get()(Reports.prototype, 'read', Object.getOwnPropertyDescriptor(Reports.prototype, 'read') as never);
class AppModule {}
Module({ controllers: [Reports] })(AppModule);

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));

Object.assign(globalThis, {
  app,
  server,
  report,
  AppModule,
  client: await connectRedis({ url: process.env.REDIS_URL as string }),
  schema: buildSchema('type Query { hello: String }'),
  rootValue: { hello: 'world' },
});
const snippet = await import(process.argv[2] as string);

const served = snippet.app ?? app;
if ('getHttpServer' in served) {
  tellPort(served.getHttpServer());
} else {
  served.post('/login', async (req: express.Request, res: express.Response) => {
    await login(req, { userId: 'ada' } as never);
    res.end();
  });
  served.get('/', (_req: unknown, res: express.Response) => void res.send('hello'));
  served.get('/cached', async (_req: unknown, res: express.Response) => {
    res.set('Cache-Control', 'public, max-age=60').json(await report());
  });
  const front: http.Server | undefined = snippet.front;
  server.on('request', async function route(req, res) {
    if (req.url === '/exported') return res.end(await exported());
    if (front === undefined) return served(req, res);
    front.emit('request', req, res);
  });
  server.listen(0, '127.0.0.1', () => tellPort(server));
}

function tellPort(listening: http.Server): void {
  process.stdout.write(`listening on ${(listening.address() as AddressInfo).port}\n`);
}

/** The attributes of each point, and how often it was. */
async function exported(): Promise<string> {
  await reader.forceFlush();
  const all = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  const points = all.flatMap(({ descriptor: { name }, dataPoints }) =>
    dataPoints.map(({ attributes, value }) => ({
      name,
      attributes,
      count: (value as { count?: number }).count,
    })),
  );
  return JSON.stringify(points);
}
