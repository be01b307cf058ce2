--- tcplua.verdict: what a test is found to be, from those who judge to those who report.
--
--     local verdict = require "tcplua.verdict"
--     error(verdict.failure { message = "wanted an ACK, got a RST", text = "…" }, 0)
--
-- A failure is a table, raised by what stops a test and recorded by what only marks it:
--
--     verdict   "fail", or "inconclusive": a check of time failed while the tester itself was late
--     message   one sentence; text: the whole explanation, which is its tostring too
--     file, line             where the script asked
--     wanted, got            both sides, where there are two
--     lateness               seconds that the tester was late
--     drawn                  the text shows the exchange, which is otherwise added to it
--
-- `tcplua test` takes what was recorded after each test; in a plain script it is printed on stderr.
local check = require "tcplua.check"
local core = require "tcplua.core"

local verdict = {}

local ESCAPES <const> = { ["\\x0a"] = "\\n", ["\\x0d"] = "\\r", ["\\x09"] = "\\t" }

--- A text in quotes, as a person reads it; of one that is longer than `most` bytes the beginning,
-- and its length.
function verdict.quote(text, most)
  local part = core.escape(text:sub(1, most)):gsub("\\x0[ad9]", ESCAPES):gsub('"', '\\"')
  return #text <= (most or #text) and '"' .. part .. '"'
    or ('"%s"... (%d bytes)'):format(part, #text)
end

local SHOWN <const> = 2000 -- bytes of a value,
local DEPTH <const> = 4    -- and tables in tables, that are printed

local function show(value, depth)
  if type(value) == "string" then return verdict.quote(value, SHOWN) end
  local meta = getmetatable(value)
  if type(value) ~= "table" or type(meta) == "table" and meta.__tostring then
    return core.escape(tostring(value))
  end
  if depth == 0 then return "{…}" end
  local parts, keys = {}, {}
  for i, item in ipairs(value) do parts[i] = show(item, depth - 1) end
  for key in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > #parts then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local name = type(key) == "string" and key:find "^[%a_][%w_]*$" and key
      or "[" .. show(key, 0) .. "]"
    parts[#parts + 1] = name .. " = " .. show(value[key], depth - 1)
  end
  if #parts == 0 then return "{}" end
  return "{ " .. table.concat(parts, ", "):sub(1, SHOWN) .. " }"
end

--- A value as a person reads it, tables with what is in them.
function verdict.show(value)
  return show(value, DEPTH)
end

local Failure = { __name = "tcplua.failure" }

function Failure:__tostring()
  return self.text or self.message
end

local collecting = false
local recorded = {}
local closers = {}
local witnesses = {}

--- The file and the line of the script that called into our modules; nil where there is none.
function verdict.place()
  local at = check.place()
  if not at then return nil end
  return at.source:gsub("^[@=]", ""), at.currentline
end

--- Makes a failure of a table of the fields above; verdict is "fail", and file and line are the
-- script's, where they are left out.
function verdict.failure(fields)
  fields = check.options(fields)
  if type(fields.message) ~= "string" then check.fail "message: a string expected" end
  fields.verdict = fields.verdict or "fail"
  if not fields.file then fields.file, fields.line = verdict.place() end
  return setmetatable(fields, Failure)
end

--- Whether a value is a failure.
function verdict.is(value)
  return getmetatable(value) == Failure
end

--- Marks the running test with a failure and goes on.
function verdict.record(failure)
  if not verdict.is(failure) then check.fail "failure: one of verdict.failure expected" end
  if collecting then
    recorded[#recorded + 1] = failure
  else
    local at = failure.file and ("%s:%d: "):format(failure.file, failure.line) or ""
    local text = tostring(failure)
    if text:sub(1, #at) == at then at = "" end -- an expectation's text begins with its place
    io.stderr:write("tcplua: ", at, text, "\n")
  end
end

--- Keeps what is recorded from now on for verdict.take, as the test runner asks.
function verdict.collect()
  collecting = true
end

--- What was recorded since the last call: a list of failures.
function verdict.take()
  local list = recorded
  recorded = {}
  return list
end

--- Registers `f` to be asked once, when the running test is over, for a list of lines: what came
-- and nobody looked at. Where no tests run, nobody ever asks, and nothing is kept.
function verdict.at_end(f)
  if collecting then closers[#closers + 1] = f end
end

--- Asks all that was registered: a list of lines.
function verdict.leftovers()
  local list, lines = closers, {}
  closers = {}
  for _, f in ipairs(list) do
    for _, line in ipairs(f() or {}) do lines[#lines + 1] = line end
  end
  return lines
end

--- Registers a witness of the running test, to be asked when it has failed: save(prefix) puts what
-- it knows into files whose names begin so, and returns a list of paths; draw() tells it in a text.
function verdict.at_failure(save, draw)
  if collecting then witnesses[#witnesses + 1] = { save = save, draw = draw } end
end

--- What the last of those that can draw has to tell; nil if there is none.
function verdict.drawing()
  for i = #witnesses, 1, -1 do
    if witnesses[i].draw then return witnesses[i].draw() end
  end
end

--- Has all that was registered write files, whose names begin with `prefix`: a list of paths. With
-- nil nothing is written, and what was registered is forgotten too.
function verdict.evidence(prefix)
  local list, paths = witnesses, {}
  witnesses = {}
  for i, witness in ipairs(prefix and list or {}) do
    local written = witness.save(prefix .. (i > 1 and "-" .. i or ""))
    table.move(written, 1, #written, #paths + 1, paths)
  end
  return paths
end

return verdict
