--- tcplua.test.event: what a test file tells the runner: one line for each event.
--
-- An event is a table of names and strings or numbers; its line is "name=value", separated by
-- tabs, with tabs, line ends and backslashes of the values written \t, \n, \r and \\. The runner
-- trusts nothing: any other line is no event, and fields that it does not know are dropped.
local event = {}

local WRITTEN <const> = { ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }
local READ <const> = { ["\\"] = "\\", n = "\n", t = "\t", r = "\r" }

local NUMBERS <const> = { index = true, line = true, at_line = true, seconds = true,
  lateness = true, count = true, attempt = true, timeout = true }
local STRINGS <const> = { event = true, name = true, tags = true, verdict = true, message = true,
  text = true, at_file = true, wanted = true, got = true, capture = true, warning = true,
  leftover = true }

local VALUE_MAX <const> = 65536

--- The line of an event, its LF included. Values longer than 64 KiB are cut.
function event.encode(fields)
  local parts = {}
  for name, value in pairs(fields) do
    local text = tostring(value)
    if #text > VALUE_MAX then text = text:sub(1, VALUE_MAX) .. "…" end
    parts[#parts + 1] = name .. "=" .. text:gsub("[\\\n\t\r]", WRITTEN)
  end
  table.sort(parts)
  return table.concat(parts, "\t") .. "\n"
end

--- The event of a line, or nil.
function event.decode(line)
  local fields = {}
  for part in line:gmatch "[^\t\n]+" do
    local name, value = part:match "^([%l_]+)=(.*)$"
    if not name then return nil end
    value = value:gsub("\\(.)", READ)
    if NUMBERS[name] then
      fields[name] = tonumber(value)
    elseif STRINGS[name] then
      fields[name] = value
    end
  end
  return fields.event and fields or nil
end

return event
