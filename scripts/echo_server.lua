--- Sends back what it gets, to any number of clients at once: a task for each.
-- usage: tcplua scripts/echo_server.lua ADDR PORT
-- args: ADDR is an address of this host, or with -i IFACE one that nobody has
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local addr, port = ...
if not port then
  io.stderr:write("usage: tcplua scripts/echo_server.lua ADDR PORT\n")
  os.exit(2)
end

local function echo(client)
  local conn <close> = client                                 -- closed however this ends
  local ok, err = true, nil
  while ok do
    ok, err = conn:read()
    if ok then ok, err = conn:send(ok) end
  end
  if err.code ~= "EOF" then io.stderr:write(tostring(err), "\n") end
end

local listener = assert(tcp.listen { addr = addr, port = port, backlog = 1024 })
print(("echoing on %s port %d"):format(addr, listener:port()))
io.stdout:flush()
while true do task.spawn(echo, assert(listener:accept())) end
