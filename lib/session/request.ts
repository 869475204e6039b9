/** A node:http request as express-session leaves it. */
import type { IncomingMessage } from 'node:http';
import type { Session, SessionData, Store } from 'express-session';

export interface SessionRequest extends IncomingMessage {
  session?: (Session & Partial<SessionData>) | null | undefined;
  sessionID?: string | undefined;
  sessionStore?: Store;
}
