-- A gateway is alive: list it, and answer with its epoch and with all that are listed.
-- KEYS: the gateways. ARGV: boot id, description, for how long (ms) one is kept, whether the
-- description replaces what is listed (1) or only makes good for nothing (0).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
end
local old = redis.call('HGET', KEYS[1], ARGV[1])
-- One that was dropped gets another epoch: its former routes stay ended.
local epoch = old and string.match(old, '^1 %d+ (%d+) ')
  or time[1] .. string.format('%06d', time[2])
local said = ARGV[4] == '0' and old and string.match(old, '^1 %d+ %d+ (.*)$')
local entry = '1 ' .. string.format('%.0f', now) .. ' ' .. epoch .. ' ' .. (said or ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], entry)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local listed = redis.call('HGETALL', KEYS[1])
for i = 1, #listed, 2 do
  local heard = string.match(listed[i + 1], '^1 (%d+) ')
  if not heard or now - heard > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], listed[i])
  end
end
return { epoch, listed }
