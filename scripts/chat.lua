--- A chat, line by line, between two of these: one listens, the other connects.
-- usage: tcplua scripts/chat.lua listen ADDR PORT | connect DST PORT
-- args: it ends with the input (Ctrl-D) of both sides, or when the other side is gone
local input, task, tcp = require "tcplua.input", require "tcplua.task", require "tcplua.tcp"

local role, addr, port = ...
if not port or (role ~= "listen" and role ~= "connect") then
  io.stderr:write("usage: tcplua scripts/chat.lua listen ADDR PORT | connect DST PORT\n")
  os.exit(2)
end

local function say(format, ...)
  print(format:format(...))
  io.stdout:flush()
end

local function meet()
  if role == "connect" then return tcp.connect { dst = addr, port = port } end
  local listener = assert(tcp.listen { addr = addr, port = port })
  say("-- listening on %s port %d", addr, listener:port())
  return listener:accept()
end

local conn <close> = assert(meet())
say("-- talking to %s", conn:info().dst)

-- Typed lines go out while others come in; the end of them ends our side of the stream.
local typing = task.spawn(function()
  for line in input.lines() do
    if not conn:send(line) then return end                    -- the main chunk hears of it, too
  end
  conn:shutdown()
end)

while true do
  local line, err, rest = conn:read_line { timeout = math.huge }
  line = line or rest
  if line ~= "" then say("%s", (line:gsub("\n$", ""):gsub("%c", "?"))) end
  if err then
    say("-- %s", err.code == "EOF" and "the other side has ended" or err)
    break
  end
end
if conn:eof() and conn:state() == "CLOSE-WAIT" then typing:cancel() end
