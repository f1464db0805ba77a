-- The agent of a hold has gone. KEYS: clock, hold. Then: id.
local now, high = clock()
local hold = hold_of(ASKED[1])
if not hold or hold.closedAt > 0 or hold.state == 'voided' then return 'nothing' end
plan(hold)
redis.call('HSET', KEYS[2], 'left', '1')
if hold.key == '' then mark_gone(hold) end
tick(now, high)
return 'left'
