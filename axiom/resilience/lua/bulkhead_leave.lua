-- Give a place back. KEYS: holders. ARGV 1: holder. Returns 1 when its lease was alive.
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return ends and tonumber(ends) > server_time() and 1 or 0
