--- Passes bytes on: who connects to ADDR PORT talks to DST DPORT. Each side can end its stream
-- while the other goes on, and a failure of one is a reset for the other.
-- usage: tcplua scripts/relay.lua ADDR PORT DST DPORT
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local addr, port, dst, dport = ...
if not dport then
  io.stderr:write("usage: tcplua scripts/relay.lua ADDR PORT DST DPORT\n")
  os.exit(2)
end

-- One way. True when it has ended in order; else `give_up` ends the other way.
local function pump(from, to, give_up)
  local ok, err
  repeat
    ok, err = from:read(nil, math.huge)
    if ok then ok, err = to:send(ok, math.huge) end
  until not ok
  if err.code == "EOF" then return to:shutdown() end
  io.stderr:write(tostring(err), "\n")
  give_up()
end

local function relay(near)
  local far, err = tcp.connect { dst = dst, port = dport }
  if not far then
    io.stderr:write(tostring(err), "\n")
    return near:abort()
  end
  local there, back
  there = task.spawn(pump, near, far, function() back:cancel() end)
  back = task.spawn(pump, far, near, function() there:cancel() end)
  if there:join() and back:join() then
    near:close()
    far:close()
  else
    near:abort()
    far:abort()
  end
end

local listener = assert(tcp.listen { addr = addr, port = port })
print(("relaying from %s port %d"):format(addr, listener:port()))
io.stdout:flush()
while true do task.spawn(relay, assert(listener:accept())) end
