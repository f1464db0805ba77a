-- What a key stands for; a hold that lapsed stands for nothing. KEYS: clock, key claim. Then: repeat name.
local now = clock()
local holder = redis.call('GET', KEYS[2])
if not holder then return { 'free' } end
local hold = hold_of(holder) or poisoned(KEYS[2])
if lapsed(hold, now) then return { 'free' } end
return purchase_of(hold, ASKED[1], now)
