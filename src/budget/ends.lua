-- The only way out of held and exposed: money and claims together. `plan` reads and checks, `finish` writes.

local function repeats(name, stage) return T .. 'r:' .. name .. ':' .. stage end

-- How many purchases of its agent at its service are unsettled. What was brought ended names no pair: it is counted no
-- more.
local function unsettled_of(hold)
  local found = hold.open and redis.call('GET', T .. 'u:' .. hold.pair)
  local unsettled = found and whole(found, 'u:' .. hold.pair) or 0
  if hold.counted == '1' and unsettled < 1 then poisoned('u:' .. hold.pair) end
  return unsettled
end

-- Raises when a set of its repeats is none.
local function check_repeats(hold)
  if hold.key ~= '' then return end
  redis.call('SCARD', repeats(hold.repeatName, 'runs'))
  for _, stage in ipairs({ 'held', 'gone', 'live:' .. hold.run }) do
    redis.call('ZCARD', repeats(hold.repeatName, stage))
  end
end

-- What ending this hold will touch; raises when any of it is not what we wrote.
local function plan(hold)
  local moves = {}
  for i = 1, hold.n do
    local key, start = hold['k' .. i], hold['w' .. i]
    local now = counters(key, start)
    if now then
      if now.h < hold.micros or now.n < 1 or now.s + hold.micros > MAX then poisoned(key) end
      moves[#moves + 1] = { key = key, start = start, now = now }
    end
  end
  if hold.state == 'held' and not redis.call('ZSCORE', T .. 'lease', hold.id) then lost('lease') end
  if hold.open and not redis.call('ZSCORE', T .. 'open', hold.id) then lost('open') end
  redis.call('ZSCORE', T .. 'forget', hold.id)
  check_repeats(hold)
  return { moves = moves, unsettled = unsettled_of(hold) }
end

-- Takes a keyless purchase out of the sets of its repeats.
local function forget_repeat(hold)
  local live = repeats(hold.repeatName, 'live:' .. hold.run)
  redis.call('ZREM', repeats(hold.repeatName, 'held'), hold.id)
  redis.call('ZREM', repeats(hold.repeatName, 'gone'), hold.id)
  redis.call('ZREM', live, hold.id)
  if redis.call('EXISTS', live) == 0 then redis.call('SREM', repeats(hold.repeatName, 'runs'), hold.run) end
end

-- Its agent has gone, or its request has ended without the whole answer delivered.
local function mark_gone(hold)
  local live = repeats(hold.repeatName, 'live:' .. hold.run)
  if redis.call('ZREM', live, hold.id) == 0 then return end
  redis.call('ZADD', repeats(hold.repeatName, 'gone'), text(hold.exposedAt), hold.id)
  if redis.call('EXISTS', live) == 0 then redis.call('SREM', repeats(hold.repeatName, 'runs'), hold.run) end
end

-- When an ended hold is no longer needed: as long as its claim stands, and a while for steps that come late.
local function retain(hold)
  local due
  if hold.key ~= '' or hold.closedAt == 0 then
    due = hold.endedAt + KEY_STAYS
  else
    due = math.max(hold.endedAt, hold.closedAt) + (hold.whole == '1' and WHOLE_STAYS or math.max(WINDOW, WHOLE_STAYS))
  end
  redis.call('PEXPIREAT', T .. 'h:' .. hold.id, text(due + IDENTITY_STAYS))
  if hold.key ~= '' then return end
  -- The sets of repeats have no expiry of their own, since an open hold in them has none: heartbeats tidy them.
  if hold.whole == '1' then
    redis.call('ZREM', T .. 'forget', hold.id)
  else
    redis.call('ZADD', T .. 'forget', text(due), hold.id)
  end
end

-- `as` is released, settled, voided or freed. Removals come first: they are never refused for want of memory, and
-- after them Redis refuses no write of this step.
local function finish(hold, planned, as, now)
  local key, dropped = T .. 'h:' .. hold.id, as == 'released' or as == 'freed'
  redis.call('ZREM', T .. 'lease', hold.id)
  redis.call('ZREM', T .. 'open', hold.id)
  for _, move in ipairs(planned.moves) do
    local held = text(move.now.h - hold.micros)
    if as == 'settled' then
      redis.call('HSET', move.key, move.start .. ':h', held, move.start .. ':s', text(move.now.s + hold.micros))
    else
      redis.call('HSET', move.key, move.start .. ':h', held, move.start .. ':n', text(move.now.n - 1))
    end
  end
  if hold.counted == '1' then
    if planned.unsettled > 1 then
      redis.call('SET', T .. 'u:' .. hold.pair, text(planned.unsettled - 1))
    else
      redis.call('DEL', T .. 'u:' .. hold.pair)
    end
  end
  hold.state = as == 'settled' and 'settled' or 'voided'
  hold.endedAt, hold.counted = now, '0'
  redis.call('HSET', key, 'state', hold.state, 'endedAt', text(now), 'counted', '0')
  local fields = { 'payment', 'takenUntil' }
  for i = 1, hold.n do
    fields[#fields + 1] = 'k' .. i
    fields[#fields + 1] = 'w' .. i
  end
  redis.call('HDEL', key, unpack(fields))
  redis.call('HSET', key, 'n', '0')
  for _, name in ipairs({ T .. 'c:' .. hold.challenge, T .. 'p:' .. hold.identity }) do
    if as == 'released' then
      redis.call('DEL', name)
    else
      redis.call('PEXPIREAT', name, text(hold['until'] + IDENTITY_STAYS))
    end
  end
  if as == 'released' then redis.call('HSET', key, 'released', '1') end
  if dropped then
    if hold.key ~= '' then redis.call('DEL', T .. 'k:' .. hold.key) else forget_repeat(hold) end
    redis.call('PEXPIREAT', key, text(now + RELEASED_STAYS))
  else
    if hold.key ~= '' then redis.call('PEXPIREAT', T .. 'k:' .. hold.key, text(now + KEY_STAYS)) end
    retain(hold)
  end
end

-- Releases holds whose lease is over, longest first. Each is whole by itself: one that is lost or cannot be read ends
-- the step after those before it are done.
local function sweep(now, most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', T .. 'lease', '-inf', text(now), 'LIMIT', 0, most)) do
    local hold = hold_of(id) or lost('h:' .. id)
    if hold.state == 'held' then
      finish(hold, plan(hold), 'released', now)
    else
      redis.call('ZREM', T .. 'lease', id)
    end
  end
end
