-- Hear what a scope has cost at least; once for each memory of this server.
-- ARGV 3: scope; 4: its cost; then id and worst case of each call that may be in flight. Those
-- that are not known to be open are presumed to be, until they settle or reserve themselves.
local SCOPE, mine = ARGV[3], memory()
local kept = hash(scope_key(SCOPE))
if kept.memory == mine then return 0 end

local function presume(id, worst)
  local key = PREFIX .. ':call:' .. id
  local known = hash(key)
  if known.worst and not known.presumed then return end
  local scopes = cjson.decode(known.scopes or '[]')
  scopes[#scopes + 1] = SCOPE
  redis.call('HSET', key, 'worst', worst, 'scopes', cjson.encode(scopes), 'presumed', 1)
  redis.call('EXPIRE', key, KEPT)
  redis.call('ZADD', OPEN, 'NX', server_time(), id)
  redis.call('EXPIRE', OPEN, KEPT)
  add(SCOPE, 'reserved', tonumber(worst))
end

local settled = math.max(tonumber(kept.settled or 0), tonumber(ARGV[4]))
redis.call('HSET', scope_key(SCOPE), 'memory', mine, 'settled', string.format('%d', settled))
redis.call('EXPIRE', scope_key(SCOPE), KEPT)
for i = 5, #ARGV, 2 do presume(ARGV[i], ARGV[i + 1]) end
return 1
