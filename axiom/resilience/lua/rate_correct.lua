-- Believe the service. ARGV 8-13: see `believe`.
local buckets = open_buckets()
believe(buckets, in_flight(buckets.now), 8)
close_buckets(buckets, 'adopted')
return 1
