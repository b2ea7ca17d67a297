-- Micro-dollars in scopes. Every budget_*.lua but budget_open follows this prelude.
-- KEYS: prefix (nothing is stored there; the keys of scopes and calls are made from
-- it, and its hash tag puts them all in one slot), open (call id to when reserved).
-- ARGV 1: call id; 2: how long keys are kept in s.
-- An open call is a hash: `worst`, `scopes` as JSON, and `presumed` if it did not reserve itself.
local PREFIX, OPEN = KEYS[1], KEYS[2]
local CALL_ID, KEPT = ARGV[1], ARGV[2]
local CALL = PREFIX .. ':call:' .. CALL_ID

-- The UTC day. H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.
local day_now
local function today()
  if day_now then return day_now end
  local days = math.floor(server_time() / 86400) + 719468 -- since 1 March of the year 0
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local from_march = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * from_march + 2) / 5) + 1
  local month = from_march < 10 and from_march + 3 or from_march - 9
  year = era * 400 + year + (month <= 2 and 1 or 0)
  day_now = string.format('%04d-%02d-%02d', year, month, day)
  return day_now
end

-- A scope that ends in a star is one of today, whatever day the caller thinks it is.
local function dated(scope)
  if string.sub(scope, -1) ~= '*' then return scope end
  return string.sub(scope, 1, -2) .. today()
end

local function scope_key(scope)
  return PREFIX .. ':scope:' .. scope
end

local function add(scope, field, amount)
  redis.call('HINCRBY', scope_key(scope), field, string.format('%d', amount))
end

-- Replace what a call reserved by what it cost. Its scopes are kept longer than itself.
local function close(call, cost)
  for _, scope in ipairs(cjson.decode(call.scopes)) do
    add(scope, 'reserved', -tonumber(call.worst))
    if cost > 0 then add(scope, 'settled', cost) end
  end
  redis.call('DEL', CALL)
  redis.call('ZREM', OPEN, CALL_ID)
end

-- The name of this server's memory: another one after a restart, which may have lost the last
-- second, and after all was deleted.
local function memory()
  local told = redis.pcall('INFO', 'server')
  local name = type(told) == 'string' and string.match(told, 'run_id:(%w+)') or 'memory'
  local kept = redis.call('GET', PREFIX .. ':memory')
  if kept and string.sub(kept, 1, #name + 1) == name .. ' ' then return kept end
  local fresh = name .. ' ' .. text(server_time())
  redis.call('SET', PREFIX .. ':memory', fresh, 'EX', KEPT)
  return fresh
end

