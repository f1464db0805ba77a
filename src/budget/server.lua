-- Which server process answers. A restart, a failover and a restored copy all change it.
local function server() return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '' end
