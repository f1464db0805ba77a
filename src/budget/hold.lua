-- Sets money aside on all lines and claims the purchase: all or nothing (HoldStep). KEYS: clock, hold, challenge claim,
-- identity claim, unsettled count, key claim (the clock again without a key), then one per line.
local id, micros = ASKED[1], whole(ASKED[3], 'argument')
local agent, service, wallet = ASKED[4], ASKED[5], ASKED[6]
local most_unsettled, lease = whole(ASKED[8], 'argument'), whole(ASKED[9], 'argument')
local says_retry, keyed, name = ASKED[11] == '1', ASKED[12] ~= '', ASKED[13]
local HOLD, CHALLENGE, IDENTITY, UNSETTLED, KEY = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local SKIP, FIRST = 6, 18

local function release_lapsed(claim, now)
  local holder = redis.call('GET', claim)
  local hold = holder and hold_of(holder)
  if hold and lapsed(hold, now) then finish(hold, plan(hold), 'released', now) end
end

-- The same step again: what it answered first, so less what the hold itself counts.
local function held_before(own, now, high)
  if own.state ~= 'held' or lapsed(own, now) then error('ENDED this hold has already gone on or ended', 0) end
  if not redis.call('ZSCORE', T .. 'open', id) then lost('open') end
  local lines = read_lines(SKIP, FIRST, now)
  if not lines then return { 'again', text(now) } end
  for i, line in ipairs(lines) do
    local counts = line.part == 0 or tonumber(own['w' .. i]) > now - line.length - line.part
    if own['k' .. i] == line.key and counts then
      line.sum.h, line.sum.n = line.sum.h - own.micros, line.sum.n - 1
    end
  end
  tick(now, high)
  return with_states({ 'held' }, lines)
end

local function earlier_purchase(now)
  if not keyed then return find_repeat(name, says_retry, now) end
  local holder = redis.call('GET', KEY)
  if not holder then return nil end
  return hold_of(holder) or poisoned(KEY)
end

local function first_over(lines)
  for i, line in ipairs(lines) do
    if micros > line.limit - line.sum.s - line.sum.h then return { 'exceeded', text(i - 1), 'amount' } end
    if line.payments and line.sum.n + 1 > line.payments then return { 'exceeded', text(i - 1), 'payments' } end
  end
  return nil
end

-- Raises when a key that will be written is not of its type; what was read needs no second look.
local function check_types(lines)
  redis.call('ZCARD', T .. 'lease')
  redis.call('ZCARD', T .. 'open')
  redis.call('ZCARD', T .. 'lines')
  redis.call('ZCARD', repeats(name, 'held'))
  for _, line in ipairs(lines) do redis.call('SCARD', line.index) end
end

local function count(line)
  local fresh = redis.call('EXISTS', line.key) == 0
  local at = line.start
  redis.call('HSET', line.key, at .. ':s', text(line.now.s), at .. ':h', text(line.now.h + micros),
    at .. ':n', text(line.now.n + 1))
  if #line.old > 0 then redis.call('HDEL', line.key, unpack(line.old)) end
  if fresh or line.part > 0 then keep_line(line.key, expiry_of(line)) end
  if fresh then redis.call('SADD', line.index, line.scope) end
end

local function place(lines, now)
  local until_lapse = text(now + lease)
  local record = {
    'state', 'held', 'micros', text(micros), 'exchange', ASKED[2], 'agent', agent, 'service', service, 'wallet', wallet,
    'until', ASKED[7], 'run', ASKED[10], 'key', ASKED[12], 'repeatName', name, 'challenge', ASKED[14],
    'identity', ASKED[15], 'pair', ASKED[16], 'payment', ASKED[17], 'heldAt', text(now),
    'lease', until_lapse, 'n', text(#lines),
  }
  for i, line in ipairs(lines) do
    count(line)
    for _, value in ipairs({ 'k' .. i, line.key, 'w' .. i, line.start }) do record[#record + 1] = value end
  end
  redis.call('HSET', HOLD, unpack(record))
  redis.call('ZADD', T .. 'lease', until_lapse, id)
  redis.call('ZADD', T .. 'open', text(now), id)
  redis.call('SET', CHALLENGE, id)
  redis.call('SET', IDENTITY, id)
  if keyed then redis.call('SET', KEY, id) else redis.call('ZADD', repeats(name, 'held'), until_lapse, id) end
end

local now, high = clock()
sweep(now, SWEEP_HOLD)
release_lapsed(CHALLENGE, now)
release_lapsed(IDENTITY, now)
if keyed then release_lapsed(KEY, now) end

local own = hold_of(id)
if own then return held_before(own, now, high) end
local earlier_one = earlier_purchase(now)
if earlier_one then return purchase_of(earlier_one, name, now) end
local stop = stop_of(agent, service, wallet)
if stop then return stop end
local unsettled = redis.call('GET', UNSETTLED)
unsettled = unsettled and whole(unsettled, UNSETTLED) or 0
if unsettled >= most_unsettled then return { 'paused', text(unsettled) } end
if redis.call('EXISTS', CHALLENGE) == 1 then return { 'challenge_taken' } end
if redis.call('EXISTS', IDENTITY) == 1 then return { 'identity_taken' } end
local lines = read_lines(SKIP, FIRST, now)
if not lines then return { 'again', text(now) } end
local over = first_over(lines)
if over then return with_states(over, lines) end
check_types(lines)
local answer = with_states({ 'held' }, lines)
tick(now, high)
place(lines, now)
return answer
