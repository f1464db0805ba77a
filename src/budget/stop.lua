-- Puts an order on record that no new payment be made for what it names. KEYS: clock, stops. Then: name, order.
local now, high = clock()
redis.call('HSET', KEYS[2], ASKED[1], text(now) .. '\n' .. ASKED[2])
tick(now, high)
return 'stopped'
