-- What was spent on lines and has ended, as totals of one log: the difference to what it brought before is added.
-- KEYS: clock. Then: the log, `told` or `guess`, how new that is, and for each line: index, scope, key, start, expiry,
-- micro-units, payments.
local log, how, mark = ASKED[1], ASKED[2], whole(ASKED[3], 'argument')
local now, high = clock()
bringing()
local told = told_key(how, log)
local before = redis.call('HGET', told, 'mark')
if before and whole(before, told) > mark then return 'newer' end
if log == LOG then redis.call('HSET', C .. 'members', 'begun:' .. LOG, GEN .. ' ' .. LIFE) end
redis.call('HSET', told, 'mark', text(mark))
for i = 4, #ASKED, 7 do
  local line = asked_line(i)
  local settled, payments = whole(ASKED[i + 5], 'argument'), whole(ASKED[i + 6], 'argument')
  local field = line.start .. ' ' .. line.key
  local old_settled, old_payments = string.match(redis.call('HGET', told, field) or '0 0', '^(%d+) (%d+)$')
  add_line(line, settled - whole(old_settled, told), 0, payments - whole(old_payments, told))
  redis.call('HSET', told, field, text(settled) .. ' ' .. text(payments))
end
tick(now, high)
return 'brought'
