/** Lets a session live on, and never shorter: another request may have given it longer meanwhile. */
import { defineScript, type Script } from '../core/script.js';

export const touchScript: Script = defineScript(`
-- KEYS[1]  the session
-- ARGV[1]  time to live in ms
-- ARGV[2]  by how many ms it has to have shrunk to be worth a write
local left = redis.call('PTTL', KEYS[1])
local lifetime = tonumber(ARGV[1])
if left ~= -2 and left < lifetime - math.min(tonumber(ARGV[2]), lifetime / 2) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return left
`);
