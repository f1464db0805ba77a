-- A gateway was alive when it sent this; and the time to clear up. KEYS: clock, heartbeat. Then: the newest receipt that
-- is sealed, and the server's own time when this was sent, as far as its gateway knows (nothing: it does not).
local sealed, sent = whole(ASKED[1], 'argument'), ASKED[2] ~= '' and whole(ASKED[2], 'argument') or nil

local now, high = clock()
-- Nothing else would tell that a list was lost while nobody buys.
for _, list in ipairs(LISTS) do check_list(list) end
if not redis.call('HGET', C .. 'stop', '.') then lost('stop') end
sweep(now, SWEEP_BEAT)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', T .. 'forget', '-inf', text(now), 'LIMIT', 0, SWEEP_BEAT)) do
  local readable, hold = pcall(hold_of, id)
  if readable and hold and not hold.open then
    pcall(forget_repeat, hold)
    redis.call('DEL', T .. 'h:' .. id)
  end
  redis.call('ZREM', T .. 'forget', id)
end
redis.call('ZREMRANGEBYSCORE', T .. 'lines', '-inf', text(now))
redis.call('SET', KEYS[2], beaten(now, sent or RAW), 'PX', text(KEY_STAYS + HEARD))
redis.call('HSET', C .. 'members', 'seq:' .. LOG, text(sealed))
tick(now, high)
return { 'heard', text(now), text(RAW) }
