-- Micro-dollars in scopes. Every budget_*.lua but budget_open follows this prelude.
-- KEYS: prefix (nothing is stored there; the keys of scopes and calls are made from
-- it, and its hash tag puts them all in one slot), open (call id to when reserved).
-- ARGV 1: call id; 2: how long keys are kept in s.
-- An open call is a hash: `worst`, and `scopes` as JSON.
local PREFIX, OPEN = KEYS[1], KEYS[2]
local CALL_ID, KEPT = ARGV[1], ARGV[2]
local CALL = PREFIX .. ':call:' .. CALL_ID

local function scope_key(scope)
  return PREFIX .. ':scope:' .. scope
end

local function add(scope, field, amount)
  redis.call('HINCRBY', scope_key(scope), field, string.format('%d', amount))
  redis.call('EXPIRE', scope_key(scope), KEPT)
end

