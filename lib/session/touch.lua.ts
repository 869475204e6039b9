/** Lets a session live on, and never shorter: another request may have given it longer meanwhile. */
import { defineScript, type Script } from '../core/script.js';

/** What the script replies where there is no session; as PTTL does. */
export const NO_SESSION = -2;

/** Reply: what was left of its time to live, in ms. */
export const touchScript: Script = defineScript(`
-- KEYS[1]  the session
-- KEYS[2]  its tombstone
-- ARGV[1]  time to live in ms; 0: as it is
-- ARGV[2]  by how many ms it has to have shrunk to be worth a write
if redis.call('EXISTS', KEYS[2]) == 1 then return -2 end
local left = redis.call('PTTL', KEYS[1])
local lifetime = tonumber(ARGV[1])
if left ~= -2 and lifetime > 0 and left < lifetime - math.min(tonumber(ARGV[2]), lifetime / 2) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return left
`);
