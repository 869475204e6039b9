/** Reads a session and slides its time to live, in one command. */
import { defineScript, type Script } from '../core/script.js';

/**
 * Reply: nil without a session, else `{ bytes, 1 }`, or `{ bytes, 0 }` when the script cannot tell the session's
 * lifetime (another serializer than JSON, or a lifetime that only a function knows) and left its TTL alone.
 */
export const readScript: Script = defineScript(`
-- KEYS[1]  the session
-- ARGV[1]  lifetime in ms of a session whose cookie has none; 0: slide nothing
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  -- Something else lives at this key: no session. Other errors are Redis' trouble and not for us to hide.
  if string.find(value.err, 'WRONGTYPE', 1, true) then return false end
  return value
end
if not value then return false end

local fallback = tonumber(ARGV[1])
if fallback == 0 then return { value, 0 } end

-- express-session writes the cookie first; decoding is for those who do not.
local own = string.match(value, '^{"cookie":{"originalMaxAge":([%d.eE+-]+)[,}]')
if not own and string.find(value, '^{"cookie":{"originalMaxAge":null[,}]') then own = fallback end
if not own then
  local isJson, session = pcall(cjson.decode, value)
  local cookie = isJson and type(session) == 'table' and session.cookie
  own = type(cookie) == 'table' and cookie.originalMaxAge
  if own == cjson.null then own = fallback end
end

local lifetime = tonumber(own or nil)
if not lifetime or not (lifetime >= 1 and lifetime <= 4503599627370496) then return { value, 0 } end
if redis.call('PTTL', KEYS[1]) < lifetime then
  -- A replica, or a Redis that cannot write just now, still serves the session.
  redis.pcall('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(lifetime)))
end
return { value, 1 }
`);
