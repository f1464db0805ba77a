-- A gateway comes, or comes back: is what the store holds what everybody knows that it held? Otherwise a new generation
-- begins. Can be repeated. KEYS: clock, heartbeat. Then: the generation it knows, the newest receipt that is sealed, the
-- latest time of the store that it knows, how long a generation stays closed, the generation in which something was
-- found missing (or nothing), a name for the generation that it may have to begin, and the logs that it knows of.
local known, sealed, latest = whole(ASKED[1], 'argument'), whole(ASKED[2], 'argument'), whole(ASKED[3], 'argument')
local closed, broken, name = whole(ASKED[4], 'argument'), ASKED[5], ASKED[6]

-- What is not of its type or unreadable was not written by us, and nothing of it counts.
local function mended(key, kind)
  local found = redis.call('TYPE', key)
  if (found.ok or found) ~= kind then redis.call('DEL', key) end
end
local function sound()
  local flat = redis.call('HGETALL', C .. 'members')
  for i = 1, #flat, 2 do
    local numeric = string.find(flat[i], '^gen:') or string.find(flat[i], '^mark:') or string.find(flat[i], '^seq:')
    if numeric and not pcall(whole, flat[i + 1], 'members') then return false end
  end
  return true
end
for _, name in ipairs({ 'epoch', 'members', 'met', 'said', 'stop', 'terms' }) do mended(C .. name, 'hash') end
mended(C .. 'clock', 'string')
if not pcall(whole, redis.call('GET', C .. 'clock') or '0', 'clock') then redis.call('DEL', C .. 'clock') end
if not sound() then redis.call('DEL', C .. 'members') end
local readable, epoch = pcall(epoch_of)
if not readable then redis.call('DEL', C .. 'epoch') end
epoch = readable and epoch or nil

local now, high = clock()
now = math.max(now, latest)
NOW = now

local recorded, life = member('seq:' .. LOG), redis.call('HGET', C .. 'members', 'life:' .. LOG)
if recorded and recorded > sealed then return { 'older', text(recorded) } end
if life and life ~= LIFE then
  local _, _, raw = heard(life)
  if math.abs(RAW - raw) < SILENT then return { 'cloned', text(raw) } end
end

-- Has this gateway been part of the generation, and then the store has not all that it acknowledged?
local function incomplete()
  local mark = member('mark:' .. LOG)
  return known == epoch.gen and (not mark or mark < KNOWN)
end

-- Began another process of this log to bring its holds, and did not come to the end? They cannot be told from ours.
local function half_brought()
  local begun = redis.call('HGET', C .. 'members', 'begun:' .. LOG)
  local gen, whose = string.match(begun or '', '^(%d+) (.*)$')
  return gen == text(epoch.gen) and whose ~= LIFE and member('gen:' .. LOG) ~= epoch.gen
end

-- Is a list without its mark?
local function unguarded()
  for _, list in ipairs(LISTS) do
    local found, mark = pcall(redis.call, 'ZSCORE', C .. text(epoch.gen) .. ':' .. list, '.')
    if not (found and mark) then return true end
  end
  return not redis.call('HGET', C .. 'stop', '.')
end

-- One of the same number may have been forgotten: its name tells them apart. It stays closed for a moment, also where
-- nobody is missing: whoever else counted in the store comes meanwhile. The server's own time measures it: after a
-- failover to a clock that is behind, the store's stands still for a while.
local function begin(gen)
  epoch = { gen = gen, state = 'rebuilding', run = server(), since = now, opens = RAW + closed, name = name }
  redis.call('HSET', C .. 'epoch', 'gen', text(gen), 'state', 'rebuilding', 'run', epoch.run, 'since', text(now),
    'opens', text(epoch.opens), 'name', name)
  for _, list in ipairs(LISTS) do redis.call('ZADD', C .. text(gen) .. ':' .. list, text(MAX), '.') end
  redis.call('HSET', C .. 'stop', '.', '')
end

local highest = known
for _, one in ipairs(logs()) do highest = math.max(highest, one.gen) end
if not epoch then
  begin(highest + 1)
elseif highest > epoch.gen or epoch.run ~= server() or broken == text(epoch.gen) or unguarded() or incomplete()
  or half_brought() then
  begin(math.max(highest, epoch.gen) + 1)
end

redis.call('SET', C .. 'clock', text(now))
redis.call('SET', KEYS[2], beaten(now, RAW), 'PX', text(KEY_STAYS + HEARD))
KEPT = math.max(member('mark:' .. LOG) or 0, KNOWN)
redis.call('HSET', C .. 'members', 'life:' .. LOG, LIFE, 'mark:' .. LOG, text(KEPT), 'seq:' .. LOG, text(sealed))
for i = 7, #ASKED do
  redis.call('HSETNX', C .. 'members', 'gen:' .. ASKED[i], '0')
  redis.call('HSET', C .. 'met', LOG .. ' ' .. ASKED[i], '1')
end
redis.call('HSETNX', C .. 'members', 'gen:' .. LOG, '0')
-- Where no time is left for whom nobody knows, nobody has to know us either.
if closed == 0 then
  for _, one in ipairs(logs()) do redis.call('HSET', C .. 'met', one.log .. ' ' .. LOG, '1') end
end

if came(LOG, epoch.gen) then return stand(epoch) end
return { 'bring', text(epoch.gen), text(KEPT), text(now), text(epoch.since), epoch.name }
