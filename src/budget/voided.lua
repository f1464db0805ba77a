-- Which of these holds are voided. KEYS: clock. Then: ids.
clock()
local answer = {}
for _, id in ipairs(ASKED) do
  local hold = hold_of(id)
  if hold and hold.state == 'voided' then answer[#answer + 1] = id end
end
return answer
