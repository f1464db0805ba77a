-- What was spent on lines or is held on them, as totals of one log: the difference to what it brought before is added.
-- KEYS: clock. Then: the log, `told` or `guess`, how new that is, and for each line: index, scope, key, start, expiry,
-- micro-units settled and held, payments.
local log, how, mark = ASKED[1], ASKED[2], whole(ASKED[3], 'argument')
local now, high = clock()
local epoch = bringing()
if how == 'guess' and came(log, epoch.gen) then return 'came' end
local told = told_key(how, log)
local before = redis.call('HGET', told, 'mark')
if before and whole(before, told) > mark then return 'newer' end
if log == LOG then redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE) end
redis.call('HSET', told, 'mark', text(mark))
for i = 4, #ASKED, 8 do
  local line = asked_line(i)
  local field, sums = line.start .. ' ' .. line.key, ASKED[i + 5] .. ' ' .. ASKED[i + 6] .. ' ' .. ASKED[i + 7]
  local new, old = sums_of(sums, 'argument'), sums_of(redis.call('HGET', told, field) or '0 0 0', told)
  add_line(line, new.settled - old.settled, new.held - old.held, new.payments - old.payments)
  redis.call('HSET', told, field, sums)
end
tick(now, high)
return 'brought'
