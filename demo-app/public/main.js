/** Starts the panels and hands each what the stream brings. */
import { showCounts, startCounters } from './counters.js';
import { startLoad } from './load.js';
import { addSample, showSamples, startPlots } from './plots.js';
import { showOutages, showPing, startRedis } from './redis.js';
import { ask } from './server.js';
import { look, startSession } from './session.js';
import { shopEvents, showPrices, startShop } from './shop.js';
import { followStream } from './stream.js';
import { startWindows } from './windows.js';

startPlots();
startCounters();
startWindows();
startLoad();
startSession();
startShop();
startRedis();

followStream({
  async open() {
    look();
    const [samples, prices] = await Promise.all([ask('/dashboard/samples'), ask('/dashboard/prices')]);
    if (prices.ok) showPrices(prices.body);
    if (!samples.ok) return;
    showSamples(samples.body.samples);
    const last = samples.body.samples.at(-1);
    if (last !== undefined) showCounts(last);
  },
  sample(sample) {
    addSample(sample);
    showCounts(sample);
    showPing(sample);
  },
  redis: showOutages,
  ...shopEvents,
});
