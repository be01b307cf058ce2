--- tcplua.reader: bytes and lines of a descriptor, while the rest goes on.
--
--     local process = require "tcplua.process"
--     local child <close> = assert(process.spawn { "ls", "-l" })
--     for line in child.stdout:lines() do io.write(line) end
--
-- Standard input (tcplua.input) and what a process prints (tcplua.process) are read by one of
-- these; a task that waits for one lets the others run. Nothing is read that nobody asked for, but
-- up to 64 KiB with it: a writer that is not read waits.
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local reader = {}
reader.__index = reader

local CHUNK <const> = 65536
local LINE_MAX <const> = 1048576

local function failure(code, message)
  return core.error { code = code, message = message }
end

--- A reader of `source`, an input object; `what` names it in errors.
function reader.new(source, what)
  return setmetatable({ source = source, what = what, ahead = "", ended = false }, reader)
end

-- Adds to what was read and not handed out; returns true, or nil and an error.
local function more(self, deadline)
  while not self.ended do
    local piece, err = self.source:raw_read(CHUNK)
    if piece == nil then return nil, err end
    if piece == false then
      self.ended = true
    elseif piece ~= "" then
      self.ahead = self.ahead .. piece
      return true
    elseif not task.wait(self.source, deadline, self.what) then
      return nil, failure("ETIMEDOUT", "timed out waiting for " .. self.what)
    end
  end
  return nil, failure("EOF", self.what .. " has ended")
end

local function take(self, length)
  local piece = self.ahead:sub(1, length)
  self.ahead = self.ahead:sub(length + 1)
  return piece
end

--- Between 1 and `max` bytes (64 KiB), as soon as there are any; nil and EOF at the end.
function reader:read(max, timeout)
  max = check.count("max", max, CHUNK)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  if self.ahead == "" then
    local ok, err = more(self, deadline)
    if not ok then return nil, err end
  end
  return take(self, max)
end

--- The next line, its LF included if it has one; nil and EOF at the end, EMSGSIZE if there is none
-- within 1 MiB.
function reader:read_line(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  local from = 1
  while true do
    local stop = self.ahead:find("\n", from, true)
    if stop then return take(self, stop) end
    from = #self.ahead + 1
    if from > LINE_MAX then
      return nil, failure("EMSGSIZE",
        ("%s: a line longer than %d bytes"):format(self.what, LINE_MAX))
    end
    local ok, err = more(self, deadline)
    if not ok then
      if err.code == "EOF" and self.ahead ~= "" then return take(self, #self.ahead) end
      return nil, err
    end
  end
end

--- Iterates over the lines; the end ends it, anything else raises.
function reader:lines()
  return function()
    local line, err = self:read_line()
    if not line and err.code ~= "EOF" then error(err, 0) end
    return line
  end
end

return reader
