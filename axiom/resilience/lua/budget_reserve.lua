-- Reserve a call's worst case in all of its scopes, or in none.
-- ARGV 3: worst case; then for each scope its name and limit.
-- Returns {'reserved', 1 if it is new}, else {'spent', scope, limit, settled, reserved}.
local WORST = tonumber(ARGV[3])

local function exhausted()
  for i = 4, #ARGV, 2 do
    local kept = hash(scope_key(ARGV[i]))
    local settled, reserved = tonumber(kept.settled or 0), tonumber(kept.reserved or 0)
    if settled + reserved + WORST > tonumber(ARGV[i + 1]) then
      return {'spent', ARGV[i], ARGV[i + 1], kept.settled or '0', kept.reserved or '0'}
    end
  end
end

local function reserve()
  local scopes = {}
  for i = 4, #ARGV, 2 do
    scopes[#scopes + 1] = ARGV[i]
    add(ARGV[i], 'reserved', WORST)
  end
  redis.call('HSET', CALL, 'worst', ARGV[3], 'scopes', cjson.encode(scopes))
  redis.call('EXPIRE', CALL, KEPT)
  redis.call('ZADD', OPEN, server_time(), CALL_ID)
  redis.call('EXPIRE', OPEN, KEPT)
end

if redis.call('EXISTS', CALL) == 1 then
  redis.call('ZADD', OPEN, server_time(), CALL_ID) -- somebody lives who goes on with it
  return {'reserved', '0'}
end
local spent = exhausted()
if spent then return spent end
reserve()
return {'reserved', '1'}
