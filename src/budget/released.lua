-- Which of these holds were released: no proof was made of them, and none will be. KEYS: clock. Then: ids.
clock()
local answer = {}
for _, id in ipairs(ASKED) do
  local hold = hold_of(id)
  if hold and hold.state == 'voided' and hold.released == '1' then answer[#answer + 1] = id end
end
return answer
