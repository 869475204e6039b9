/** The dashboard's page. It is complete without numbers; those come over the stream and what the scripts ask for. */
import { type Html, html } from './html.js';
import {
  cachePanel,
  eventsPanel,
  limitsPanel,
  type PageFacts,
  redisPanel,
  reportPanel,
  sessionPanel,
  shopPanel,
} from './panels.js';

export function dashboardPage(facts: PageFacts): string {
  return String(html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>express-redis-suite: live demo</title>
  <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/uplot/uPlot.min.css">
  <link rel="stylesheet" href="/assets/style.css">
  <script type="module" src="/assets/main.js"></script>
</head>
<body>
  <a class="skip" href="#panels">Skip to the panels</a>
  ${header(facts)}
  <main id="panels" class="grid">
    ${reportPanel()}
    ${redisPanel(facts)}
    ${limitsPanel(facts)}
    ${cachePanel()}
    ${sessionPanel(facts)}
    ${shopPanel(facts)}
    ${eventsPanel()}
  </main>
  <footer>
    <p>Everything here is measured by this process and comes from this server. <a href="/metrics">/metrics</a>
      has the counters for Prometheus, <a href="/readyz">/readyz</a> the health, and
      <code>curl ${'http://…/'}</code> the list of routes.</p>
  </footer>
</body>
</html>
`);
}

function header({ hasRedis }: PageFacts): Html {
  return html`<header class="top">
    <div>
      <h1>express-redis-suite</h1>
      <p class="lead">A small shop behind a rate limiter, a session store and a response cache, live.</p>
    </div>
    <ul class="pills" aria-label="State">
      <li><span id="stream-state" class="pill" role="status" data-state="wait">connecting…</span></li>
      <li><span id="redis-pill" class="pill" role="status" data-state="wait">${hasRedis ? 'Redis …' : 'no Redis: in this process'}</span></li>
    </ul>
    <noscript><p class="note">This page draws what happens while it happens: it needs JavaScript.</p></noscript>
  </header>`;
}
