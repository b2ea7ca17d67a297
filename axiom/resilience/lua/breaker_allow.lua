-- May the holder call? Returns {'closed'}, {'probe', state before} or {'open', retry in s}.
if state == 'closed' then return {'closed'} end
local mine = state == 'half_open' and breaker.probe == HOLDER
if ends > now and not mine then return {'open', text(ends - now)} end
write('state', 'half_open', 'probe', HOLDER, 'until', now + LEASE)
return {'probe', state}
