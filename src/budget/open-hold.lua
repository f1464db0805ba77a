-- An open hold as operators see it, in the order in which it is read.
local function seen_of(hold, now)
  local state = hold.state
  if state == 'exposed' and not running(hold, now) then state = 'uncertain' end
  local starts = {}
  for line = 1, hold.n do starts[line] = hold['w' .. line] end
  return {
    hold.id, hold.exchange, state, hold.agent, hold.service, hold.wallet, text(hold.micros), text(hold.heldAt),
    text(hold['until']), hold.lines, table.concat(starts, ','), hold.ending or '',
  }
end
