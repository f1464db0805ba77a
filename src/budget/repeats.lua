-- The purchase that an equal request without a key stands for.

local function stands(hold, now)
  if hold.state == 'exposed' then return true end
  local since = hold.closedAt
  if since == 0 then
    local alive, at = heard(hold.run)
    if alive then return true end
    since = at
  end
  return now < math.max(hold.endedAt, since) + WINDOW
end

-- One that is not there although it is not to be forgotten yet was lost.
local function check_forgotten(id, now)
  local due = redis.call('ZSCORE', T .. 'forget', id)
  if due and tonumber(due) > now then lost('h:' .. id) end
end

-- The oldest of a set that still stands; drops those it passes.
local function oldest(key, now)
  while true do
    local first = redis.call('ZRANGE', key, 0, 0)[1]
    if not first then return nil end
    local hold = hold_of(first)
    if hold and stands(hold, now) then return hold end
    if not hold then check_forgotten(first, now) end
    redis.call('ZREM', key, first)
  end
end

local function earlier(a, b)
  if not b or a.exposedAt ~= b.exposedAt then return not b or a.exposedAt < b.exposedAt end
  return a.id < b.id
end

local function find_repeat(name, says_retry, now)
  local best = oldest(repeats(name, 'gone'), now)
  for _, one in ipairs(redis.call('SMEMBERS', repeats(name, 'runs'))) do
    local live = oldest(repeats(name, 'live:' .. one), now)
    local gone = live and (says_retry or now >= live.runsUntil or not heard(one))
    if gone and earlier(live, best) then best = live end
  end
  if best or not says_retry then return best end
  local held = redis.call('ZRANGEBYSCORE', repeats(name, 'held'), '(' .. text(now), '+inf', 'LIMIT', 0, 1)[1]
  return held and hold_of(held)
end

