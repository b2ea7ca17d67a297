-- Let nobody through for ARGV[8] seconds. Our picture of the buckets was wrong:
-- they are taken for empty, and fill again when the pause is over.
local buckets = open_buckets()
buckets.paused_until = math.max(buckets.paused_until, buckets.now + tonumber(ARGV[8]))
buckets.filled_at = buckets.paused_until
for _, bucket in ipairs(buckets) do
  bucket.level = math.min(bucket.level, 0)
end
close_buckets(buckets)
return text(buckets.paused_until - buckets.now)
