// apicache in this process' memory, its fastest way: with Redis it needs a client that node-redis has not been for years.

import apicache from 'apicache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const app = newApp();
app.use(apicache.middleware('1 hour'));
app.use(answerPage);
serveBench(app);
