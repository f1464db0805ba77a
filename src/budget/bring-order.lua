-- The latest order of this log about one thing that may be stopped. In doubt it is stopped: an order to start counts
-- only when it is surely the later one. KEYS: clock, stops. Then: name, when it was stopped (0: never), when it was
-- started again (0: never), the order to stop.
local name, stopped, started = ASKED[1], whole(ASKED[2], 'argument'), whole(ASKED[3], 'argument')
local now, high = clock()
bringing()
local lifted = whole(redis.call('HGET', T .. 'started', name) or '0', 'started')
local kept = redis.call('HGET', KEYS[2], name)
local since = kept and whole(string.match(kept, '^(%d+)\n') or '0', 'stop') or 0
tick(now, high)
if started > stopped then
  if started > lifted then redis.call('HSET', T .. 'started', name, text(started)) end
  if kept and started > since + SKEW then redis.call('HDEL', KEYS[2], name) end
elseif lifted <= stopped + SKEW and stopped > since then
  redis.call('HSET', KEYS[2], name, text(stopped) .. '\n' .. ASKED[4])
end
return 'brought'
