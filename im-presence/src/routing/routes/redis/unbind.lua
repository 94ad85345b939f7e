-- Remove a session's route, if it still is its own.
-- KEYS: the user's routes. ARGV: field, how its identity begins.
local route = redis.pcall('HGET', KEYS[1], ARGV[1])
local identity = type(route) == 'string' and string.match(route, '^1 %d+ %d+ (.+)$')
if not identity or string.sub(identity, 1, #ARGV[2]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
