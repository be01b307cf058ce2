--- Our side of the TCP benchmark (tcp.c): what each job is, once more for tcplua.
-- usage: tcplua tests/bench/tcp.lua one|many|lines|receive|send|hold SRC DST PORT COUNT [PARALLEL]
--
--     one       COUNT connections one after the other: open, request, answer, the server closes
--     many      the same, PARALLEL at a time
--     lines     one connection: COUNT times a line comes and is answered
--     receive   COUNT bytes
--     send      COUNT bytes, until the peer says that it has them
--     hold      COUNT connections open at once, each a task that waits, 500 opening at a time
--
-- prints the seconds that it took; hold also by how many bytes each connection, the first 500 left
-- aside, made the process grow.
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local OPENING = 500 -- connections of those that are held are opening at a time

local mode, src, dst, port, count, parallel = ...
count = math.tointeger(tonumber(count))

local function open() return assert(tcp.connect { src = src, dst = dst, port = port }) end

local function once()
  local conn = open()
  assert(conn:send "once\n")
  assert(conn:read_line() == "done\n")
  assert(conn:passive_close())
  conn:close()
end

local jobs = {}

function jobs.one()
  for _ = 1, count do once() end
end

function jobs.many()
  local begun, tasks = 0, {}
  local function work()
    while begun < count do
      begun = begun + 1
      once()
    end
  end
  for i = 1, parallel do tasks[i] = task.spawn(work) end
  for i = 1, #tasks do tasks[i]:join() end
end

-- In a task, as a script that does several things at once has it.
function jobs.lines()
  task.spawn(function()
    local conn <close> = open()
    assert(conn:send(("lines %d\n"):format(count)))
    for _ = 1, count do
      assert(conn:read_line())
      assert(conn:send "answer\n")
    end
    assert(conn:passive_close())
  end):join()
end

function jobs.receive()
  local conn <close> = open()
  assert(conn:send(("give %d\n"):format(count)))
  local total = 0
  while total < count do total = total + #assert(conn:read()) end
  assert(conn:passive_close())
end

function jobs.send()
  local conn <close> = open()
  local piece, left = ("\0"):rep(65536), count
  assert(conn:send(("take %d\n"):format(count)))
  while left > 0 do
    assert(conn:send(left < #piece and piece:sub(1, left) or piece))
    left = left - #piece
  end
  assert(conn:read_line() == "done\n")
  assert(conn:passive_close())
end

local function resident() -- bytes
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s*(%d+) kB"
    if kib then return kib * 1024 end
  end
end

function jobs.hold()
  local held, tasks = 0, setmetatable({}, {}) -- an object to be waited for
  local function work()
    local conn = open()
    assert(conn:send "hold\n")
    assert(conn:read_line() == "done\n")
    held = held + 1
    task.notify(tasks)
    task.wait(conn, math.huge)
    conn:abort()
  end
  local function hold(most)
    while #tasks < most do
      tasks[#tasks + 1] = task.spawn(work)
      while #tasks - held >= OPENING do task.wait(tasks, math.huge) end
    end
    while held < most do task.wait(tasks, math.huge) end
    collectgarbage()
    collectgarbage()
    return resident()
  end
  local first = hold(OPENING) -- what the first ones bring along is not each one's
  local grown = hold(count) - first
  for i = 1, #tasks do tasks[i]:cancel() end
  return grown // (count - OPENING)
end

local begin = task.now()
local grown = jobs[mode]()
print(("%.6f %s"):format(task.now() - begin, grown or ""))
