-- Puts an order on record that no new payment be made for what it names. KEYS: clock, stops. Then: name, order.
local now, high = clock()
redis.call('HSET', KEYS[2], ARGV[4], text(now) .. '\n' .. ARGV[5])
tick(now, high)
return 'stopped'
