-- What this gateway says of its spending, for the day it does not come; answers what others say anew. KEYS: clock. Then:
-- its statement (or nothing, when the last one still holds), and for each log that is known, the mark of its statement.
local now, high = clock()
tick(now, high)
if ASKED[1] ~= '' then redis.call('HSET', C .. 'said', LOG, text(math.max(MARK, KEPT)) .. ' ' .. ASKED[1]) end
local known, answer = {}, { 'said' }
for i = 2, #ASKED, 2 do known[ASKED[i]] = whole(ASKED[i + 1], 'argument') end
local flat = redis.call('HGETALL', C .. 'said')
for i = 1, #flat, 2 do
  local mark, statement = string.match(flat[i + 1], '^(%d+) (.*)$')
  if mark and flat[i] ~= LOG and whole(mark, 'said') > (known[flat[i]] or -1) then
    for _, value in ipairs({ flat[i], mark, statement }) do answer[#answer + 1] = value end
  end
end
return answer
