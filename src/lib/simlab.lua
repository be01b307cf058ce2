--- tcplua.simlab: what --sim puts around a script, and the lab where the kernel refuses one: a
-- simulated network, and at its other end the server of the main job, on our own engine. It is
-- required before the script and called with the settings, or nil, and the script's arguments; what
-- it returns is called after the script, and raises if the answer was wrong.
local core = require "tcplua.core"
local hash = require "tcplua.hash"
local sim = require "tcplua.sim"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local SRC <const>, SRC6 <const> = "192.0.2.1", "2001:db8::1"
local DST <const>, DST6 <const> = "192.0.2.2", "2001:db8::2"
local PATIENCE <const> = 1e6 -- seconds that the server waits, whatever the path is like

local function talk(conn, verdict)
  local line = ("simulated line %08x\n"):format(math.random(0, 0xffffffff))
  if not conn:send(line, PATIENCE) then return end
  local answer, err = conn:read_line { max = 65, timeout = PATIENCE }
  if err and err.code == "ETIMEDOUT" then return end -- the path's fault
  answer = answer or "nothing"
  if answer ~= hash.sha256(line):hex() .. "\n" then
    verdict.message = ("the server sent '%s' and got the wrong answer '%s'"):format(
      core.escape(line:sub(1, -2)), core.escape(answer))
  end
  conn:close(PATIENCE)
end

local function serve(listener, verdict)
  while true do
    local accepted = assert(listener:accept())
    task.spawn(function()
      local conn <close> = accepted
      talk(conn, verdict)
    end)
  end
end

-- The last three arguments are SRC DST PORT, where there are three that look like it.
local function server_of(...)
  local src, dst, port = select(math.max(1, select("#", ...) - 2), ...)
  if src and dst and port and core.address(src) and core.address(dst) and tonumber(port) then
    return dst, port
  end
  return DST, 9000
end

return function(text, seed, ...)
  local settings, changes = sim.parse(text or "delay=100us")
  if not settings then error(changes, 0) end
  math.randomseed(seed)
  settings.seed = seed
  local net = sim.network(settings)
  local client, server = net:host(), net:host()
  server.unseen = true -- -v and -w are of the script's end
  assert(net.hub:raw_home(client.sending.number, SRC, SRC6))
  for _, change in ipairs(changes) do net:at(change.at, change.settings) end

  local dst, port = server_of(...)
  assert(server:add(DST))
  assert(server:add(DST6))
  if dst ~= DST and dst ~= DST6 then assert(server:add(dst)) end
  local verdict = {}
  for _, address in ipairs(server.addresses) do
    task.spawn(serve, assert(tcp.listen { addr = address, port = port }), verdict)
  end
  return function()
    if verdict.message then
      error(core.error { code = "EPROTO", kind = "protocol", message = verdict.message }, 0)
    end
  end
end
