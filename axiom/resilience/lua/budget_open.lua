-- List the calls that are reserved and not settled, oldest first.
-- KEYS: prefix, open. ARGV 1: only those at least so many seconds old.
-- Returns {id, age in s, worst case, scopes as JSON} of each.
local now, listed = server_time(), {}
local latest = text(now - tonumber(ARGV[1]))
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', latest)) do
  local call = hash(KEYS[1] .. ':call:' .. id)
  if call.worst then
    local age = now - tonumber(redis.call('ZSCORE', KEYS[2], id))
    listed[#listed + 1] = {id, text(age), call.worst, call.scopes}
  end
end
return listed
