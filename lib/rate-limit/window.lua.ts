/** The sliding window inside Redis: one script decides and records, another takes back. */
import { defineScript, type Script } from '../core/script.js';

/**
 * A key is a sorted set of live units. A unit's member and score are the same number: the microsecond it was taken, by
 * Redis' clock. Times strictly increase, so that no two units collapse into one and a time identifies a request. As
 * integers, up to 128 units stay in a listpack of 20 bytes each; and reading members, not scores, spares the formatting
 * of floats.
 *
 * `%.0f` because Lua's tostring keeps 14 digits of 16.
 */
export const takeScript: Script = defineScript(`
-- KEYS[1]  the client's units
-- ARGV[1]  cost: the units this request takes
-- ARGV[2]  record: '0' nothing, '1' when allowed, '2' rejected requests too
-- ARGV[3]  window, in microseconds
-- ARGV[4]  limit, in units
-- returns  { allowed: 1 or 0, retry: microseconds or -1 for never, mark: first unit's time or 0, used, reset: microseconds }
local call = redis.call
local key, record = KEYS[1], ARGV[2]
local cost, window, limit = ARGV[1] + 0, ARGV[3] + 0, ARGV[4] + 0

local time = call('TIME')
local clock = time[1] * 1000000 + time[2]
-- What a new unit is stamped with; never less than a stamp before it, whatever the clock did.
local now = clock
-- Units leave by the clock alone, and never early.
local cutoff = clock - window
local used = 0
local newest, oldest

local function integer(number) return string.format('%.0f', number) end
local function keep() call('PEXPIRE', key, integer((2 * window + now - clock) / 1000 + 1000)) end

local last = redis.pcall('ZRANGE', key, '-1', '-1')
if last.err then
  if not string.find(last.err, 'WRONGTYPE', 1, true) then return last end
  call('UNLINK', key)
elseif last[1] then
  newest = tonumber(last[1]) or -1
  if not (newest >= 0 and newest < 9007199254740992) then
    -- Not ours: begin anew rather than fail for ever.
    call('UNLINK', key)
    newest = nil
  elseif newest >= clock then
    -- Costs run ahead of the clock by a microsecond a unit, so by \`limit\` at most.
    if newest - clock > window + limit then
      -- The clock went back by more than a window (a failover, a restored machine). Move the hits back with it, keeping
      -- their distances, or the client would wait for the clock to catch up.
      local shift = newest - clock
      local units = call('ZRANGE', key, '0', '-1')
      call('UNLINK', key)
      for i = 1, #units do
        local moved = integer((tonumber(units[i]) or 0) - shift)
        call('ZADD', key, moved, moved)
      end
      keep()
      newest = clock
    end
    now = newest + 1
  end
end

if newest then
  oldest = tonumber(call('ZRANGE', key, '0', '0')[1]) or 0
  if oldest <= cutoff then
    call('ZREMRANGEBYSCORE', key, '-inf', integer(cutoff))
    oldest = call('ZRANGE', key, '0', '0')[1]
    oldest = oldest and (tonumber(oldest) or 0)
    if oldest and oldest <= cutoff then
      -- Its score is not its time, so it is not ours either.
      call('UNLINK', key)
      newest, oldest = nil, nil
    end
  end
  if oldest then used = call('ZCARD', key) end
end

local allowed = used + cost <= limit
local units = 0
if allowed and record ~= '0' then
  units = cost
elseif record == '2' then
  units = math.min(cost, limit)
end

if units == 1 then
  local text = integer(now)
  call('ZADD', key, text, text)
elseif units > 1 then
  local final = now + units - 1
  for first = now, final, 1000 do
    local added = {}
    for unit = first, math.min(first + 999, final) do
      added[#added + 1] = integer(unit)
      added[#added + 1] = added[#added]
    end
    call('ZADD', key, unpack(added))
  end
end

if units > 0 then
  -- Two windows from the first hit in each window: one PEXPIRE per window outlives every hit in it.
  if not newest or math.floor(newest / window) ~= math.floor(now / window) then keep() end
  oldest = oldest or now
  used = used + cost
end

local retry = 0
if not allowed then
  local live = used
  if units > 0 then
    -- Only the newest \`limit\` units decide anything.
    call('ZREMRANGEBYRANK', key, '0', integer(-limit - 1))
    oldest = tonumber(call('ZRANGE', key, '0', '0')[1])
    live = math.min(used, limit)
  end
  retry = -1
  if cost <= limit then
    local leaves = live + cost - limit - 1
    retry = (tonumber(call('ZRANGE', key, leaves, leaves)[1]) or now) + window - clock
  end
end

return { allowed and 1 or 0, retry, units > 0 and now or 0, used, oldest and oldest + window - clock or window }
`);

/** The units of one request are neighbours in time, and nobody else's lie between them. */
export const refundScript: Script = defineScript(`
-- KEYS[1]  the client's units
-- ARGV[1]  time of the request's first unit
-- ARGV[2]  time of its last
-- returns  the units taken back
local removed = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2])
return type(removed) == 'number' and removed or 0
`);
