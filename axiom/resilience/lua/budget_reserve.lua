-- Reserve a call's worst case in all of its scopes, or in none.
-- ARGV 3: worst case; 4: 1 when scopes must have been told of; then for each scope its name
-- and limit. Returns {'reserved', 1 if it is new}, {'spent', scope, limit, settled, reserved},
-- or {'untold', scopes...}.
local WORST, MUST_KNOW = tonumber(ARGV[3]), ARGV[4] == '1'
local names, limits, kept = {}, {}, {} -- kept: what each has settled and reserved, and whose memory
for i = 5, #ARGV, 2 do
  names[#names + 1] = dated(ARGV[i])
  limits[#limits + 1] = ARGV[i + 1]
end

local SCOPES = cjson.encode(names)

local function untold()
  local mine, found = memory(), {}
  for n, name in ipairs(names) do
    if kept[n][3] ~= mine then found[#found + 1] = name end
  end
  if #found > 0 then return {'untold', unpack(found)} end
end

local function exhausted()
  for n, name in ipairs(names) do
    local settled, reserved = kept[n][1] or '0', kept[n][2] or '0'
    if tonumber(settled) + tonumber(reserved) + WORST > tonumber(limits[n]) then
      return {'spent', name, limits[n], settled, reserved}
    end
  end
end

local function reserve()
  for _, name in ipairs(names) do
    add(name, 'reserved', WORST)
    redis.call('EXPIRE', scope_key(name), KEPT)
  end
  redis.call('HSET', CALL, 'worst', ARGV[3], 'scopes', SCOPES)
  redis.call('EXPIRE', CALL, KEPT)
  redis.call('ZADD', OPEN, server_time(), CALL_ID)
  redis.call('EXPIRE', OPEN, KEPT)
end

local open = hash(CALL)
if open.scopes == SCOPES and not open.presumed then
  redis.call('ZADD', OPEN, server_time(), CALL_ID) -- somebody lives who goes on with it
  return {'reserved', '0'}
elseif open.scopes then
  close(open, 0) -- it was put aside in another day, or by who told us of it
end
for n, name in ipairs(names) do
  kept[n] = redis.call('HMGET', scope_key(name), 'settled', 'reserved', 'memory')
end
local refused = MUST_KNOW and untold() or exhausted()
if refused then return refused end
reserve()
return {'reserved', '1'}
