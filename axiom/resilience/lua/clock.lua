-- The server's time in seconds: no caller's clock decides anything.
local function server_time()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1e6
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

