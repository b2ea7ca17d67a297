-- Give back, or take, the difference between what was reserved and what it cost.
-- ARGV 8: ticket; 9-11: actual costs; 12: 1 when the call was made, so that the
-- estimates of waiting may learn from it. Returns 1 when there was a reservation.
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
local kept = redis.call('HGET', GRANTED, TICKET)
if not kept then return 0 end
redis.call('HDEL', GRANTED, TICKET)
local buckets, granted = open_buckets(), numbers(kept)
for i, bucket in ipairs(buckets) do
  settle(bucket, granted[i], granted[4 + i], tonumber(ARGV[8 + i]))
end
close_buckets(buckets)
return 1
