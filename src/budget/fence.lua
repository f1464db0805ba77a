-- Stands before every step that reads or writes data: does the store still hold what this gateway knows that it held?
-- Otherwise nothing is done. LOST: it has forgotten something. FENCED: this gateway was away while others rebuilt.
local function fence()
  local epoch = redis.call('HMGET', C .. 'epoch', 'gen', 'state', 'run')
  if not epoch[1] then lost('the store knows of no generation') end
  local gen, mine = whole(epoch[1], 'epoch'), whole(GEN, 'argument')
  if gen > mine then error('FENCED generation ' .. text(gen) .. ' has begun, this gateway is of ' .. GEN, 0) end
  if gen < mine then lost('the store is of generation ' .. text(gen) .. ', and there was ' .. GEN) end
  if epoch[2] ~= 'open' then error('REBUILDING generation ' .. GEN .. ' is not open yet', 0) end
  if epoch[3] ~= server() then lost('another server answers than the one that was counted on') end
  local own = redis.call('HMGET', C .. 'members', 'life:' .. LOG, 'mark:' .. LOG)
  if not (own[1] and own[2]) then lost('the store does not know this gateway') end
  if own[1] ~= LIFE then error('FENCED another process goes by the name of this log', 0) end
  KEPT = whole(own[2], 'members')
  if KEPT < KNOWN then lost('writes that the store had acknowledged are missing') end
  if redis.call('EXISTS', C .. 'clock') == 0 then lost('the clock is gone') end
end

fence()
