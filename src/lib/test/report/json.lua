--- tcplua.test.report.json: one JSON object a line: a "run", each "test", a "summary".
local SCHEMA <const> = 1

local ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

-- Text that is not UTF-8 is taken for Latin-1: every byte comes through.
local function text(value)
  if not utf8.len(value) then
    value = value:gsub("[\x80-\xff]", function(c) return utf8.char(c:byte()) end)
  end
  return '"' .. value:gsub('[%c"\\\x7f]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function encode(value)
  if type(value) == "string" then return text(value) end
  if math.type(value) == "float" then
    return value == value and math.abs(value) < math.huge and ("%.6f"):format(value) or "null"
  end
  return tostring(value)
end

-- A list of { name, value } in this order; nil values are left out.
local function object(fields)
  local parts = {}
  for i = 1, fields.n do
    local field = fields[i]
    if field[2] ~= nil then parts[#parts + 1] = text(field[1]) .. ":" .. encode(field[2]) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function write(...)
  io.stdout:write(object(table.pack(...)), "\n")
end

return function()
  local report = {}

  function report.begin(run)
    write({ "event", "run" }, { "schema", SCHEMA }, { "seed", run.seed },
      { "network", run.network }, { "files", #run.jobs })
  end

  function report.file(_, job)
    for _, test in ipairs(job.order) do
      if test.verdict then
        write({ "event", "test" }, { "file", test.path }, { "line", test.line },
          { "name", test.name }, { "tags", test.tags ~= "" and test.tags or nil },
          { "verdict", test.verdict }, { "seconds", test.seconds }, { "seed", test.seed },
          { "attempt", test.attempt }, { "message", test.message }, { "text", test.text },
          { "at_file", test.at_file }, { "at_line", test.at_line }, { "wanted", test.wanted },
          { "got", test.got }, { "lateness", test.lateness }, { "capture", test.capture },
          { "warning", test.warning },
          { "leftover", test.leftover }, { "output", test.bad and test.output or nil })
      end
    end
    io.stdout:flush()
  end

  function report.finish(run)
    local c = run.counts
    write({ "event", "summary" }, { "passed", c.passed }, { "failed", c.failed },
      { "errors", c.errors }, { "skipped", c.skipped }, { "xfail", c.xfail },
      { "inconclusive", c.inconclusive }, { "seconds", run.seconds }, { "seed", run.seed },
      { "interrupted", run.interrupted })
  end

  return report
end
