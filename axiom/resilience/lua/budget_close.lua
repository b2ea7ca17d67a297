-- Settle a call at what it cost, or release it; only once.
-- ARGV 3: the state it gets; 4: what it cost. Returns 1 when it was open.
local call = hash(CALL)
if call.state ~= 'open' then return 0 end
for _, scope in ipairs(cjson.decode(call.scopes)) do
  add(scope, 'reserved', -tonumber(call.worst))
  add(scope, 'settled', tonumber(ARGV[4]))
end
redis.call('HSET', CALL, 'state', ARGV[3])
redis.call('ZREM', OPEN, CALL_ID)
return 1
