-- Holds by their ids, as operators see them; those that are not open any more are left out. KEYS: clock. Then: ids.
local now = clock()
local answer = {}
for i = 1, #ASKED do
  local hold = hold_of(ASKED[i]) or lost('h:' .. ASKED[i])
  if hold.open then answer[#answer + 1] = seen_of(hold, now) end
end
return answer
