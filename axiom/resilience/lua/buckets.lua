-- The three token buckets of one model. Every rate_*.lua follows this prelude.
-- KEYS: state (hash), queue (ticket by turn), waiting (ticket to its estimated costs
-- and promise), granted (ticket to what it reserved, when, and its estimated costs).
-- ARGV 1-3: configured limits per period; 4: period in s; 5: burst as a part of
-- the limit; 6: lease of a grant in s; 7: how long the keys are kept in s.
local STATE, QUEUE, WAITING, GRANTED = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local KINDS = {'requests', 'input', 'output'}
local FIELDS = {
  'at', 'paused_until', 'requests:adopted', 'requests:level', 'requests:ratio',
  'input:adopted', 'input:level', 'input:ratio', 'output:adopted', 'output:level', 'output:ratio',
}
local PERIOD, BURST, LEASE = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function numbers(packed)
  local found = {}
  for number in string.gmatch(packed, '%S+') do
    found[#found + 1] = tonumber(number)
  end
  return found
end

local function keep(key)
  redis.call('EXPIRE', key, ARGV[7])
end

local function pack(...)
  return string.format(string.rep('%.17g ', select('#', ...)), ...)
end

-- The buckets, filled up to now. Nothing flows in while everyone is paused.
local function open_buckets()
  local kept, now = redis.call('HMGET', STATE, unpack(FIELDS)), server_time()
  local opened = {now = now, paused_until = tonumber(kept[2] or 0)}
  local elapsed = math.max(0, now - tonumber(kept[1] or now))
  for i = 1, 3 do
    local limit = tonumber(kept[3 * i] or ARGV[i])
    local bucket = {limit = limit, rate = limit / PERIOD, burst = limit * BURST}
    local level = tonumber(kept[3 * i + 1] or bucket.burst)
    bucket.level = math.min(bucket.burst, level + elapsed * bucket.rate)
    bucket.ratio = tonumber(kept[3 * i + 2] or '') -- of facts to estimates, once known
    opened[i] = bucket
  end
  opened.filled_at = math.max(now, tonumber(kept[1] or 0))
  return opened
end

-- Keep the levels, and what is named: the rest is as it was.
local function close_buckets(opened, ...)
  local fields = {'at', opened.filled_at, 'paused_until', opened.paused_until}
  for i, kind in ipairs(KINDS) do
    for _, name in ipairs({'level', ...}) do
      if opened[i][name] then
        fields[#fields + 1] = kind .. ':' .. name
        fields[#fields + 1] = opened[i][name]
      end
    end
  end
  redis.call('HSET', STATE, unpack(fields))
  keep(STATE)
end

-- What granted calls have reserved and not settled. A call that did not settle
-- within its lease is dead: forgotten here, and what it reserved stays spent.
local function in_flight(now)
  local sums = {0, 0, 0}
  for ticket, packed in pairs(hash(GRANTED)) do
    local reserved = numbers(packed)
    if reserved[4] + LEASE < now then
      redis.call('HDEL', GRANTED, ticket)
    else
      for i = 1, 3 do sums[i] = sums[i] + reserved[i] end
    end
  end
  return sums
end

-- Believe the service: adopt its limits; never think we have more left than it does, but more
-- than an empty bucket that owes a burst: one odd answer is not to stop everyone for hours.
-- `flying` is what it has yet to see. ARGV from `first` on: its three limits, then what it says
-- remains; -1 where it said nothing.
local function believe(buckets, flying, first)
  for i, bucket in ipairs(buckets) do
    local limit, remaining = tonumber(ARGV[first + i - 1]), tonumber(ARGV[first + i + 2])
    if limit > 0 then bucket.adopted = limit end
    if remaining >= 0 then
      local burst = (bucket.adopted or bucket.limit) * BURST
      bucket.level = math.min(bucket.level, math.max(remaining - flying[i], -burst))
    end
  end
end
