/** Takes hits back from the sliding window inside Redis; window.lua.ts says what a key looks like. */
import { defineScript, type Script } from '../core/script.js';

/** What one request took, and nobody else's. The entries after it count on from less. */
export const refundScript: Script = defineScript(`
-- KEYS[1]  the client's hits
-- ARGV[1]  mark: the time of the request's entry; 'newest' when nobody knows which it was
-- ARGV[2]  cost: the units the request took
-- ARGV[3]  the longest window, in microseconds
-- returns  the units taken back
local call, key = redis.call, KEYS[1]
local mark = ARGV[1]
if type(redis.pcall('ZCARD', key)) ~= 'number' then return 0 end
if mark == 'newest' then mark = call('ZREVRANGEBYSCORE', key, '(inf', '-inf', 'LIMIT', '0', '1')[1] end
local rank = mark and call('ZRANK', key, mark)
if not rank then return 0 end

local time = call('TIME')
if (tonumber(mark) or 0) <= time[1] * 1000000 + time[2] - ARGV[3] then return 0 end

local before = rank > 0 and tonumber(call('ZRANGE', key, rank - 1, rank - 1, 'WITHSCORES')[2]) or 0
local weight = call('ZSCORE', key, mark) - before
local units = math.min(weight, ARGV[2] + 0)
local entries = call('ZRANGE', key, rank, '-1', 'WITHSCORES')
if units == weight then call('ZREM', key, mark) end
for i = units == weight and 3 or 1, #entries, 2 do
  -- A key that is shut stays shut.
  if entries[i + 1] ~= 'inf' then call('ZADD', key, entries[i + 1] - units, entries[i]) end
end
return units
`);
