-- Settle a call at what it cost (ARGV 3; nothing when it is released), only once: it is
-- forgotten then. ARGV 4: only if it reserved so many seconds ago. Returns 1 when it was open.
local call = hash(CALL)
if not call.worst then return 0 end
local reserved_at = tonumber(redis.call('ZSCORE', OPEN, CALL_ID) or 0)
if reserved_at + tonumber(ARGV[4]) > server_time() then return 0 end
close(call, tonumber(ARGV[3]))
return 1
