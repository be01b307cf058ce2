--- tcplua.process: other programs, started, heard and surely ended.
--
--     local process = require "tcplua.process"
--     local server <close> = assert(process.spawn { "nc", "-l", "9000", stdin = "pipe" })
--     server:write("hello\n")
--     print(server:read_line(1))
--
-- A program is a list of its name and arguments, or a line for the shell; the same table has:
--
--     cwd               the folder it runs in
--     env               names and values that its environment has besides ours; false: without
--     stdin = "null"    "pipe" for write; "inherit": our own
--     stdout = "pipe"   for read; "inherit", "null"
--     stderr = "inherit"  "pipe" for child.stderr:read; "stdout": where that goes; "null"
--     shell = LINE      in place of the list
--     file              what to run, where the first of the list is only what it is called
--     netns             the descriptor of a network namespace to run in
--
-- It has a process group of its own. When the object is closed, or collected, or this program ends
-- in whatever way, the program and everything that it has started end too.
--
-- child.stdout and child.stderr are readers (tcplua.reader) where they are pipes. A pipe that
-- nobody reads holds a program up once 64 KiB stand in it; process.run reads all there is.
local check = require "tcplua.check"
local core = require "tcplua.core"
local reader = require "tcplua.reader"
local task = require "tcplua.task"

local process = {}

local child = { __name = "tcplua.child" }
child.__index = child

local GRACE <const> = 1 -- seconds between asking a program to end and ending it
local CHUNK <const> = 65536
local OUTPUT_MAX <const> = 1048576
local RUN_TIMEOUT <const> = 300

local FIELDS <const> = { cwd = true, env = true, stdin = true, stdout = true, stderr = true,
  shell = true, file = true, extra = true, netns = true }

local open = setmetatable({}, { __mode = "k" }) -- those that were not closed

