-- Compares terms with their record; when none differs, records those that are new. KEYS: clock, terms.
-- Then: field, value, …
local differing = {}
for i = 4, #ARGV, 2 do
  local recorded = redis.call('HGET', KEYS[2], ARGV[i])
  if recorded and recorded ~= ARGV[i + 1] then
    differing[#differing + 1] = ARGV[i]
    differing[#differing + 1] = recorded
  end
end
if #differing == 0 then
  for i = 4, #ARGV, 2 do redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
return differing
