-- Bind a session's route, unless a session that began later has a live one.
-- KEYS: the user's routes. ARGV: device, identity, since (0: it begins now), lifetime (ms), lifetime
-- of the key (ms), devices at most, then boot id and epoch of each gateway that is listed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local junk = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
  junk = 1
end
local epochs = {}
for i = 7, #ARGV, 2 do
  epochs[ARGV[i]] = ARGV[i + 1]
end

local others, latest, old, old_since = 0, 0, false, 0
local old_boot, old_session
local routes = redis.call('HGETALL', KEYS[1])
for i = 1, #routes, 2 do
  local expires, since, identity = string.match(routes[i + 1], '^1 (%d+) (%d+) (.+)$')
  local parsed, it = pcall(cjson.decode, identity or '')
  if not expires or not parsed or type(it) ~= 'table' or type(it.boot) ~= 'string' then
    junk = 1
    redis.call('HDEL', KEYS[1], routes[i])
  elseif tonumber(expires) <= now or (it.boot ~= '' and epochs[it.boot] ~= it.epoch) then
    redis.call('HDEL', KEYS[1], routes[i])
  else
    latest = math.max(latest, tonumber(since))
    if routes[i] == ARGV[1] then
      old, old_since = routes[i + 1], tonumber(since)
      old_boot, old_session = it.boot, it.session
    else
      others = others + 1
    end
  end
end

local since = tonumber(ARGV[3])
if since == 0 then
  -- A clock that went back must not make the newest session the oldest.
  since = math.max(now, latest + 1)
elseif old and since < old_since then
  local mine = cjson.decode(ARGV[2])
  if old_boot ~= mine.boot or old_session ~= mine.session then
    return { 'fenced', '0', '', junk }
  end
  -- Its own, of a bind whose answer it never got.
  since = old_since
end
if not old and others >= tonumber(ARGV[6]) then
  return { 'full', '0', '', junk }
end
local since_text = string.format('%.0f', since)
local expires = string.format('%.0f', now + ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], '1 ' .. expires .. ' ' .. since_text .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 'here', since_text, old or '', junk }
