-- Holds by their ids, as operators see them; those that are not open any more are left out. KEYS: clock. Then: ids.
local now = clock()
local answer = {}
for i = 1, #ASKED do
  local hold = hold_of(ASKED[i]) or lost('h:' .. ASKED[i])
  if hold.open then
    local state = hold.state
    if state == 'exposed' and not running(hold, now) then state = 'uncertain' end
    local starts = {}
    for line = 1, hold.n do starts[line] = hold['w' .. line] end
    answer[#answer + 1] = {
      hold.id, hold.exchange, state, hold.agent, hold.service, hold.wallet, text(hold.micros), text(hold.heldAt),
      text(hold['until']), hold.lines, table.concat(starts, ','), hold.ending or '',
    }
  end
end
return answer
