-- Reads lines as the hold's step sees them. A line is eight arguments (index of scopes, scope, start, finish, part,
-- length, limit, payments) and one key.

-- One rolling line: its current part, the sums of all parts that count, and the fields of those that do not.
local function rolling(line, now)
  local parts, flat = {}, redis.call('HGETALL', line.key)
  if #flat == 0 then check_absent(line.key) end
  for i = 1, #flat, 2 do
    local start, what = string.match(flat[i], '^(%d+):([shn])$')
    if not start then poisoned(line.key) end
    parts[start] = parts[start] or {}
    parts[start][what] = whole(flat[i + 1], line.key)
  end
  line.start = text(math.floor(now / line.part) * line.part)
  line.sum, line.old, line.newest = { s = 0, h = 0, n = 0 }, {}, 0
  for start, part in pairs(parts) do
    if not (part.s and part.h and part.n) then poisoned(line.key) end
    local at = whole(start, line.key)
    if at > now - line.length - line.part then
      for _, what in ipairs({ 's', 'h', 'n' }) do
        line.sum[what] = line.sum[what] + part[what]
        if line.sum[what] > MAX then poisoned(line.key) end
      end
      if part.s + part.h + part.n > 0 then line.newest = math.max(line.newest, at) end
    else
      for _, what in ipairs({ 's', 'h', 'n' }) do line.old[#line.old + 1] = start .. ':' .. what end
    end
  end
  line.now = parts[line.start] or { s = 0, h = 0, n = 0 }
  if line.newest == 0 then line.newest = tonumber(line.start) end
  return line
end

local function calendar(line, now)
  if now < tonumber(line.start) or (line.finish ~= '' and now >= tonumber(line.finish)) then return nil end
  line.now = counters(line.key, line.start) or { s = 0, h = 0, n = 0 }
  line.sum, line.old, line.newest = line.now, {}, tonumber(line.start)
  return line
end

-- The line whose arguments begin at `at`, as it is now; nil when its calendar window does not hold `now`.
local function read_line(key, at, now)
  local line = {
    key = key, index = ASKED[at], scope = ASKED[at + 1], start = ASKED[at + 2], finish = ASKED[at + 3],
    part = tonumber(ASKED[at + 4]), length = tonumber(ASKED[at + 5]), limit = whole(ASKED[at + 6], 'argument'),
    payments = ASKED[at + 7] ~= '' and whole(ASKED[at + 7], 'argument') or nil,
  }
  if line.part > 0 then return rolling(line, now) end
  return calendar(line, now)
end

-- All lines, one per key after the first `skip`; nil when the caller's windows are not those of `now`.
local function read_lines(skip, first, now)
  local lines = {}
  for i = 1, #KEYS - skip do
    local line = read_line(KEYS[skip + i], first + (i - 1) * 8, now)
    if not line then return nil end
    lines[i] = line
  end
  return lines
end

local function append_state(answer, line)
  for _, value in ipairs({ line.start, text(line.newest), text(line.sum.s), text(line.sum.h), text(line.sum.n) }) do
    answer[#answer + 1] = value
  end
end

local function with_states(answer, lines)
  for _, line in ipairs(lines) do append_state(answer, line) end
  return answer
end

-- When a line's counters are no longer needed: nothing of a rolling line counts by then, and no outcome comes so late.
local function expiry_of(line)
  if line.part > 0 then return NOW + line.length + line.part + IDENTITY_STAYS end
  return line.finish ~= '' and tonumber(line.finish) + COUNTER_STAYS or nil
end

-- The line is on record: from now on it does not count as nothing when it is gone.
local function keep_line(key, expires)
  if expires then redis.call('PEXPIREAT', key, text(expires)) end
  redis.call('ZADD', T .. 'lines', text(expires or MAX), key)
end
