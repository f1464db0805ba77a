-- The state of lines. KEYS: clock, then one per line.
local now = clock()
local lines = read_lines(1, 1, now)
if not lines then return { 'again', text(now) } end
return with_states({ 'counted' }, lines)
