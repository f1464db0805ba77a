-- Of these holds of other gateways, the uncertain ones whose gateway is silent and whose proof died so long ago; each is
-- handed to one gateway at a time, and again later the longer it has waited. KEYS: clock. Then: how long ago, for how
-- long it is handed out at least and at most, how many, and ids.
local after, least, most = whole(ASKED[1], 'argument'), whole(ASKED[2], 'argument'), whole(ASKED[3], 'argument')
local room = whole(ASKED[4], 'argument')

local now, high = clock()
local taken, answer = {}, {}

local function abandoned(hold)
  if hold.state ~= 'exposed' or running(hold, now) or not hold.payment then return false end
  if now < hold['until'] + after or now < hold.takenUntil then return false end
  local life = redis.call('HGET', C .. 'members', 'life:' .. string.match(hold.id, '^[^.]*'))
  return not life or not heard(life)
end

for i = 5, #ASKED do
  local hold = hold_of(ASKED[i])
  if hold and #taken < room and abandoned(hold) then
    hold.takenUntil = now + math.max(least, math.min(most, math.floor((now - hold['until']) / 2)))
    local seen = seen_of(hold, now)
    seen[#seen + 1] = text(hold.takenUntil)
    taken[#taken + 1], answer[#answer + 1] = hold, seen
  end
end
tick(now, high)
for _, hold in ipairs(taken) do redis.call('HSET', T .. 'h:' .. hold.id, 'takenUntil', text(hold.takenUntil)) end
return answer
