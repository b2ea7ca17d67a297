-- Believe the service: adopt its limits; never think we have more left than it does.
-- ARGV 8-10: its limits; 11-13: what it says remains; -1 where it said nothing.
local buckets = open_buckets()
local flying = in_flight(buckets.now)
for i, bucket in ipairs(buckets) do
  local limit, remaining = tonumber(ARGV[7 + i]), tonumber(ARGV[10 + i])
  if limit > 0 then bucket.adopted = limit end
  if remaining >= 0 then
    bucket.level = math.min(bucket.level, remaining - flying[i])
  end
end
close_buckets(buckets)
return 1
