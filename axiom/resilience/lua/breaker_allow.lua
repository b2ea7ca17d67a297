-- May the holder call? Returns {'closed', generation}, {'probe', state before} or {'open', retry
-- in s}.
if state == 'closed' then return {'closed', generation} end
local mine = state == 'half_open' and breaker.probe == HOLDER
if ends > now and not mine then
  -- a probe is over long before its lease, most often
  return {'open', text(state == 'open' and ends - now or math.min(ends - now, COOL_DOWN))}
end
write('state', 'half_open', 'probe', HOLDER, 'until', now + LEASE)
return {'probe', state}
