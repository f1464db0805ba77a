-- Purchases of this log that are open, or that still stand for something: each is made unless it is there. KEYS: clock.
-- Then for each: id, state, micro-units, exchange, agent, service, wallet, until, key, repeat name, challenge, identity,
-- pair, lines, exposed, closed and ended at, ending, whole, how many lines; and for each line: index, scope, key, start,
-- expiry.
local now, high = clock()
bringing()
redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE)

local sums, pairs_open, at = {}, {}, 1

local function claim(kind, name, id, expires)
  if name == '' or (expires and expires <= now) then return end
  local key = T .. kind .. ':' .. name
  if expires then redis.call('SET', key, id, 'NX', 'PXAT', text(expires)) else redis.call('SET', key, id, 'NX') end
end

local function count_lines(hold, first)
  local record = {}
  for n = 1, hold.n do
    local index, scope, key, start, expires = unpack(ASKED, first + (n - 1) * 5, first + n * 5 - 1)
    local field = start .. ' ' .. key
    local sum = sums[field] or { key = key, start = start, index = index, scope = scope, expires = expires, h = 0, n = 0 }
    sum.h, sum.n = sum.h + hold.micros, sum.n + 1
    sums[field] = sum
    for _, value in ipairs({ 'k' .. n, key, 'w' .. n, start }) do record[#record + 1] = value end
  end
  return record
end

local function join_repeats(hold)
  if hold.key ~= '' or hold.whole == '1' then return end
  if hold.closedAt > 0 then
    redis.call('ZADD', repeats(hold.repeatName, 'gone'), text(hold.exposedAt), hold.id)
  else
    redis.call('ZADD', repeats(hold.repeatName, 'live:' .. LIFE), text(hold.exposedAt), hold.id)
    redis.call('SADD', repeats(hold.repeatName, 'runs'), LIFE)
  end
end

local function put(hold, more)
  redis.call('HSET', T .. 'h:' .. hold.id, 'state', hold.state, 'micros', text(hold.micros), 'exchange', hold.exchange,
    'agent', hold.agent, 'service', hold.service, 'wallet', hold.wallet, 'until', text(hold['until']), 'run', LIFE,
    'key', hold.key, 'repeatName', hold.repeatName, 'challenge', hold.challenge, 'identity', hold.identity,
    'pair', hold.pair, 'heldAt', text(hold.exposedAt), 'exposedAt', text(hold.exposedAt),
    'runsUntil', text(hold.exposedAt + RESTORED_RUNS), 'closedAt', text(hold.closedAt), 'endedAt', text(hold.endedAt),
    'ending', hold.ending, 'whole', hold.whole, unpack(more))
end

local function put_open(hold, first)
  local lines = count_lines(hold, first)
  local counted = hold.closedAt > 0
  if counted then pairs_open[hold.pair] = (pairs_open[hold.pair] or 0) + 1 end
  for _, value in ipairs({ 'n', text(hold.n), 'lines', hold.lines, 'counted', counted and '1' or '0' }) do
    lines[#lines + 1] = value
  end
  put(hold, lines)
  redis.call('ZADD', T .. 'open', text(hold.exposedAt), hold.id)
  claim('c', hold.challenge, hold.id)
  claim('p', hold.identity, hold.id)
  claim('k', hold.key, hold.id)
  join_repeats(hold)
end

-- Ended: only its claims stand, for the time that is left of them. `freed` stands for no repeat.
local function put_ended(hold)
  local past = hold['until'] + IDENTITY_STAYS
  claim('c', hold.challenge, hold.id, past)
  claim('p', hold.identity, hold.id, past)
  if hold.state == 'freed' or hold.key == '' and hold.whole == '1' then return end
  put(hold, { 'n', '0' })
  claim('k', hold.key, hold.id, hold.endedAt + KEY_STAYS)
  join_repeats(hold)
  retain(hold)
end

while at <= #ASKED do
  local hold = { id = ASKED[at] }
  local names = {
    'state', 'micros', 'exchange', 'agent', 'service', 'wallet', 'until', 'key', 'repeatName', 'challenge', 'identity',
    'pair', 'lines', 'exposedAt', 'closedAt', 'endedAt', 'ending', 'whole', 'n',
  }
  for i, name in ipairs(names) do hold[name] = ASKED[at + i] end
  for _, name in ipairs({ 'micros', 'until', 'exposedAt', 'closedAt', 'endedAt', 'n' }) do
    hold[name] = whole(hold[name], 'argument')
  end
  if redis.call('EXISTS', T .. 'h:' .. hold.id) == 0 then
    if hold.state == 'exposed' then put_open(hold, at + 20) else put_ended(hold) end
  end
  at = at + 20 + hold.n * 5
end
for _, sum in pairs(sums) do
  add(sum.key, sum.start, 0, sum.h, sum.n)
  known_line(sum.index, sum.scope, sum.key, sum.expires)
end
for pair, more in pairs(pairs_open) do
  local key = T .. 'u:' .. pair
  redis.call('SET', key, text(whole(redis.call('GET', key) or '0', key) + more))
end
tick(now, high)
return 'brought'
