// Loaded before every test file: whatever a test started is gone when it ends.

import { afterAll, afterEach } from '@jest/globals';
import { runCleanUps } from './cleanup.js';
import { stopAllServers } from './redis-server.js';

// Every clean-up is bounded by itself; jest's own limit must not cut off the last ones.
const ALL_WITHIN_MS = 60_000;

afterEach(runCleanUps, ALL_WITHIN_MS);
afterAll(stopAllServers, ALL_WITHIN_MS);
