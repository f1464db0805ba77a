-- Purchases of this log that are open, or that still stand for something: each is made unless it is there; what they hold
-- on their lines was brought with the totals. KEYS: clock. Then for each purchase: id, what stands below up to WHOLE, and
-- for an open one the rest of it, and key and start of each of its lines. One core does this for all gateways, while
-- nobody can pay: what is only passed on is neither read nor written anew.
local STATE, MICROS, EXCHANGE, UNTIL, KEY, REPEAT = 1, 2, 3, 4, 5, 6
local CHALLENGE, IDENTITY, EXPOSED, RUNS, CLOSED, ENDED, ENDING, WHOLE = 7, 8, 9, 10, 11, 12, 13, 14
local AGENT, SERVICE, WALLET, PAIR, PAYMENT, LINES = 15, 16, 17, 18, 19, 20

local now, high = clock()
bringing()
redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE)

local A, call, pairs_open = ASKED, redis.call, {}

local function append(record, field, value)
  local last = #record
  record[last + 1] = field
  record[last + 2] = value
end

-- Together, since hardly ever one of the names is taken; answers whether none was.
local function claim_all(id, names)
  local flat = {}
  for _, name in ipairs(names) do append(flat, name, id) end
  if call('MSETNX', unpack(flat)) == 1 then return true end
  for _, name in ipairs(names) do call('SET', name, id, 'NX') end
  return false
end

-- Answers whether the name was free, and its time is not over.
local function claim_until(name, id, expires)
  return expires > now and call('SET', name, id, 'NX', 'PXAT', text(expires)) ~= false
end

-- The fields of a hold's lines, made once each: numbers are slow to write.
local line_fields = {}

local function append_lines(at, record)
  for n = 1, whole(A[at + LINES], 'argument') do
    local fields = line_fields[n] or { key = 'k' .. n, start = 'w' .. n }
    line_fields[n] = fields
    append(record, fields.key, A[at + LINES + 2 * n - 1])
    append(record, fields.start, A[at + LINES + 2 * n])
  end
end

-- Whether its agent is still there no receipt says: an equal request counts as its repeat, until it ends whole.
local function join_repeats(at, id)
  if A[at + KEY] ~= '' or A[at + WHOLE] == '1' then return end
  call('ZADD', repeats(A[at + REPEAT], 'gone'), A[at + EXPOSED], id)
end

-- What is 0 or empty is not written: that says the same.
local function put(at, key, record)
  if A[at + CLOSED] ~= '0' then append(record, 'closedAt', A[at + CLOSED]) end
  if A[at + ENDED] ~= '0' then append(record, 'endedAt', A[at + ENDED]) end
  if A[at + ENDING] ~= '' then append(record, 'ending', A[at + ENDING]) end
  if A[at + WHOLE] == '1' then append(record, 'whole', '1') end
  call('HSET', key, 'state', A[at + STATE], 'micros', A[at + MICROS], 'exchange', A[at + EXCHANGE],
    'until', A[at + UNTIL], 'run', LIFE, 'key', A[at + KEY], 'repeatName', A[at + REPEAT],
    'exposedAt', A[at + EXPOSED], 'runsUntil', A[at + RUNS], unpack(record))
end

local function put_open(at, id, key)
  local claims = { T .. 'c:' .. A[at + CHALLENGE], T .. 'p:' .. A[at + IDENTITY] }
  if A[at + KEY] ~= '' then claims[3] = T .. 'k:' .. A[at + KEY] end
  -- Where its names were free it cannot be there.
  if not claim_all(id, claims) and call('EXISTS', key) == 1 then return end
  local pair = A[at + PAIR]
  local record = {
    'agent', A[at + AGENT], 'service', A[at + SERVICE], 'wallet', A[at + WALLET], 'challenge', A[at + CHALLENGE],
    'identity', A[at + IDENTITY], 'pair', pair, 'heldAt', A[at + EXPOSED], 'n', A[at + LINES],
    'payment', A[at + PAYMENT],
  }
  if A[at + CLOSED] ~= '0' then
    pairs_open[pair] = (pairs_open[pair] or 0) + 1
    append(record, 'counted', '1')
  end
  append_lines(at, record)
  put(at, key, record)
  call('ZADD', T .. 'open', A[at + EXPOSED], id)
  join_repeats(at, id)
end

-- Ended: only its claims stand, for the time that is left of them. `freed` stands for no repeat.
local function put_ended(at, id, key)
  local past, ended = whole(A[at + UNTIL], 'argument') + IDENTITY_STAYS, whole(A[at + ENDED], 'argument')
  local free = claim_until(T .. 'c:' .. A[at + CHALLENGE], id, past)
  claim_until(T .. 'p:' .. A[at + IDENTITY], id, past)
  if A[at + STATE] == 'freed' or A[at + KEY] == '' and A[at + WHOLE] == '1' then return end
  if not free and call('EXISTS', key) == 1 then return end
  put(at, key, { 'n', '0' })
  if A[at + KEY] ~= '' then claim_until(T .. 'k:' .. A[at + KEY], id, ended + KEY_STAYS) end
  join_repeats(at, id)
  local closed = whole(A[at + CLOSED], 'argument')
  retain({ id = id, key = A[at + KEY], closedAt = closed, endedAt = ended, whole = A[at + WHOLE] })
end

local at = 1
while at <= #A do
  local id = A[at]
  local key = T .. 'h:' .. id
  if A[at + STATE] == 'exposed' then
    put_open(at, id, key)
    at = at + LINES + 1 + 2 * whole(A[at + LINES], 'argument')
  else
    put_ended(at, id, key)
    at = at + WHOLE + 1
  end
end
for pair, more in pairs(pairs_open) do
  local key = T .. 'u:' .. pair
  call('SET', key, text(whole(call('GET', key) or '0', key) + more))
end
tick(now, high)
return 'brought'
