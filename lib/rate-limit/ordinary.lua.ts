/** The ordinary request inside Redis: one window, with room in it. It is decided first, and with the fewest commands. */

/**
 * A part of the script in window.lua.ts, whose names it uses: returns its answer, or leaves it to what follows. What it
 * has seen of the first entries stays in `head`.
 */
export const ordinaryLua = `
local head
if last[1] and record ~= '0' and span == 0 and cost > 0 and not ARGV[7] then
  newest, total = tonumber(last[1]), last[2] + cost
  -- Less than a window apart, the one is before the other within a window's slot only when they share it: then the TTL
  -- will do, see keep.
  if newest and newest < clock and newest > clock - longest and newest % longest < clock % longest then
    local limit, cutoff = ARGV[6] + 0, clock - longest
    local base, oldest
    if total <= limit then
      -- Mostly none of the hits has left.
      first = tonumber(call('ZRANGE', key, '0', '0')[1])
      if first and first > cutoff and first <= newest then base, oldest = 0, first end
    else
      -- Or some have. Those are dropped when they are three; until then the newest of them says where counting starts.
      head = call('ZRANGE', key, '0', '5', 'WITHSCORES')
      local i, before, taken = 1, nil, tonumber(head[1])
      while taken and taken <= cutoff do
        i, before, taken = i + 2, head[i + 1], tonumber(head[i + 2])
      end
      if before and taken and i <= 7 then base, oldest = before + 0, taken end
    end
    if base and total - base <= limit and base < 5e14 then
      call('ZADD', key, total, now)
      return { 1, 0, clock, total - base, oldest + longest - clock, 0 }
    end
  end
end
`;
