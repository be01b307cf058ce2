-- Programs that a script starts: what they print, how they end, and that nothing of them is left,
-- however this program ends.
local core = require "tcplua.core"
local process = require "tcplua.process"
local t = require "harness"
local task = require "tcplua.task"

local SELF <const> = io.open "/proc/self/stat":read "n"
local PROGRAM <const> = os.getenv "TCPLUA" or "/proc/" .. SELF .. "/exe"

-- The state letter of a process, "Z" for a zombie; nil if there is none.
local function state(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  if not file then return nil end
  local text <const> = file:read "a"
  file:close()
  return text and text:match "%) (%a)"
end

-- Whether it is gone, or will be in a moment; whoever has it as a child by now may take his time.
local function gone(pid)
  for _ = 1, 500 do
    if (state(pid) or "Z") == "Z" then return true end
    task.sleep(0.01)
  end
  return false
end

local function children()
  local file <close> = assert(io.open(("/proc/%d/task/%d/children"):format(SELF, SELF)))
  return select(2, file:read "a":gsub("%d+", ""))
end

local function read_pid(child) return math.tointeger(tonumber((assert(child:read_line(5))))) end

t.test("what it prints is read, and how it ended", function()
  local child <close> = assert(process.spawn { "sh", "-c", "echo one; echo two; printf x; exit 7" })
  t.equal(child:read_line(5), "one\n")
  t.equal(child:read_line(5), "two\n")
  t.equal(child:read_line(5), "x")
  t.equal(select(2, child:read_line(5)).code, "EOF")
  t.equal(assert(child:wait(5)).code, 7)
  t.equal(child:running(), false)
end)

t.test("words are words, and a line is the shell's", function()
  t.equal(assert(process.run { "echo", "$HOME *", "", 3 }).out, "$HOME *  3\n")
  t.equal(assert(process.run "echo a | tr a b").out, "b\n")
  t.equal(assert(process.run { file = "/bin/sh", "other", "-c", "echo $0" }).out, "other\n")
end)

t.test("standard error goes where it is wanted", function()
  t.equal(assert(process.run { shell = "echo a; echo b >&2", stderr = "stdout" }).out, "a\nb\n")
  local result = assert(process.run { shell = "echo a; echo b >&2", stderr = "pipe" })
  t.equal(result.out .. result.err, "a\nb\n")
  t.equal(assert(process.run { shell = "echo a; echo b >&2", stderr = "null" }).out, "a\n")
end)

t.test("folder and environment", function()
  local result = assert(process.run { shell = "pwd; echo ${A-none} ${HOME-none} ${PATH:+path}",
    cwd = "/proc", env = { A = "b c", HOME = false } })
  t.equal(result.out, "/proc\nb c none path\n")
  t.contains(select(2, pcall(process.spawn, { "true", env = { ["A=B"] = "c" } })), "is no name")
end)

t.test("what cannot be started says so", function()
  local child, err = process.spawn { "/no/such\nprogram" }
  t.equal(child, nil)
  t.equal(tostring(err), "cannot start '/no/such\\x0aprogram': No such file or directory")
  t.equal(err.code .. err.kind, "ENOENTenvironment")
  t.equal(tostring(select(2, process.spawn { "true", cwd = "/nowhere" })),
    "cannot run anything in '/nowhere': No such file or directory")
  t.equal(select(2, process.spawn { "/proc" }).code, "EACCES")
  for wrong, message in pairs {
    [1] = "got number", [{}] = "the program's name is missing", [{ "a", "b\0c" }] = "zero bytes",
    [{ "a", stdout = "nowhere" }] = "is no stream", [{ "a", stdin = "stdout" }] = "is no stream",
    [{ "a", colour = 1 }] = "unknown option 'colour'", [{ "a", shell = "b" }] = "not both",
  } do
    t.contains(select(2, pcall(process.spawn, wrong)), message)
  end
  t.equal(children(), 1, "children: the lab's server")
end)

t.test("a program that reads gets what is written, more than a pipe holds too", function()
  local child <close> = assert(process.spawn { "cat", stdin = "pipe" })
  local data = ("0123456789abcde\n"):rep(20000)
  local parts = {}
  local reading = task.spawn(function()
    for line in child.stdout:lines() do parts[#parts + 1] = line end
  end)
  assert(child:write(data, 20))
  child:close_input()
  reading:join()
  t.equal(table.concat(parts) == data, true, "the same came back")
  t.equal(child:wait(5).code, 0)
end)

t.test("writing to nobody, and waiting in vain", function()
  local child <close> = assert(process.spawn { "true", stdin = "pipe" })
  child:wait(5)
  t.equal(select(2, child:write(("x"):rep(200000), 5)).code, "EPIPE")
  local sleeper <close> = assert(process.spawn { "sleep", "600", stdin = "pipe" })
  t.equal(select(2, sleeper:write(("x"):rep(200000), 0.05)).code, "ETIMEDOUT")
  t.equal(select(2, sleeper:wait(0.05)).code, "ETIMEDOUT")
  t.equal(select(2, sleeper:read(0.05)).code, "ETIMEDOUT")
  t.contains(select(2, pcall(sleeper.write, child, nil)), "attempt to get length")
end)

t.test("a signal ends the whole group", function()
  local child <close> = assert(process.spawn "sleep 600 & echo $!; wait")
  local pid = read_pid(child)
  t.equal(state(pid) ~= nil, true, "it runs")
  child:kill()
  t.equal(assert(child:wait(5)).signal, "TERM")
  t.equal(gone(pid), true, "gone")
  t.contains(select(2, pcall(child.kill, child, "NOTHING")), "no signal")
end)

t.test("what has ended is no zombie, and what is closed is no process", function()
  local child = assert(process.spawn "echo $$")
  local pid = read_pid(child)
  child:wait(5)
  t.equal(state(pid), nil)
  t.equal(children(), 2, "its keeper and the lab's server")
  child:close()
  child:close()
  t.equal(children(), 1)
  t.contains(select(2, pcall(child.pid, child)), "closed process")
end)

t.test("closing leaves nothing, whatever it ignores and wherever it hides", function()
  local child = assert(process.spawn
    "trap '' TERM; sleep 600 & echo $!; setsid sleep 601 & echo $!; while :; do sleep 1; done")
  local first, second = read_pid(child), read_pid(child)
  local pid = child:pid()
  t.equal(child:close(0.1).signal, "KILL")
  t.equal(state(pid) or state(first) or state(second), nil)
end)

t.test("what a program leaves behind ends with the object", function()
  local child = assert(process.spawn "sleep 600 >/dev/null & echo $!; setsid sleep 601 & echo $!")
  local first, second = read_pid(child), read_pid(child)
  t.equal(assert(child:wait(5)).code, 0)
  t.equal(state(first) and state(second) ~= nil, true, "both run")
  child:close()
  t.equal(state(first) or state(second), nil)
end)

t.test("an object that nobody holds any more ends its program", function()
  local pid = assert(process.spawn { "sleep", "600" }):pid()
  collectgarbage()
  collectgarbage()
  t.equal(gone(pid), true)
  t.equal(#process.open(), 0)
end)

-- A program of ours with a server and something that has left its group; the line it prints is
-- their process ids.
local NEST <const> = [[
  local process = require "tcplua.process"
  local c = assert(process.spawn "sleep 600 & echo $!; setsid sleep 601 & echo $!; exec sleep 602")
  io.write(c:pid(), "\n", c:read_line(), c:read_line())
  io.flush()
  require "tcplua.task".sleep(600)
]]

for _, signal in ipairs { "KILL", "TERM", "INT" } do
  t.test("our own end by " .. signal .. " leaves nothing", function()
    local child = assert(process.spawn { PROGRAM, "-e", NEST, stderr = "null" })
    local pids = { read_pid(child), read_pid(child), read_pid(child) }
      os.execute(("kill -%s %d"):format(signal, child:pid()))
    for _, pid in ipairs(pids) do t.equal(gone(pid), true, "process " .. pid) end
    t.equal(assert(child:wait(5)).signal, signal)
    child:close()
  end)
end

t.test("a keeper that is killed takes the program with it", function()
  local child <close> = assert(process.spawn { "sleep", "600" })
  local pid = child:pid()
  local file <close> = assert(io.open("/proc/" .. pid .. "/stat"))
  os.execute("kill -KILL " .. file:read "a":match "%) %a (%d+)")
  t.equal(assert(child:wait(5)).signal, "KILL")
  t.equal(gone(pid), true)
end)

t.test("output is bounded, and a limit of time too", function()
  local result = assert(process.run "head -c 3000000 /dev/zero")
  t.equal(#result.out, 1048576)
  t.equal(result.cut, 3000000 - 1048576)
  local begin = core.now()
  t.equal(select(2, process.run("yes", 0.2)).code, "ETIMEDOUT")
  t.equal(select(2, process.run("sleep 600 & echo x", 0.2)).code, "ETIMEDOUT")
  t.within(core.now() - begin, 0.4, 20)
  t.equal(children(), 1)
  local child <close> = assert(process.spawn "head -c 2000000 /dev/zero")
  t.equal(select(2, child:read_line(20)).code, "EMSGSIZE")
end)

t.test("a program gets none of our descriptors", function()
  local first <close> = assert(process.spawn { "cat", stdin = "pipe", stderr = "pipe" })
  local line = "ls /proc/self/fd | tr '\\n' ' '"
  local ours = assert(process.run(line)).out
  local other <close> = assert(io.popen(line))
  t.equal(ours, other:read "a", "descriptors, and those of any program")
  t.equal(first:running(), true)
end)

t.test("in another network namespace", function()
  -- A descriptor of one is what a shell can open: a program of ours gets it as 9.
  local line = ([[unshare -n sleep 60 >/dev/null & until [ "$(readlink /proc/$!/ns/net)" != ]] ..
    [["$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done; exec 9</proc/$!/ns/net; '%s' -e ']] ..
    [[io.write(require"tcplua.process".run { "cat", "/proc/net/dev", netns = 9 }.out)'; kill $!]])
    :format(PROGRAM)
  local result = assert(process.run({ shell = line, stderr = "pipe" }, 20))
  if result.err:find "unshare" then t.skip(result.err) end
  t.contains(result.out, "lo:")
  t.equal(result.out:find("srv0", 1, true), nil)
  t.contains(assert(process.run "cat /proc/net/dev").out, "srv0")
end)

t.test("thirty at once", function()
  local list = {}
  for i = 1, 30 do list[i] = assert(process.spawn { "sh", "-c", "echo " .. i }) end
  for i, child in ipairs(list) do t.equal(child:read_line(20), i .. "\n") end
  for _, child in ipairs(list) do child:close() end
  t.equal(children(), 1)
end)

t.done()
