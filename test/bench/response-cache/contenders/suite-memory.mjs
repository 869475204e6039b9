// express-redis-suite's responseCache() in this process' memory, in an Express app.

import { responseCache } from 'express-redis-suite/response-cache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const app = newApp();
app.use(responseCache());
app.use(answerPage);
serveBench(app);
