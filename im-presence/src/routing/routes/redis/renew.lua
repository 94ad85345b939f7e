-- Give a session's route another lifetime, if it still is its own.
-- KEYS: the user's routes. ARGV: field, how its identity begins, lifetime (ms), that of the key (ms).
local route = redis.pcall('HGET', KEYS[1], ARGV[1])
if type(route) ~= 'string' then
  return 0
end
local expires, since, identity = string.match(route, '^1 (%d+) (%d+) (.+)$')
if not expires or string.sub(identity, 1, #ARGV[2]) ~= ARGV[2] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(expires) <= now then
  return 0
end
expires = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], '1 ' .. expires .. ' ' .. since .. ' ' .. identity)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
