// One of several processes that hit one limiter: prints the mark of each accepted request, and what was used at each denial.
import { rateLimit } from 'express-redis-suite/rate-limit';
import { createClient } from 'redis';

const [url = '', namespace = '', windowMs = '', limit = '', hits = '', skewMs = '0'] = process.argv.slice(2);

// The clocks of app hosts may be far off; Redis' own decides.
const now = Date.now;
Date.now = () => now() + Number(skewMs);

const client = createClient({ url });
client.on('error', () => {});
await client.connect();
const limiter = rateLimit({
  client,
  namespace,
  windowMs: Number(windowMs),
  limit: Number(limit),
  deadlineMs: 10_000,
});
// All begin together.
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
process.stdin.pause();

const accepted: number[] = [];
const usedAtDenials: number[] = [];
let missed = 0;
for (let sent = 0; sent < Number(hits); sent += 10) {
  const burst = Array.from({ length: 10 }, () => limiter.consume('me'));
  for (const { isAllowed, token, used, source } of await Promise.all(burst)) {
    if (source === 'memory') missed += 1;
    else if (isAllowed) accepted.push(token?.mark ?? 0);
    else if (source === 'redis') usedAtDenials.push(used);
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
}
process.stdout.write(`${JSON.stringify({ accepted, usedAtDenials, missed })}\n`);
client.destroy();
