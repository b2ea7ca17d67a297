-- The server's time in seconds, which stands still in a script: no caller's clock decides anything.
local clock
local function server_time()
  if not clock then
    local time = redis.call('TIME')
    clock = tonumber(time[1]) + tonumber(time[2]) / 1e6
  end
  return clock
end

-- A hash as a table from field to value.
local function hash(key)
  local flat, found = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do
    found[flat[i]] = flat[i + 1]
  end
  return found
end

-- Numbers go back as text: Redis cuts the fraction off a number.
local function text(number)
  return string.format('%.6f', number)
end

