--- What servers say first, on several ports at once: a task for each.
-- usage: tcplua scripts/banner_grab.lua DST PORT...
-- args: whoever waits for the client to speak first is silent for two seconds
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local dst = ...
local ports = { select(2, ...) }
if #ports == 0 then
  io.stderr:write("usage: tcplua scripts/banner_grab.lua DST PORT...\n")
  os.exit(2)
end

local function grab(port)
  local conn, err = tcp.connect { dst = dst, port = port, timeout = 5 }
  if not conn then return nil, err end
  local banner
  banner, err = conn:read(200, 2)
  conn:abort() -- nothing more is wanted of it
  return banner, err
end

local tasks = {}
for i, port in ipairs(ports) do tasks[i] = task.spawn(grab, port) end
for i, port in ipairs(ports) do
  local banner, err = tasks[i]:join()
  print(("%s %s"):format(port, banner and ("%q"):format(banner):gsub("\\\n", "\\n") or err))
end
