-- The generation that all gateways of a store count in: how one begins, and when it opens. It begins empty, so that
-- what two rebuilds bring can never add up.

-- A field of the members, as the whole number it is; nil where there is none.
local function member(field)
  local value = redis.call('HGET', C .. 'members', field)
  return value and whole(value, 'members') or nil
end

-- The generation that is on record, or nil.
local function epoch_of()
  local found = redis.call('HMGET', C .. 'epoch', 'gen', 'state', 'run', 'since', 'opens', 'name')
  if not found[1] then return nil end
  return {
    gen = whole(found[1], 'epoch'), state = found[2], run = found[3], since = whole(found[4], 'epoch'),
    opens = whole(found[5], 'epoch'), name = found[6] or '',
  }
end

-- Every log whose gateway counts in this store, and the generation it last brought everything to.
local function logs()
  local found, flat = {}, redis.call('HGETALL', C .. 'members')
  for i = 1, #flat, 2 do
    local log = string.match(flat[i], '^gen:(.*)$')
    if log then found[#found + 1] = { log = log, gen = whole(flat[i + 1], 'members') } end
  end
  table.sort(found, function(a, b) return a.log < b.log end)
  return found
end

local function missing_of(gen)
  local missing = {}
  for _, one in ipairs(logs()) do
    if one.gen ~= gen then missing[#missing + 1] = one.log end
  end
  return missing
end

-- Living gateways that have not noted this one: were the store to forget everything, they would not wait for it.
local function unmet()
  local found = {}
  for _, one in ipairs(logs()) do
    local life = one.log ~= LOG and redis.call('HGET', C .. 'members', 'life:' .. one.log)
    if life and heard(life) and not redis.call('HGET', C .. 'met', one.log .. ' ' .. LOG) then
      found[#found + 1] = one.log
    end
  end
  return found
end

-- Opens the generation when nobody is missing; answers how it stands, and who is waited for, or once nobody is, who else
-- counts here: whoever enters must know them all, and be known, before it can spend what the store may forget.
local function stand(epoch)
  local missing = missing_of(epoch.gen)
  local how = epoch.state == 'open' and 'open' or 'waiting'
  if #missing == 0 or how == 'open' then
    if #unmet() > 0 then
      how = 'unmet'
    elseif how == 'waiting' and RAW >= epoch.opens then
      redis.call('HSET', C .. 'epoch', 'state', 'open')
      how = 'opened'
    end
  end
  local answer = { how, text(epoch.gen), text(KEPT), text(NOW), text(epoch.since), epoch.name }
  for _, one in ipairs(logs()) do
    local listed = how == 'waiting' and one.gen ~= epoch.gen or how ~= 'waiting' and one.log ~= LOG
    if listed then answer[#answer + 1] = one.log end
  end
  return answer
end

-- Has this log's own gateway brought everything? Then nobody speaks for it any more, however late that is said.
local function came(log, gen)
  return member('gen:' .. log) == gen and not redis.call('HGET', C .. 'members', 'guess:' .. log)
end

-- For steps that bring something to a generation: it is still the one, on the server where it began, and still ours.
local function bringing()
  local epoch = epoch_of()
  if not epoch or epoch.gen ~= whole(GEN, 'argument') or epoch.run ~= server() then lost('the generation has gone') end
  if redis.call('HGET', C .. 'members', 'life:' .. LOG) ~= LIFE then
    error('FENCED another process goes by the name of this log', 0)
  end
  KEPT = member('mark:' .. LOG) or 0
  return epoch
end
