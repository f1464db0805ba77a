-- Everything of a log has been brought to this generation. KEYS: clock. Then: the log, and whether it speaks `itself` or
-- is spoken `for`, since it did not come; and the generation's name: late, it is not about another of the same number.
local log, how = ASKED[1], ASKED[2]
local now, high = clock()
local epoch = bringing()
if epoch.name ~= ASKED[3] then lost('the generation has gone') end
if how == 'for' and came(log, epoch.gen) then return stand(epoch) end
tick(now, high)
redis.call('HSET', C .. 'members', 'gen:' .. log, text(epoch.gen))
if how == 'itself' then
  drop_guess(log)
  redis.call('HDEL', C .. 'members', 'guess:' .. log, 'begun:' .. log)
else
  redis.call('HSET', C .. 'members', 'guess:' .. log, text(epoch.gen))
end
return stand(epoch)
