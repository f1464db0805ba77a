-- held → exposed, unless the hold lapsed or a stop forbids it: then it is released. KEYS: clock, hold. Then: id, run for.
local id, run_for = ASKED[1], whole(ASKED[2], 'argument')

local now, high = clock()
local hold = hold_of(id)
if hold and hold.state == 'exposed' then
  tick(now, high)
  return { 'exposed' }
end
if not hold or hold.state ~= 'held' then return { 'lapsed' } end
local planned = plan(hold)
local stop = stop_of(hold.agent, hold.service, hold.wallet)
local late = lapsed(hold, now)
if late or stop then
  finish(hold, planned, 'released', now)
  tick(now, high)
  return late and { 'lapsed' } or stop
end
local runs = repeats(hold.repeatName, 'runs')
redis.call('HSET', KEYS[2], 'state', 'exposed', 'exposedAt', text(now), 'runsUntil', text(now + run_for))
redis.call('ZREM', T .. 'lease', id)
if hold.key == '' then
  redis.call('ZREM', repeats(hold.repeatName, 'held'), id)
  if hold.left == '1' then
    redis.call('ZADD', repeats(hold.repeatName, 'gone'), text(now), id)
  else
    redis.call('ZADD', repeats(hold.repeatName, 'live:' .. hold.run), text(now), id)
    redis.call('SADD', runs, hold.run)
  end
end
tick(now, high)
return { 'exposed' }
