--- tcplua.check: what a script hands over is looked at where it does so. A wrong type raises at
-- the line of the script, and names the argument.
local core = require "tcplua.core"

local check = {}

--- The script's own line, which is behind those of our modules: what debug.getinfo says of it, nil
-- where there is none.
function check.place()
  local level = 1
  local at
  repeat
    level = level + 1
    at = debug.getinfo(level, "Sl")
  until not at or at.what ~= "C" and not at.short_src:find "^tcplua/"
  return at
end

--- Raises `message` at the script's own line.
function check.fail(message)
  local at = check.place()
  error(at and ("%s:%d: %s"):format(at.short_src, at.currentline, message) or message, 0)
end

local function expected(name, what, value)
  check.fail(("%s: %s expected, got %s"):format(name, what,
    type(value) == "number" and tostring(value) or type(value)))
end

--- A number of seconds, `default` where there is none.
function check.seconds(name, value, default)
  if value == nil then return default end
  if type(value) ~= "number" or value ~= value then expected(name, "a number of seconds", value) end
  return value
end

--- A number of seconds that something takes, 0 or more and not without end; `default` where there
-- is none.
function check.span(name, value, default)
  if value == nil then return default end
  local good = type(value) == "number" and value >= 0 and value < math.huge
  if not good then expected(name, "a number of seconds, 0 or more,", value) end
  return value
end

--- A whole number of `least` (1) or more, `default` where there is none.
function check.count(name, value, default, least)
  if value == nil then return default end
  least = least or 1
  local whole = math.type(value) and math.tointeger(value)
  if not whole or whole < least then expected(name, "a whole number from " .. least, value) end
  return whole
end

--- The items of a list, which has no holes, for then `#` and ipairs leave some of it out.
function check.list(name, value)
  if type(value) ~= "table" then expected(name, "a list", value) end
  local count = 0
  for key in pairs(value) do
    count = count + 1
    if math.type(key) ~= "integer" or key < 1 then
      check.fail(("%s: a list expected, and '%s' is no place in one"):format(name,
        core.escape(tostring(key))))
    end
  end
  for i = 1, count do
    if value[i] == nil then check.fail(("%s: number %d of the list is nil"):format(name, i)) end
  end
  return value
end

--- A table of options, an empty one where there is none. With `known`, whose keys are the names
-- there are, another name raises.
function check.options(value, known)
  if value == nil then return {} end
  if type(value) ~= "table" then expected("options", "a table", value) end
  if not known then return value end
  for name in pairs(value) do
    if not known[name] then
      local names = {}
      for one in pairs(known) do names[#names + 1] = one end
      table.sort(names)
      check.fail(("unknown option '%s'; there are %s"):format(core.escape(tostring(name)),
        table.concat(names, ", ")))
    end
  end
  return value
end

--- The bytes of a packet, or of a string.
function check.packet(value)
  if type(value) == "string" then return value end
  local bytes = type(value) == "userdata" and value.bytes
  if not bytes then expected("packet", "a packet or a string", value) end
  return bytes(value)
end

--- Whether a value is a Lua pattern, as far as can be told: a fault is found where matching comes
-- to it, and most patterns lead all the way through themselves.
function check.is_pattern(value)
  return type(value) == "string" and pcall(string.find, "", value)
    and pcall(string.find, value, value)
end

return check
