--- tcplua.check: what a script hands over is looked at where it does so. A wrong type raises at
-- the line of the caller, and names the argument.
local check = {}

-- The level of the script's own line, which is behind those of our modules.
local function caller()
  local level = 3
  local at
  repeat
    level = level + 1
    at = debug.getinfo(level, "S")
  until not at or at.what ~= "C" and not at.short_src:find "^tcplua/"
  return at and level - 1 or 0
end

local function expected(name, what, value)
  error(("%s: %s expected, got %s"):format(name, what,
    type(value) == "number" and tostring(value) or type(value)), caller())
end

--- A number of seconds, `default` where there is none.
function check.seconds(name, value, default)
  if value == nil then return default end
  if type(value) ~= "number" or value ~= value then expected(name, "a number of seconds", value) end
  return value
end

--- A whole number of 1 or more, `default` where there is none.
function check.count(name, value, default)
  if value == nil then return default end
  local whole = math.type(value) and math.tointeger(value)
  if not whole or whole < 1 then expected(name, "a whole number from 1", value) end
  return whole
end

--- A table of options, an empty one where there is none.
function check.options(value)
  if value == nil then return {} end
  if type(value) ~= "table" then expected("options", "a table", value) end
  return value
end

--- The bytes of a packet, or of a string.
function check.packet(value)
  if type(value) == "string" then return value end
  local bytes = type(value) == "userdata" and value.bytes
  if not bytes then expected("packet", "a packet or a string", value) end
  return bytes(value)
end

return check
