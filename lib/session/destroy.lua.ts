/** Destroys a session so that nothing that is still under way brings it back. */
import { defineScript, type Script } from '../core/script.js';

export const destroyScript: Script = defineScript(`
-- KEYS[1]  the session
-- KEYS[2]  its tombstone
-- ARGV[1]  how long the tombstone stands, in ms
local destroyed = redis.call('UNLINK', KEYS[1])
-- A Redis without memory for it still logs out. Empty, which connect-redis takes for nothing.
redis.pcall('SET', KEYS[2], '', 'PX', ARGV[1])
return destroyed
`);
