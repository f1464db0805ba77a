-- What is brought to a generation is added to the lines; each piece once, however often it is brought.

-- Adds to one window's counters, and answers whether there were none; what would not be a count any more was not
-- written by us.
local function add(key, start, settled, held, payments)
  local before = counters(key, start)
  local now = before or { s = 0, h = 0, n = 0 }
  local sums = { s = now.s + settled, h = now.h + held, n = now.n + payments }
  for _, what in ipairs({ 's', 'h', 'n' }) do
    if sums[what] < 0 or sums[what] > MAX then poisoned(key) end
  end
  redis.call('HSET', key, start .. ':s', text(sums.s), start .. ':h', text(sums.h), start .. ':n', text(sums.n))
  return not before
end

-- Adds to a line; one whose window is new is kept from then on, and found by its budget.
local function add_line(line, settled, held, payments)
  if not add(line.key, line.start, settled, held, payments) then return end
  keep_line(line.key, line.expires ~= '' and whole(line.expires, 'argument') or nil)
  redis.call('SADD', line.index, line.scope)
end

-- A line as it stands in the arguments.
local function asked_line(at)
  return { index = ASKED[at], scope = ASKED[at + 1], key = ASKED[at + 2], start = ASKED[at + 3], expires = ASKED[at + 4] }
end

-- Settled, held and payments, as they are kept in one text.
local function sums_of(sums, where)
  local settled, held, payments = string.match(sums, '^(%d+) (%d+) (%d+)$')
  return { settled = whole(settled, where), held = whole(held, where), payments = whole(payments, where) }
end

-- What a log has brought to its lines so far, under the name of how it knows.
local function told_key(how, log) return T .. how .. ':' .. log end

-- Takes back what others guessed of a log that now speaks for itself.
local function drop_guess(log)
  local flat = redis.call('HGETALL', told_key('guess', log))
  for i = 1, #flat, 2 do
    local start, key = string.match(flat[i], '^(%d+) (.*)$')
    if start then
      local guessed = sums_of(flat[i + 1], flat[i])
      if redis.call('EXISTS', key) == 1 then
        add(key, start, -guessed.settled, -guessed.held, -guessed.payments)
      end
    end
  end
  redis.call('DEL', told_key('guess', log))
end
