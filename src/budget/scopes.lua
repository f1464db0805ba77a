-- One page of the scopes of a budget that count something now; those without counters leave the index. KEYS: clock, index.
-- Then: cursor, page size, what a line's key is before its scope, one line.
local now = clock()
local page = redis.call('SSCAN', KEYS[2], ASKED[1], 'COUNT', ASKED[2])
local answer = { 'scopes', page[1] }
for _, scope in ipairs(page[2]) do
  local key = ASKED[3] .. scope
  if redis.call('EXISTS', key) == 0 then
    check_absent(key)
    redis.call('SREM', KEYS[2], scope)
  else
    local line = read_line(key, 4, now)
    if not line then return { 'again', text(now) } end
    if line.sum.s + line.sum.h + line.sum.n > 0 then
      answer[#answer + 1] = scope
      append_state(answer, line)
    end
  end
end
return answer
