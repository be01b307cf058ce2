--- tcplua.input: standard input, while the rest goes on.
--
--     local input = require "tcplua.input"
--     for line in input.lines() do conn:send(line) end
--
-- io.read holds up everything until somebody has typed; here one task waits while the others run.
-- Both keep what they have read ahead to themselves: use one of them in a script.
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"

local input = {}

local CHUNK = 65536

local source       -- standard input, opened by the first who reads
local ahead = ""   -- what was read and not handed out
local ended = false

local function failure(code, message)
  return core.error { code = code, message = message }
end

-- Adds to `ahead`; returns true, or nil and an error.
local function more(deadline)
  while not ended do
    if not source then
      local opened, err = core.open_input()
      if not opened then return nil, err end
      source = opened
    end
    local piece, err = source:raw_read(CHUNK)
    if piece == nil then return nil, err end
    if piece == false then
      ended = true
    elseif piece ~= "" then
      ahead = ahead .. piece
      return true
    elseif not task.wait(source, deadline, "standard input") then
      return nil, failure("ETIMEDOUT", "timed out waiting for standard input")
    end
  end
  return nil, failure("EOF", "standard input has ended")
end

local function take(length)
  local piece = ahead:sub(1, length)
  ahead = ahead:sub(length + 1)
  return piece
end

--- Between 1 and `max` bytes (64 KiB), as soon as there are any; nil and EOF at the end.
function input.read(max, timeout)
  max = check.count("max", max, CHUNK)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  if ahead == "" then
    local ok, err = more(deadline)
    if not ok then return nil, err end
  end
  return take(max)
end

--- The next line, its LF included if it has one; nil and EOF at the end.
function input.read_line(timeout)
  local deadline = core.now() + check.seconds("timeout", timeout, math.huge)
  local from = 1
  while true do
    local stop = ahead:find("\n", from, true)
    if stop then return take(stop) end
    from = #ahead + 1
    local ok, err = more(deadline)
    if not ok then
      if err.code == "EOF" and ahead ~= "" then return take(#ahead) end
      return nil, err
    end
  end
end

--- Iterates over the lines; the end of the input ends it, anything else raises.
function input.lines()
  return function()
    local line, err = input.read_line()
    if not line and err.code ~= "EOF" then error(err, 0) end
    return line
  end
end

return input
