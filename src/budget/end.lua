-- Ends an open hold; nothing happens to one that has ended. KEYS: clock, hold. Then: id, how. A release leaves a mark
-- for an unknown hold, so that a hold's step which arrives after it makes nothing.
local id, as = ASKED[1], ASKED[2]

local now, high = clock()
local hold = hold_of(id)
if hold and hold.open then
  finish(hold, plan(hold), as, now)
elseif not hold and as == 'released' then
  redis.call('HSET', KEYS[2], 'state', 'voided', 'micros', '0', 'n', '0', 'endedAt', text(now),
    'released', '1')
  redis.call('PEXPIREAT', KEYS[2], text(now + RELEASED_STAYS))
else
  return 'nothing'
end
tick(now, high)
return 'ended'
