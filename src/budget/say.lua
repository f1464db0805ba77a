-- What this gateway says of its spending, for the day it does not come, and whom it has noted; answers what others say
-- anew, and who came. KEYS: clock. Then: its statement (or nothing, when the last one still holds), and for each log that
-- it has noted, the mark of its statement (or nothing, when it made none).
local now, high = clock()
tick(now, high)
if ASKED[1] ~= '' then redis.call('HSET', C .. 'said', LOG, text(math.max(MARK, KEPT)) .. ' ' .. ASKED[1]) end
local known, answer = {}, { 'said' }
for i = 2, #ASKED, 2 do
  known[ASKED[i]] = ASKED[i + 1] == '' and -1 or whole(ASKED[i + 1], 'argument')
  redis.call('HSET', C .. 'met', LOG .. ' ' .. ASKED[i], '1')
end
local flat = redis.call('HGETALL', C .. 'said')
for i = 1, #flat, 2 do
  local mark, statement = string.match(flat[i + 1], '^(%d+) (.*)$')
  if mark and flat[i] ~= LOG and whole(mark, 'said') > (known[flat[i]] or -1) then
    for _, value in ipairs({ flat[i], mark, statement }) do answer[#answer + 1] = value end
    known[flat[i]] = MAX
  end
end
local members = redis.call('HGETALL', C .. 'members')
for i = 1, #members, 2 do
  local log = string.match(members[i], '^gen:(.*)$')
  if log and log ~= LOG and not known[log] then
    for _, value in ipairs({ log, '', '' }) do answer[#answer + 1] = value end
  end
end
return answer
