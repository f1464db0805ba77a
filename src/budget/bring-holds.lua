-- Purchases of this log that are open, or that still stand for something: each is made unless it is there. KEYS: clock.
-- Then how many lines they touch, and for each line: index, scope, key, start, expiry. Then for each purchase: id, what
-- stands below, and the number of each of its lines above. One core does this for all gateways, while nobody can pay:
-- what is only passed on is neither read nor written anew.
local STATE, MICROS, EXCHANGE, AGENT, SERVICE, WALLET, UNTIL, KEY, REPEAT = 1, 2, 3, 4, 5, 6, 7, 8, 9
local CHALLENGE, IDENTITY, PAIR, PLACES, EXPOSED, CLOSED = 10, 11, 12, 13, 14, 15
local ENDED, ENDING, WHOLE, PAYMENT, LINES = 16, 17, 18, 19, 20

local now, high = clock()
bringing()
redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE)

local A, call, lines, pairs_open = ASKED, redis.call, {}, {}

local function claim(kind, name, id, expires)
  if name == '' then return end
  if not expires then
    call('SET', T .. kind .. name, id, 'NX')
  elseif expires > now then
    call('SET', T .. kind .. name, id, 'NX', 'PXAT', text(expires))
  end
end

local function append(record, field, value)
  local last = #record
  record[last + 1] = field
  record[last + 2] = value
end

local function count_lines(at, micros, record)
  for n = 1, whole(A[at + LINES], 'argument') do
    local line = lines[whole(A[at + LINES + n], 'argument')]
    line.held, line.payments = line.held + micros, line.payments + 1
    append(record, 'k' .. n, line.key)
    append(record, 'w' .. n, line.start)
  end
end

-- Whether its agent is still there no receipt says: an equal request counts as its repeat, until it ends whole.
local function join_repeats(at, id)
  if A[at + KEY] ~= '' or A[at + WHOLE] == '1' then return end
  call('ZADD', repeats(A[at + REPEAT], 'gone'), A[at + EXPOSED], id)
end

-- What is 0 or empty is not written: that says the same.
local function put(at, id, exposed, record)
  if A[at + CLOSED] ~= '0' then append(record, 'closedAt', A[at + CLOSED]) end
  if A[at + ENDED] ~= '0' then append(record, 'endedAt', A[at + ENDED]) end
  if A[at + ENDING] ~= '' then append(record, 'ending', A[at + ENDING]) end
  if A[at + WHOLE] == '1' then append(record, 'whole', '1') end
  call('HSET', T .. 'h:' .. id, 'state', A[at + STATE], 'micros', A[at + MICROS], 'exchange', A[at + EXCHANGE],
    'agent', A[at + AGENT], 'service', A[at + SERVICE], 'wallet', A[at + WALLET], 'until', A[at + UNTIL], 'run', LIFE,
    'key', A[at + KEY], 'repeatName', A[at + REPEAT], 'challenge', A[at + CHALLENGE], 'identity', A[at + IDENTITY],
    'pair', A[at + PAIR], 'heldAt', A[at + EXPOSED], 'exposedAt', A[at + EXPOSED],
    'runsUntil', text(exposed + RESTORED_RUNS), unpack(record))
end

local function put_open(at, id, micros, exposed, closed)
  local record = { 'n', A[at + LINES], 'lines', A[at + PLACES], 'payment', A[at + PAYMENT] }
  if closed > 0 then
    local pair = A[at + PAIR]
    pairs_open[pair] = (pairs_open[pair] or 0) + 1
    append(record, 'counted', '1')
  end
  count_lines(at, micros, record)
  put(at, id, exposed, record)
  call('ZADD', T .. 'open', A[at + EXPOSED], id)
  claim('c:', A[at + CHALLENGE], id)
  claim('p:', A[at + IDENTITY], id)
  claim('k:', A[at + KEY], id)
  join_repeats(at, id)
end

-- Ended: only its claims stand, for the time that is left of them. `freed` stands for no repeat.
local function put_ended(at, id, exposed, closed)
  local past, ended = whole(A[at + UNTIL], 'argument') + IDENTITY_STAYS, whole(A[at + ENDED], 'argument')
  claim('c:', A[at + CHALLENGE], id, past)
  claim('p:', A[at + IDENTITY], id, past)
  if A[at + STATE] == 'freed' or A[at + KEY] == '' and A[at + WHOLE] == '1' then return end
  put(at, id, exposed, { 'n', '0' })
  claim('k:', A[at + KEY], id, ended + KEY_STAYS)
  join_repeats(at, id)
  retain({ id = id, key = A[at + KEY], closedAt = closed, endedAt = ended, whole = A[at + WHOLE] })
end

local at = 2
for n = 1, whole(A[1], 'argument') do
  lines[n] = asked_line(at)
  lines[n].held, lines[n].payments = 0, 0
  at = at + 5
end
while at <= #A do
  local id, micros = A[at], whole(A[at + MICROS], 'argument')
  local exposed, closed = whole(A[at + EXPOSED], 'argument'), whole(A[at + CLOSED], 'argument')
  if call('EXISTS', T .. 'h:' .. id) == 0 then
    if A[at + STATE] == 'exposed' then
      put_open(at, id, micros, exposed, closed)
    else
      put_ended(at, id, exposed, closed)
    end
  end
  at = at + LINES + 1 + whole(A[at + LINES], 'argument')
end
for _, line in ipairs(lines) do
  if line.payments > 0 then add_line(line, 0, line.held, line.payments) end
end
for pair, more in pairs(pairs_open) do
  local key = T .. 'u:' .. pair
  call('SET', key, text(whole(call('GET', key) or '0', key) + more))
end
tick(now, high)
return 'brought'
