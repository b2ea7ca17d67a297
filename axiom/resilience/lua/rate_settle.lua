-- Give back, or take, the difference between what was reserved and what it cost.
-- ARGV 8: ticket; 9-11: actual costs; 12: 1 when the call was made, so that the
-- estimates of waiting may learn from it; 13-18, if given: what the service says, see `believe`.
-- Returns 1 when there was a reservation.
local TICKET, MADE = ARGV[8], ARGV[12] == '1'
local SHARE = 0.1 -- of a new observation in the moving average

local function settle(bucket, reserved, estimated, actual)
  bucket.level = math.min(bucket.burst, bucket.level + reserved - actual)
  if MADE and estimated > 0 then
    local seen = math.min(actual / estimated, 2)
    bucket.ratio = SHARE * seen + (1 - SHARE) * (bucket.ratio or seen)
  end
end

redis.call('ZREM', QUEUE, TICKET)
redis.call('HDEL', WAITING, TICKET)
local flying = in_flight(server_time())
local kept = redis.call('HGET', GRANTED, TICKET)
if not kept and not ARGV[13] then return 0 end
local buckets, granted = open_buckets(), numbers(kept or '')
if kept then
  redis.call('HDEL', GRANTED, TICKET)
  for i, bucket in ipairs(buckets) do
    settle(bucket, granted[i], granted[4 + i], tonumber(ARGV[8 + i]))
    flying[i] = flying[i] - granted[i]
  end
end
if ARGV[13] then believe(buckets, flying, 13) end
close_buckets(buckets, 'ratio', 'adopted')
return kept and 1 or 0
