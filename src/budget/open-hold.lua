-- An open hold as operators see it, in the order in which it is read.
local function seen_of(hold, now)
  local state = hold.state
  if state == 'exposed' and not running(hold, now) then state = 'uncertain' end
  local seen = {
    hold.id, hold.exchange, state, hold.agent, hold.service, hold.wallet, text(hold.micros), text(hold.heldAt),
    text(hold['until']), hold.ending or '', hold.payment or '',
  }
  for line = 1, hold.n do
    for _, value in ipairs({ hold['k' .. line], hold['w' .. line] }) do seen[#seen + 1] = value end
  end
  return seen
end
