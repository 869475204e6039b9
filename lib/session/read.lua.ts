/** Reads a session and slides its time to live, in one command. */
import { defineScript, type Script } from '../core/script.js';

/**
 * Reply: nil without a session, else `{ bytes, 1 }`, or `{ bytes, 1, ms }` where the TTL, slid so many ms ago, was slid
 * again, or `{ bytes, 0 }` when the script cannot tell the session's lifetime (another serializer than JSON, or a lifetime
 * that only a function knows) and left its TTL alone.
 */
export const readScript: Script = defineScript(`
-- KEYS[1]  the session
-- KEYS[2]  its tombstone
-- ARGV[1]  lifetime in ms of a session whose cookie has none; 0: slide nothing
-- ARGV[2]  by how many ms a time to live has to have shrunk to be worth a write
-- ARGV[3]  absolute timeout in ms; 0: none
-- ARGV[4]  now, in ms since 1970
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  -- Something else lives at this key: no session. Other errors are Redis' trouble and not for us to hide.
  if string.find(value.err, 'WRONGTYPE', 1, true) then return false end
  return value
end
if not value then return false end
if redis.call('EXISTS', KEYS[2]) == 1 then
  -- Destroyed, and brought back by a process that does not look.
  redis.pcall('UNLINK', KEYS[1])
  return false
end

local fallback = tonumber(ARGV[1])
if fallback == 0 then return { value, 0 } end

-- express-session writes the cookie first, and we the beginning before it; decoding is for those who do not.
local own = string.match(value, '^{"cookie":{"originalMaxAge":([%w.+-]+)[,}]')
local created
if not own then
  created, own = string.match(value, '^{"ers:created":(%d+),"cookie":{"originalMaxAge":([%w.+-]+)[,}]')
end
if not own then
  -- Encrypted: see seal.ts.
  created, own = string.match(value, '^ers1%.[%w_-]+%.(%d*)%.(%d*)%.')
  if own == '' then own = fallback end
end
if not own then
  local isJson, session = pcall(cjson.decode, value)
  local cookie = isJson and type(session) == 'table' and session.cookie
  own = type(cookie) == 'table' and cookie.originalMaxAge
  created = isJson and type(session) == 'table' and session['ers:created']
end
-- express-session writes what the app's options say: expires: false, for one.
if own == 'null' or own == 'false' or own == cjson.null then own = fallback end

local lifetime = tonumber(own or nil)
if not lifetime or not (lifetime >= 1 and lifetime <= 4503599627370496) then return { value, 0 } end

local absolute, now = tonumber(ARGV[3]), tonumber(ARGV[4])
created = tonumber(created or nil)
if absolute > 0 and created then
  lifetime = math.min(lifetime, math.min(created, now) + absolute - now)
  -- Over: whoever asked sees to that.
  if not (lifetime >= 1) then return { value, 1 } end
end
local left = redis.call('PTTL', KEYS[1])
if left < lifetime - math.min(tonumber(ARGV[2]), lifetime / 2) then
  -- A replica, or a Redis that cannot write just now, still serves the session.
  redis.pcall('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(lifetime)))
  return { value, 1, math.floor(lifetime - left) }
end
return { value, 1 }
`);
