-- The requests of holds that were exposed have ended. KEYS: clock, holds. Then for each: id, ending, whole. Each is done by
-- itself: one that cannot be read ends the step after those before it.
local now, high = clock()
local answer = 'nothing'

local function close(id, ending, is_whole)
  local hold = hold_of(id)
  if not hold or hold.exposedAt == 0 then return end
  local key, unsettled = T .. 'h:' .. id, unsettled_of(hold)
  check_repeats(hold)
  if not hold.open then redis.call('ZCARD', T .. 'forget') end
  if is_whole == '1' then hold.whole = '1' end
  if hold.closedAt == 0 then hold.closedAt = now end
  redis.call('HSET', key, 'ending', ending, 'whole', hold.whole or '0', 'closedAt', text(hold.closedAt))
  if hold.key == '' then
    if hold.whole == '1' then forget_repeat(hold) else mark_gone(hold) end
  end
  if hold.state == 'exposed' and hold.counted ~= '1' then
    redis.call('HSET', key, 'counted', '1')
    redis.call('SET', T .. 'u:' .. hold.pair, text(unsettled + 1))
  end
  if not hold.open then retain(hold) end
  answer = 'closed'
end

for i = 1, #ASKED, 3 do close(ASKED[i], ASKED[i + 1], ASKED[i + 2]) end
if answer == 'closed' then tick(now, high) end
return answer
