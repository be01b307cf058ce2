--- tcplua.input: standard input, while the rest goes on.
--
--     local input = require "tcplua.input"
--     for line in input.lines() do conn:send(line) end
--
-- io.read holds up everything until somebody has typed; here one task waits while the others run.
-- Both keep what they have read ahead to themselves: use one of them in a script.
local core = require "tcplua.core"
local reader = require "tcplua.reader"

local input = {}

local standard -- opened by the first who reads

-- The reader's method, on standard input; nil and an error where there is none.
local function of_standard(method, ...)
  if not standard then
    local source, err = core.open_input()
    if not source then return nil, err end
    standard = reader.new(source, "standard input")
  end
  return method(standard, ...)
end

--- Between 1 and `max` bytes (64 KiB), as soon as there are any; nil and EOF at the end.
function input.read(max, timeout)
  return of_standard(reader.read, max, timeout)
end

--- The next line, its LF included if it has one; nil and EOF at the end.
function input.read_line(timeout)
  return of_standard(reader.read_line, timeout)
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
