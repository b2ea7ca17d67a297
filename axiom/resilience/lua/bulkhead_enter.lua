-- Take a place, or keep the one that is held. KEYS: holders (when their leases end).
-- ARGV 1: holder; 2: lease in s; 3: places; 4: 1 to enter, 0 only to renew.
-- Returns {1} when it has a place, else {0, how many have, until the first lease ends}.
local HOLDERS, HOLDER, LEASE = KEYS[1], ARGV[1], tonumber(ARGV[2])
local now = server_time()
redis.call('ZREMRANGEBYSCORE', HOLDERS, '-inf', text(now))
local inside = redis.call('ZCARD', HOLDERS)
local has_room = ARGV[4] == '1' and inside < tonumber(ARGV[3])
if has_room or redis.call('ZSCORE', HOLDERS, HOLDER) then
  redis.call('ZADD', HOLDERS, now + LEASE, HOLDER)
  local last = redis.call('ZRANGE', HOLDERS, -1, -1, 'WITHSCORES')
  redis.call('EXPIRE', HOLDERS, math.ceil(tonumber(last[2]) - now) + 1)
  return {1}
end
local first = redis.call('ZRANGE', HOLDERS, 0, 0, 'WITHSCORES')
return {0, inside, text(first[2] and tonumber(first[2]) - now or 0)}
