--- The server that sha_client.lua is for: sends a random line, checks its SHA-256, closes first.
-- usage: tcplua scripts/sha_server.lua ADDR PORT [COUNT]
-- args: ends after COUNT clients, if there is one: status 0 if every answer was right, else 1
local hash, task, tcp = require "tcplua.hash", require "tcplua.task", require "tcplua.tcp"

local addr, port, count = ...
count = count and math.tointeger(tonumber(count)) or not count and math.huge
if not port or not count or count < 1 then
  io.stderr:write("usage: tcplua scripts/sha_server.lua ADDR PORT [COUNT]\n")
  os.exit(2)
end

-- What was wrong with an answer.
local function fault(line, answer, err)
  if answer == hash.sha256(line:sub(1, -2)):hex() .. "\n" then
    return "the hash of the line without its LF"
  end
  return answer and ("'%s'"):format((answer:sub(1, -2):gsub("[%c\128-\255]", "?"))) or tostring(err)
end

local function serve(client)
  local conn <close> = client
  local line = ("line %08x %08x\n"):format(math.random(0, 0xffffffff), math.random(0, 0xffffffff))
  local answer, err = conn:send(line)
  if answer then answer, err = conn:read_line { max = 66, timeout = 10 } end
  conn:close(10)                                              -- our FIN first
  local right = answer == hash.sha256(line):hex() .. "\n"
  print(("sent '%s', got %s"):format(line:sub(1, -2),
    right and "the right hash of it" or fault(line, answer, err)))
  io.stdout:flush()
  return right
end

local listener <close> = assert(tcp.listen { addr = addr, port = port })
print(("serving on %s port %d"):format(addr, listener:port()))
io.stdout:flush()
local tasks, wrong = {}, 0
local served = 0
while served < count do
  served = served + 1
  local one = task.spawn(serve, assert(listener:accept()))
  if count < math.huge then tasks[served] = one end           -- nobody asks for an endless list
end
for _, one in ipairs(tasks) do
  if not one:join() then wrong = wrong + 1 end
end
print(("%d served, %d wrong"):format(served, wrong))
os.exit(wrong == 0 and 0 or 1)