local function environment(env)
  local list = {}
  for name, value in pairs(env) do
    if type(name) ~= "string" or name == "" or name:find "=" then
      check.fail(("env: '%s' is no name"):format(core.escape(tostring(name))))
    end
    list[#list + 1] = value == false and name or name .. "=" .. tostring(value)
  end
  return list
end

-- What core.start_process takes, of what a script says.
local function read_options(options)
  if type(options) == "string" then options = { shell = options } end
  if type(options) ~= "table" then
    check.fail("a list of words or a line for the shell expected, got " .. type(options))
  end
  local out = { argv = {} }
  for key, value in pairs(options) do
    if math.type(key) == "integer" then
      out.argv[key] = type(value) == "number" and tostring(value) or value
    elseif not FIELDS[key] then
      check.fail(("unknown option '%s'"):format(core.escape(tostring(key))))
    else
      out[key] = value
    end
  end
  if out.shell then
    if out.argv[1] then check.fail "a list of words or a line for the shell, not both" end
    out.argv, out.shell = { "/bin/sh", "-c", out.shell }, nil
  end
  check.list("argv", out.argv)
  if out.env then out.env = environment(out.env) end
  return out
end

--- Starts a program. Returns an object, or nil and an error: no such program, no rights.
function process.spawn(options)
  local arguments = read_options(options)
  local raw, ends = core.start_process(arguments)
  if not raw then
    local err = ends
    err.op = "spawn"
    return nil, err
  end
  local name = core.escape(arguments.argv[1])
  local self = setmetatable({ raw = raw, name = name, news = ends.news, input = ends.stdin }, child)
  for _, stream in ipairs { "stdout", "stderr", "extra" } do
    local what = ("%s of '%s'"):format(stream, name)
    self[stream] = ends[stream] and reader.new(ends[stream], what)
  end
  open[self] = true
  return self
end

local function outcome(self)
  if not self.result then
    local how, number, name = self.raw:raw_ended()
    self.result = how == "exit" and { code = number }
      or how and { signal = name or number, number = number } or nil
  end
  return self.result
end

--- Its process id.
function child:pid()
  return self.raw:raw_pid()
end

--- Whether it runs.
function child:running()
  return not self.raw:raw_closed() and not outcome(self)
end

local function stream(self, name)
  if not self[name] then
    check.fail(("%s of '%s' is not read: %s = \"pipe\" makes it so"):format(name, self.name, name))
  end
  return self[name]
end

--- What it has printed, as soon as there is something; nil and EOF at the end.
function child:read(timeout)
  return stream(self, "stdout"):read(nil, timeout)
end

--- The next line that it prints, its LF included; nil and EOF at the end.
function child:read_line(timeout)
  return stream(self, "stdout"):read_line(timeout)
end

--- Writes all of `data` to its standard input.
function child:write(data, timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, RUN_TIMEOUT)
  local input, at = stream(self, "input"), 1
  while at <= #data do
    local put, err = input:raw_write(data, at)
    if not put then return nil, err end
    at = at + put
    if put == 0 and not task.wait(input, deadline, "a program to read") then
      return nil, core.error { code = "ETIMEDOUT", message =
        ("timed out waiting for '%s' to read"):format(self.name) }
    end
  end
  return true
end

--- Ends its standard input.
function child:close_input()
  stream(self, "input"):raw_free()
end

--- Waits until it has ended: { code = 0 } or { signal = "KILL" }; nil and ETIMEDOUT if it goes on.
function child:wait(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  while not outcome(self) do
    if not task.wait(self.news, deadline, ("'%s' to end"):format(self.name)) and
      not outcome(self) then
      return nil, core.error { code = "ETIMEDOUT", message =
        ("'%s' has not ended in time"):format(self.name) }
    end
  end
  return outcome(self)
end

--- Sends a signal, "TERM" or a name or number, to it and to what it has started.
function child:kill(signal)
  self.raw:raw_kill(signal or "TERM")
end

local function free(self)
  for _, name in ipairs { "stdout", "stderr", "extra" } do
    if self[name] then self[name].source:raw_free() end
  end
  if self.input then self.input:raw_free() end
  self.news:raw_free()
  self.raw:raw_free()
  open[self] = nil
end

--- Ends it: asks (TERM), and after `grace` seconds (1) kills what is left. Closing again does
-- nothing. Returns how it ended.
function child:close(grace)
  if self.raw:raw_closed() then return self.result end
  grace = check.seconds("grace", grace, GRACE)
  if not outcome(self) and grace > 0 then
    self:kill()
    self:wait(grace)
  end
  local result = outcome(self) or { signal = "KILL", number = 9 }
  self.result = result
  free(self)
  return result
end

function child:__close()
  self:close(not task.can_wait() and 0 or nil)
end

-- All of one stream, at most OUTPUT_MAX bytes of it: the text, and how much was left out.
local function read_all(source)
  local parts, size, cut = {}, 0, 0
  while true do
    local piece = source:read(CHUNK)
    if not piece then return table.concat(parts), cut end
    local room = math.min(#piece, OUTPUT_MAX - size)
    parts[#parts + 1] = piece:sub(1, room)
    size, cut = size + room, cut + #piece - room
  end
end

--- Runs a program to its end: { code = or signal =, out =, err =, cut = }: what it printed, 1 MiB
-- of each at most, and how many bytes were left out. err is nil unless stderr is "pipe". nil and
-- ETIMEDOUT if it has not ended after `timeout` seconds (300); then it is ended.
function process.run(options, timeout)
  local self <close>, err = process.spawn(options)
  if not self then return nil, err end
  local deadline = core.now() + check.seconds("timeout", timeout, RUN_TIMEOUT)
  local tasks = {}
  for _, name in ipairs { "stdout", "stderr" } do
    tasks[name] = self[name] and task.spawn(read_all, self[name])
  end
  local result = { cut = 0 }
  local ended
  ended, err = self:wait(deadline - core.now())
  for name, reading in pairs(tasks) do
    -- Whoever the program has left behind may keep its pipe open.
    local text, cut = reading:join(ended and math.max(deadline - core.now(), 0) or 0)
    if not text then
      ended, err = nil, err or cut
      reading:cancel()
    else
      result[name == "stdout" and "out" or "err"] = text
      result.cut = result.cut + cut
    end
  end
  if not ended then return nil, err end
  result.code, result.signal = ended.code, ended.signal
  return result
end

-- An address of /proc/net/tcp: words in the byte order of the host.
local function read_address(hex)
  return (hex:gsub("%x%x%x%x%x%x%x%x", function(word) return ("=I4"):pack(tonumber(word, 16)) end))
end

--- Where TCP is listened on in the network that it is in, by whomever: a list of { port =, addr = }
-- with the address as its 4 or 16 bytes. Empty once it has ended. Nothing is connected to.
function child:listening()
  local list = {}
  for _, name in ipairs { "tcp", "tcp6" } do
    local file <close> = io.open(("/proc/%d/net/%s"):format(self:pid(), name))
    for line in file and file:lines() or function() end do
      local addr, port = line:match "^%s*%d+: (%x+):(%x+) %x+:%x+ 0A "
      if addr then list[#list + 1] = { addr = read_address(addr), port = tonumber(port, 16) } end
    end
  end
  return list
end

--- The programs that were started and not closed: a list of objects.
function process.open()
  local list = {}
  for self in pairs(open) do list[#list + 1] = self end
  return list
end

return process
