/** Sessions on Redis: a drop-in for connect-redis, and express-session made safe around it. */
export type { Serializer } from './codec.js';
export type { Device } from './devices.js';
export type { SessionState } from './known.js';
export { login, logout, type SessionFields } from './login.js';
export type { DecideConflict } from './merge.js';
export { type SessionsMiddleware, sessions } from './middleware.js';
export type { HashSecrets } from './names.js';
export type { OldStore } from './old-store.js';
export type { RedisSessionStoreOptions } from './options.js';
export type { EncryptionOptions } from './seal.js';
export type { SessionsOptions } from './settings.js';
export { RedisSessionStore } from './store.js';
export type { UserId, UserSession } from './user-entry.js';
