-- Grant a ticket, or say how long its turn is away.
-- ARGV 8: ticket; 9-11: its costs; 12: longest wait that is told; 13: grace;
-- 14: how long a ticket that broke its promise keeps its turn; 15: what is reserved
-- of an estimate, times the part that calls were seen to cost; below 0: all of it.
-- Returns {1} when granted, else {0, come back in s, estimate in s}.
local TICKET, COSTS = ARGV[8], {tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])}
local LONGEST, GRACE, KEPT = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local MARGIN = tonumber(ARGV[15])
local SOON = 0.05 -- look again, when those ahead should have gone by now
local LEARNING = 0.5 -- look again, while the first calls have yet to show what calls cost
local FIRST = 10 -- which they do within so many seconds, or are not waited for
local EARLY = 0 -- a guess that is too low costs a look, one too high costs the turn

local RANK = redis.call('ZRANK', QUEUE, TICKET) -- false before it has waited

local function take_turn()
  if RANK then return end
  redis.call('ZADD', QUEUE, redis.call('HINCRBY', STATE, 'turn', 1), TICKET)
end

local function forget(ticket)
  redis.call('ZREM', QUEUE, ticket)
  redis.call('HDEL', WAITING, ticket)
end

-- The costs of the tickets ahead. One that did not come back when it promised is
-- skipped; it has its turn again when it does, unless it stays away too long.
local function costs_ahead(now, rank)
  local sums = {0, 0, 0, tickets = 0}
  if rank == 0 then return sums end
  for _, ticket in ipairs(redis.call('ZRANGE', QUEUE, 0, rank - 1)) do
    local asked = numbers(redis.call('HGET', WAITING, ticket) or '0 0 0 0')
    if asked[4] + KEPT < now then
      forget(ticket)
    elseif asked[4] >= now then
      sums.tickets = sums.tickets + 1
      for i = 1, 3 do sums[i] = sums[i] + asked[i] end
    end
  end
  return sums
end

local function reserved(bucket, cost)
  if MARGIN < 0 or not bucket.ratio then return cost end
  return cost * math.min(1, bucket.ratio * MARGIN)
end

-- A call dearer than a full bucket goes when the bucket is full.
local function needed(bucket, cost)
  return math.min(reserved(bucket, cost), bucket.burst)
end

local function has_room(buckets, ahead)
  for i, bucket in ipairs(buckets) do
    if bucket.level < reserved(bucket, ahead[i]) + needed(bucket, COSTS[i]) then return false end
  end
  return true
end

-- Those ahead will have spent what calls turn out to cost, not what they reserve.
-- `guess` is the part of it that they cost as long as none has settled.
local function estimate(buckets, ahead, guess)
  local wait = ahead.tickets > 0 and SOON or 0
  for i, bucket in ipairs(buckets) do
    local spent = ahead[i] * (bucket.ratio or guess)
    local missing = spent + needed(bucket, COSTS[i]) - bucket.level
    wait = math.max(wait, missing / bucket.rate)
  end
  return wait
end

local function grant(buckets)
  if RANK then forget(TICKET) end
  local taken = {}
  for i, bucket in ipairs(buckets) do
    taken[i] = reserved(bucket, COSTS[i])
    bucket.level = bucket.level - taken[i]
  end
  local kept = pack(taken[1], taken[2], taken[3], buckets.now, COSTS[1], COSTS[2], COSTS[3])
  redis.call('HSET', GRANTED, TICKET, kept)
  keep(GRANTED)
  return {1}
end

-- All of an estimate is reserved until a first call has settled: then far less will be.
local function is_learning(buckets)
  if MARGIN < 0 or buckets[1].ratio then return false end
  for _, packed in pairs(hash(GRANTED)) do
    if numbers(packed)[4] + FIRST > buckets.now then return true end
  end
  return false
end

-- Who comes back later than it promised is waited for twice as long the next time: its way is
-- longer than we thought, and without its turn it would starve.
local function grace(now)
  local asked = numbers(redis.call('HGET', WAITING, TICKET) or '')
  if not asked[5] then return GRACE end
  return asked[4] < now and math.min(2 * asked[5], KEPT) or asked[5]
end

local function promise(buckets, ahead)
  -- whoever asks again after a grant is another attempt: the first one's stays spent
  redis.call('HDEL', GRANTED, TICKET)
  take_turn()
  local paused = math.max(0, buckets.paused_until - buckets.now)
  local turn = estimate(buckets, ahead, EARLY)
  if is_learning(buckets) then turn = math.min(turn, LEARNING) end
  local told = math.min(LONGEST, paused + turn)
  local longer = grace(buckets.now)
  local back_by = buckets.now + told + longer
  redis.call('HSET', WAITING, TICKET, pack(COSTS[1], COSTS[2], COSTS[3], back_by, longer))
  keep(QUEUE)
  keep(WAITING)
  redis.call('HINCRBY', STATE, 'waits', 1)
  redis.call('HINCRBYFLOAT', STATE, 'waited', text(told))
  return {0, text(told), text(paused + estimate(buckets, ahead, 1))}
end

local buckets = open_buckets()
local ahead = costs_ahead(buckets.now, RANK or redis.call('ZCARD', QUEUE))
local granted = buckets.paused_until <= buckets.now and has_room(buckets, ahead)
local answer = granted and grant(buckets) or promise(buckets, ahead)
close_buckets(buckets)
return answer
