-- Believe the service: adopt its limits; never think we have more left than it does, but more
-- than an empty bucket that owes a burst: one odd answer is not to stop everyone for hours.
-- ARGV 8-10: its limits; 11-13: what it says remains; -1 where it said nothing.
local buckets = open_buckets()
local flying = in_flight(buckets.now)
for i, bucket in ipairs(buckets) do
  local limit, remaining = tonumber(ARGV[7 + i]), tonumber(ARGV[10 + i])
  if limit > 0 then bucket.adopted = limit end
  if remaining >= 0 then
    local burst = (bucket.adopted or bucket.limit) * BURST
    bucket.level = math.min(bucket.level, math.max(remaining - flying[i], -burst))
  end
end
close_buckets(buckets)
return 1
