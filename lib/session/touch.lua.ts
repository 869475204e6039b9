/** Lets a session live on, and never shorter: another request may have given it longer meanwhile. */
import { defineScript, type Script } from '../core/script.js';

export const touchScript: Script = defineScript(`
-- KEYS[1]  the session
-- ARGV[1]  time to live in ms
local left = redis.call('PTTL', KEYS[1])
if left ~= -2 and left < tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return left
`);
