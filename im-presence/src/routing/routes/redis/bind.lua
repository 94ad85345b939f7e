-- Bind a session's route, unless a session that began later has a live one that it would end.
-- KEYS: the user's routes. ARGV: field, identity, since (0: it begins now), lifetime (ms), lifetime
-- of the key (ms), devices at most, device, what it excludes (an `Excludes`), then
-- boot id and epoch of each gateway that is listed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local junk = 0
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', KEYS[1])
  junk = 1
end
local epochs = {}
for i = 9, #ARGV, 2 do
  epochs[ARGV[i]] = ARGV[i + 1]
end

local function class(device)
  return string.match(device, '^[^:]*')
end
local function is_excluded(other)
  return ARGV[8] == 'EXCLUDES_DEVICE' and other == ARGV[7]
    or ARGV[8] == 'EXCLUDES_CLASS' and class(other) == class(ARGV[7])
end

local others, latest, own_since, newest_excluded = 0, 0, nil, 0
local ended, replaced = {}, {}
local routes = redis.call('HGETALL', KEYS[1])
for i = 1, #routes, 2 do
  local expires, began, identity = string.match(routes[i + 1], '^1 (%d+) (%d+) (.+)$')
  local parsed, it = pcall(cjson.decode, identity or '')
  if not expires or not parsed or type(it) ~= 'table' or type(it.boot) ~= 'string'
    or type(it.device) ~= 'string' then
    junk = 1
    redis.call('HDEL', KEYS[1], routes[i])
  elseif tonumber(expires) <= now or (it.boot ~= '' and epochs[it.boot] ~= it.epoch) then
    redis.call('HDEL', KEYS[1], routes[i])
  else
    began = tonumber(began)
    latest = math.max(latest, began)
    if routes[i] == ARGV[1] then
      own_since = began
    elseif is_excluded(it.device) then
      newest_excluded = math.max(newest_excluded, began)
      table.insert(ended, routes[i])
      table.insert(replaced, routes[i + 1])
    else
      others = others + 1
    end
  end
end

local since = tonumber(ARGV[3])
if since == 0 then
  -- A clock that went back must not make the newest session the oldest.
  since = math.max(now, latest + 1)
else
  -- If its own is later, that is of a bind whose answer it never got.
  since = math.max(since, own_since or since)
  if newest_excluded > since then
    return { 'fenced', '0', {}, junk }
  end
end
if not own_since and #ended == 0 and others >= tonumber(ARGV[6]) then
  return { 'full', '0', {}, junk }
end
for _, field in ipairs(ended) do
  redis.call('HDEL', KEYS[1], field)
end
local since_text = string.format('%.0f', since)
local expires = string.format('%.0f', now + ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], '1 ' .. expires .. ' ' .. since_text .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { 'here', since_text, replaced, junk }
