-- What every step begins with: strict reading, the store's clock, holds and counters. Nothing here writes. A script
-- does not roll back, so each step reads and checks all it needs before its first write. Constants stand before it.
-- Keys of control stand under C; what a rebuild makes anew, so all that is counted and claimed, under T.
local C, GATEWAY, WINDOW = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local GEN, LOG, LIFE, MARK, KNOWN = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local ASKED = { unpack(ARGV, 9) }
local T = C .. GEN .. ':'
local MAX = 9007199254740991
-- The time of this step, the server's own beside it, and the mark of this gateway that the store has; once known.
local NOW, RAW, KEPT

local function poisoned(where)
  if where == 'argument' then error('ARGUMENT the step was asked with a number that is none', 0) end
  error('POISONED ' .. where, 0)
end

local function lost(what) error('LOST ' .. what, 0) end

-- A whole number from 0 to 2^53-1 in its one decimal form; tonumber alone takes nan, 0x10, 1e3 and blanks.
local function whole(text, where)
  if type(text) ~= 'string' or #text > 16 or not string.find(text, '^%d+$') then poisoned(where) end
  if #text > 1 and string.byte(text) == 48 then poisoned(where) end
  local number = tonumber(text)
  if number > MAX then poisoned(where) end
  return number
end

-- `..` would write 10^14 as 1e+14, and `%.0f` takes three times as long.
local function text(number) return string.format('%d', number) end

-- The store's time in ms. It never steps back, and when it is far from the gateway's the step does nothing.
local function clock()
  local time = redis.call('TIME')
  local raw = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local kept = redis.call('GET', C .. 'clock')
  local high = kept and whole(kept, 'clock') or 0
  local now = math.max(raw, high)
  if not (math.abs(raw - GATEWAY) <= SKEW and math.abs(now - GATEWAY) <= SKEW) then
    error('SKEW the clocks of the budget store and of this gateway are more than 60 s apart', 0)
  end
  NOW, RAW = now, raw
  return now, high
end

-- The first write of a step; it is refused out of memory, and then nothing was written.
local function tick(now, high)
  if now > high then redis.call('SET', C .. 'clock', text(now)) end
  if KEPT and MARK > KEPT then redis.call('HSET', C .. 'members', 'mark:' .. LOG, text(MARK)) end
end

local TIMES = { 'until', 'heldAt', 'lease', 'exposedAt', 'runsUntil', 'closedAt', 'endedAt', 'takenUntil' }
local STATES = { held = true, exposed = true, settled = true, voided = true }

-- A hold with its numbers as numbers, or nil. What a rebuild brought of it is one text, its fields and their values a
-- line each; what was written since then stands beside it, and counts instead. One that is listed as open was lost.
local function hold_of(id)
  local key = T .. 'h:' .. id
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then
    if redis.call('ZSCORE', T .. 'open', id) then lost('h:' .. id) end
    return nil
  end
  local hold = { id = id }
  for i = 1, #flat, 2 do hold[flat[i]] = flat[i + 1] end
  for field, value in string.gmatch(hold.brought or '', '([^\n]*)\n([^\n]*)\n') do
    if hold[field] == nil then hold[field] = value end
  end
  if not STATES[hold.state] then poisoned(key) end
  hold.micros = whole(hold.micros, key)
  hold.n = whole(hold.n, key)
  hold.key = hold.key or ''
  for _, field in ipairs(TIMES) do hold[field] = hold[field] and whole(hold[field], key) or 0 end
  hold.open = hold.state == 'held' or hold.state == 'exposed'
  return hold
end

local function lapsed(hold, now) return hold.state == 'held' and hold.lease <= now end

-- What a heartbeat leaves behind: the store's time, which stands still when the server's clock is set back, and the
-- server's own when it was sent, by which it is told who is alive.
local function beaten(now, sent) return text(now) .. ' ' .. text(math.min(RAW, sent)) end

-- Is a gateway's run alive, and when was it last heard of, by the store's time and by the server's?
local function heard(run)
  local beat = redis.call('GET', C .. 'b:' .. run)
  if not beat then return false, 0, 0 end
  local at, raw = string.match(beat, '^(%d+) (%d+)$')
  at, raw = whole(at or beat, 'b:' .. run), whole(raw or beat, 'b:' .. run)
  return math.abs(RAW - raw) < HEARD, at, raw
end

-- Is the request that made it still under way?
local function running(hold, now)
  if hold.state == 'held' then return hold.lease > now end
  if hold.state == 'voided' or hold.closedAt > 0 then return false end
  return now < hold.runsUntil and (heard(hold.run))
end

local function purchase_of(hold, name, now)
  return {
    'repeat', hold.id, hold.exchange, hold.state, running(hold, now) and '1' or '0',
    hold.repeatName == name and '1' or '0', text(hold.micros), text(hold['until']), hold.ending or '',
  }
end

-- The lists of a generation, of open holds, leases, lines and what is to be forgotten, each begin with a mark: one
-- without it was lost, and is not empty.
local LISTS = { 'open', 'lease', 'lines', 'forget' }
local function check_list(list)
  if not redis.call('ZSCORE', T .. list, '.') then lost(list) end
end

-- Nothing is counted under a key; but if it was made and has not expired since, that is a loss and not a zero.
local function check_absent(key)
  local expires = redis.call('ZSCORE', T .. 'lines', key)
  if not expires then check_list('lines') end
  if expires and tonumber(expires) > NOW and redis.call('EXISTS', key) == 0 then lost(key) end
end

-- One window's counters of a line, or nil when it has none; half of them is not a state we write.
local function counters(key, start)
  local found = redis.call('HMGET', key, start .. ':s', start .. ':h', start .. ':n')
  if not found[1] and not found[2] and not found[3] then
    check_absent(key)
    return nil
  end
  return { s = whole(found[1], key), h = whole(found[2], key), n = whole(found[3], key) }
end

-- The stop that forbids a payment, the widest first. Their list has a mark as well, and outlives the generations.
local function stop_of(agent, service, wallet)
  local names = { 'all:*', 'agent:' .. agent, 'service:' .. service, 'wallet:' .. wallet, '.' }
  local found = redis.call('HMGET', C .. 'stop', unpack(names))
  if not found[5] then lost('stop') end
  for i = 1, 4 do
    if found[i] then return { 'stopped', names[i], found[i] } end
  end
  return nil
end
