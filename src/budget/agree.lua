-- Compares terms with their record; when none differs, records those that are new. KEYS: clock, terms.
-- Then: field, value, …
local differing = {}
for i = 1, #ASKED, 2 do
  local recorded = redis.call('HGET', KEYS[2], ASKED[i])
  if recorded and recorded ~= ASKED[i + 1] then
    differing[#differing + 1] = ASKED[i]
    differing[#differing + 1] = recorded
  end
end
if #differing == 0 then
  for i = 1, #ASKED, 2 do redis.call('HSETNX', KEYS[2], ASKED[i], ASKED[i + 1]) end
end
return differing
