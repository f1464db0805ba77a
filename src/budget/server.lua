-- Which server process answers. A restart, a failover and a restored copy all change it; one that does not say it could
-- have forgotten anything.
local function server()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if not run then error('SERVER does not say which process of it answers (run_id in INFO server)', 0) end
  return run
end
