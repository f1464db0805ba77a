-- The request of a hold that was exposed has ended. KEYS: clock, hold. Then: id, ending, whole.
local id, ending, is_whole = ASKED[1], ASKED[2], ASKED[3]

local now, high = clock()
local hold = hold_of(id)
if not hold or hold.exposedAt == 0 then return 'nothing' end
local planned = plan(hold)
if is_whole == '1' then hold.whole = '1' end
if hold.closedAt == 0 then hold.closedAt = now end
redis.call('HSET', KEYS[2], 'ending', ending, 'whole', hold.whole or '0', 'closedAt', text(hold.closedAt))
if hold.key == '' then
  if hold.whole == '1' then forget_repeat(hold) else mark_gone(hold) end
end
if hold.state == 'exposed' and hold.counted ~= '1' then
  redis.call('HSET', KEYS[2], 'counted', '1')
  redis.call('SET', T .. 'u:' .. hold.pair, text(planned.unsettled + 1))
end
if not hold.open then retain(hold) end
tick(now, high)
return 'closed'
