--- tcplua.simlab: the lab where the kernel refuses one: two stacks on a link in memory, and the
-- server of the main job on our own engine. It is required before the script and called with its
-- arguments; what it returns is called after the script, and raises if the answer was wrong.
local core = require "tcplua.core"
local hash = require "tcplua.hash"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local function serve(listener, verdict)
  while true do
    local conn <close> = assert(listener:accept())
    local line = ("simulated line %08x\n"):format(math.random(0, 0xffffffff))
    assert(conn:send(line))
    local answer = conn:read_line { max = 65, timeout = 5 } or "nothing"
    if answer ~= hash.sha256(line):hex() .. "\n" then
      verdict.message = ("the server sent '%s' and got the wrong answer '%s'"):format(
        core.escape(line:sub(1, -2)), core.escape(answer))
    end
    conn:close()
  end
end

-- The last three arguments are SRC DST PORT, where there are three that look like it.
local function addresses(...)
  local src, dst, port = select(math.max(1, select("#", ...) - 2), ...)
  if src and dst and port and core.address(src) and core.address(dst) and tonumber(port) then
    return dst, port
  end
  return "192.0.2.2", 9000
end

return function(...)
  local dst, port = addresses(...)
  local ours, theirs = core.pair { delay = 0.0001 }
  core.attach(theirs, dst)
  core.attach(ours)
  local listener = assert(tcp.listen { addr = dst, port = port })
  local verdict = {}
  task.spawn(serve, listener, verdict)
  return function()
    if verdict.message then
      error(core.error { code = "EPROTO", kind = "protocol", message = verdict.message }, 0)
    end
  end
end
