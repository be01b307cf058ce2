--- tcplua.test.report.tap: TAP 13: a line for each test, and why in a YAML block if it failed.
local core = require "tcplua.core"
local words = require "tcplua.test.report.words"

-- A value of YAML: what has more than one line is a block, the rest a quoted string. A block takes
-- its indentation from its first line: if that begins with a blank, the lines are in a string too.
local function yaml(value, indent)
  if not value:find "\n" then return "'" .. value:gsub("'", "''") .. "'" end
  if value:find "^%s" then
    return '"' .. value:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
  end
  return "|\n" .. words.indent(value, indent)
end

-- A description has no "#", which begins a directive.
local function describe(test)
  local text = test.file .. (test.name ~= "" and ": " .. test.name or "")
  return (core.printable(text):gsub("#", "\\#"))
end

local function directive(test)
  if test.verdict == "skip" then return " # SKIP " .. core.printable(test.message or "") end
  if test.verdict == "xfail" then return " # TODO " .. core.printable(test.message or "") end
  return ""
end

return function(options)
  local report = {}
  local count = 0

  function report.begin(run)
    print "TAP version 13"
    print(("# seed %d, network %s, %d files"):format(run.seed, run.network, #run.jobs))
  end

  local function block(test)
    local lines = { "  ---" }
    local function add(name, value)
      if value and value ~= "''" then lines[#lines + 1] = ("  %s: %s"):format(name, value) end
    end
    add("message", yaml(words.clean(test.message or ""), 4))
    add("verdict", test.verdict)
    lines[#lines + 1] = "  at:"
    add("  file", yaml(core.printable(test.at_file or test.path)))
    add("  line", tostring(test.at_line or test.line or 0))
    if test.wanted then add("expected", yaml(words.clean(test.wanted), 4)) end
    if test.got then add("got", yaml(words.clean(test.got), 4)) end
    if test.text and test.text ~= test.message then add("text", yaml(words.clean(test.text), 4)) end
    if test.warning then add("warning", yaml(words.clean(test.warning), 4)) end
    if test.lateness then add("lateness", ("%.6f"):format(test.lateness)) end
    if test.capture then add("capture", yaml(core.printable(test.capture))) end
    add("output", yaml(words.output(test, 20), 4))
    add("again", yaml(words.again(test, options)))
    add("seconds", ("%.3f"):format(test.seconds or 0))
    lines[#lines + 1] = "  ..."
    print(table.concat(lines, "\n"))
  end

  function report.file(_, job)
    for _, test in ipairs(job.order) do
      if test.verdict then
        count = count + 1
        local ok = test.verdict == "pass" or test.verdict == "skip"
        print(("%s %d - %s%s"):format(ok and "ok" or "not ok", count, describe(test),
          directive(test)))
        if not ok then
          block(test)
        else
          local notes = words.notes(test)
          if notes then print((notes:gsub("[^\n]+", "# %0"))) end
        end
      end
    end
    io.stdout:flush()
  end

  function report.finish(run)
    print(run.interrupted and "Bail out! " .. run.interrupted or ("1..%d"):format(count))
    print(("# %s in %.2f s (seed %d)"):format(words.sums(run.counts), run.seconds, run.seed))
  end

  return report
end
