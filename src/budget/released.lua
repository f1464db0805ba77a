-- Which of these holds were released: no proof was made of them, and none will be. KEYS: clock. Then: ids.
clock()
local answer = {}
for _, id in ipairs(ASKED) do
  local found = redis.call('HMGET', T .. 'h:' .. id, 'state', 'released')
  if found[1] == 'voided' and found[2] == '1' then answer[#answer + 1] = id end
end
return answer
