-- Take note of how a call went. ARGV 8: ok, failed or ignored; 9: the generation in which it was
-- let through; '' is any.
-- Returns {state before, state after, cool-down in s, failures in the window}.
local OUTCOME, MINE = ARGV[8], ARGV[9]

-- Returns true when it is the first of its slot.
local function count()
  local slot = string.format('%.0f:%s', slot_now(), OUTCOME)
  local is_first = redis.call('HINCRBY', COUNTS, slot, 1) == 1
  if is_first then redis.call('EXPIRE', COUNTS, math.ceil(WINDOW) + 1) end
  return is_first
end

local function open()
  local openings = tonumber(breaker.openings or 0)
  local cool_down = math.min(CEILING, COOL_DOWN * 2 ^ math.min(openings, 30))
  write('state', 'open', 'until', now + cool_down, 'openings', openings + 1, 'probe', '')
  return cool_down
end

local function close()
  redis.call('DEL', STATE, COUNTS)
  write('generation', generation + 1)
end

local function from_closed()
  if OUTCOME == 'ignored' then return {state, state, '0', 0} end
  -- what succeeds opens nothing; old slots are forgotten with each new one
  if not count() and OUTCOME == 'ok' then return {state, state, '0', 0} end
  local found = counted()
  local enough = found.failed >= THRESHOLD and found.failed >= PART * (found.failed + found.ok)
  if OUTCOME == 'failed' and enough then return {state, 'open', text(open()), found.failed} end
  return {state, state, '0', found.failed}
end

local function from_probe()
  if OUTCOME == 'failed' then return {state, 'open', text(open()), 1} end
  if OUTCOME == 'ok' then
    close()
    return {state, 'closed', '0', 0}
  end
  write('until', now, 'probe', '') -- it learnt nothing: let another one probe
  return {state, state, '0', 0}
end

if state == 'closed' and (MINE == '' or MINE == generation) then return from_closed() end
if state == 'half_open' and breaker.probe == HOLDER then return from_probe() end
return {state, state, '0', 0} -- an echo of a call from before it opened
