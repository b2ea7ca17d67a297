-- A breaker. KEYS: state (hash: state, until, openings, probe; generation, which counts how
-- often it was closed), counts (hash: slot of time and outcome to number). Closed is when there
-- is no state.
-- ARGV 1: window in s; 2: failures that open; 3: their least part of the window's
-- calls; 4: cool-down in s; 5: its ceiling; 6: a probe's lease in s; 7: holder.
local STATE, COUNTS = KEYS[1], KEYS[2]
local WINDOW, THRESHOLD, PART = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local COOL_DOWN, CEILING, LEASE = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local HOLDER = ARGV[7]
local SLOTS = 10 -- the window slides by a tenth of itself

local now, breaker = server_time(), hash(STATE)
local state = breaker.state or 'closed'
local ends = tonumber(breaker['until'] or 0) -- of the cool-down, or of the probe's lease
local generation = breaker.generation or '0'

local function write(...)
  redis.call('HSET', STATE, ...)
  redis.call('EXPIRE', STATE, math.ceil(math.max(86400, 2 * CEILING, 2 * LEASE)))
end

local function slot_now()
  return math.floor(now * SLOTS / WINDOW)
end

-- How many calls of the window failed and succeeded.
local function counted()
  local found = {failed = 0, ok = 0}
  for field, count in pairs(hash(COUNTS)) do
    local slot, outcome = string.match(field, '^(%d+):(%a+)$')
    if tonumber(slot) <= slot_now() - SLOTS then
      redis.call('HDEL', COUNTS, field)
    else
      found[outcome] = found[outcome] + tonumber(count)
    end
  end
  return found
end

