-- Purchases of this log that are open, or that still stand for something: each is made unless it is there; what they hold
-- on their lines was brought with the totals. KEYS: clock. Then for each purchase what `put` takes; its record is what
-- hold_of reads. One core does this for all gateways, while nobody can pay: what is only kept is passed on as one text.
local WIDTH = 13

local now, high = clock()
bringing()
redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE)

local call, opened, unsettled = redis.call, {}, {}
local HOLD, CHALLENGE, IDENTITY, KEY = T .. 'h:', T .. 'c:', T .. 'p:', T .. 'k:'

-- Answers whether all names were free, as they hardly ever are not; otherwise those are taken that were.
local function claim_all(id, challenge, identity, key)
  if key then
    if call('MSETNX', challenge, id, identity, id, key, id) == 1 then return true end
    call('SET', key, id, 'NX')
  elseif call('MSETNX', challenge, id, identity, id) == 1 then
    return true
  end
  call('SET', challenge, id, 'NX')
  call('SET', identity, id, 'NX')
  return false
end

-- Answers whether the name was free, and its time is not over.
local function claim_until(name, id, expires)
  return tonumber(expires) > now and call('SET', name, id, 'NX', 'PXAT', expires) ~= false
end

-- Whether its agent is still there no receipt says: an equal request counts as its repeat, until it ends whole.
local function join_repeats(id, name, exposed)
  call('ZADD', repeats(name, 'gone'), exposed, id)
end

local function put_open(id, record, key, name, challenge, identity, exposed, is_whole, pair)
  local free = claim_all(id, CHALLENGE .. challenge, IDENTITY .. identity, key ~= '' and KEY .. key)
  -- Where its names were free it cannot be there.
  if not free and call('EXISTS', HOLD .. id) == 1 then return end
  call('HSET', HOLD .. id, 'brought', record)
  local last = #opened
  opened[last + 1], opened[last + 2] = exposed, id
  if pair ~= '' then unsettled[pair] = (unsettled[pair] or 0) + 1 end
  if key == '' and is_whole == '0' then join_repeats(id, name, exposed) end
end

-- Ended: only its claims stand, for the time that is left of them. `freed` stands for no repeat.
local function put_ended(state, id, record, key, name, challenge, identity, exposed, is_whole, claimed, ended, closed)
  local free = claim_until(CHALLENGE .. challenge, id, claimed)
  claim_until(IDENTITY .. identity, id, claimed)
  if state == 'freed' or key == '' and is_whole == '1' then return end
  if not free and call('EXISTS', HOLD .. id) == 1 then return end
  call('HSET', HOLD .. id, 'brought', record)
  if key == '' then
    join_repeats(id, name, exposed)
  else
    claim_until(KEY .. key, id, text(tonumber(ended) + KEY_STAYS))
  end
  retain({ id = id, key = key, closedAt = tonumber(closed), endedAt = tonumber(ended), whole = is_whole })
end

-- `pair` is what an unsettled purchase counts for, `claimed` until when an ended one's challenge and payment are taken.
local function put(id, state, record, key, name, challenge, identity, exposed, is_whole, pair, claimed, ended, closed)
  if state == 'exposed' then
    put_open(id, record, key, name, challenge, identity, exposed, is_whole, pair)
  else
    put_ended(state, id, record, key, name, challenge, identity, exposed, is_whole, claimed, ended, closed)
  end
end

for at = 1, #ASKED, WIDTH do put(unpack(ASKED, at, at + WIDTH - 1)) end
if #opened > 0 then call('ZADD', T .. 'open', unpack(opened)) end
for pair, more in pairs(unsettled) do
  local key = T .. 'u:' .. pair
  call('SET', key, text(whole(call('GET', key) or '0', key) + more))
end
tick(now, high)
return 'brought'
