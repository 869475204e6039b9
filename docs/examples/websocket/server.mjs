// A WebSocket for those who are logged in, its messages limited per user: node docs/examples/websocket/server.mjs

import http from 'node:http';
import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { login, sessions } from 'express-redis-suite/session';
import { WebSocketServer } from 'ws';

const { PORT = '3000', REDIS_URL, SESSION_SECRET = 'only for trying it out' } = process.env;
const client = await connectRedis({ url: REDIS_URL });
const session = sessions({ client, secret: SESSION_SECRET });
const messages = rateLimit({ client, name: 'messages', windowMs: 10_000, limit: 5 });

const app = express();
app.use(session);
app.post('/login/:name', async (req, res) => {
  await login(req, { name: req.params.name });
  res.sendStatus(204);
});

const server = http.createServer(app);
const sockets = new WebSocketServer({ noServer: true, maxPayload: 16 * 1024 });

server.on('upgrade', (req, socket, head) => {
  const refuse = (status) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  socket.on('error', () => socket.destroy());
  session(req, {}, (error) => {
    if (error) return refuse('503 Service Unavailable');
    const { name } = req.session;
    if (!name) return refuse('401 Unauthorized');
    sockets.handleUpgrade(req, socket, head, (webSocket) => talk(webSocket, name));
  });
});

function talk(webSocket, name) {
  webSocket.on('error', () => webSocket.terminate());
  webSocket.on('message', async (message) => {
    const { isAllowed, retryAfterMs } = await messages.consume(`user:${name}`);
    webSocket.send(isAllowed ? `${name} said ${message}` : `wait ${Math.ceil(retryAfterMs / 1000)} s`);
  });
}

server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
