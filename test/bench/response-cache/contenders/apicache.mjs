// apicache in this process' memory, its fastest way.

import apicache from 'apicache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const app = newApp();
app.use(apicache.middleware('1 hour'));
app.use(answerPage);
serveBench(app);
