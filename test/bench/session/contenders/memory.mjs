// express-session with its own MemoryStore: no Redis at all.

import session from 'express-session';
import { common, serveSessions } from './app.mjs';

serveSessions(session({ ...common, store: new session.MemoryStore() }));
