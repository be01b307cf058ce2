--- tcplua.test.report.junit: JUnit XML as GitLab and Jenkins read it: a testsuite for each file.
local core = require "tcplua.core"
local words = require "tcplua.test.report.words"

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["\n"] = "&#10;" }

-- What words.clean and core.escape have made printable; in attributes with its line ends.
local function attribute(value) return (value:gsub('[&<>"\n]', ENTITIES)) end

local function body(value) return (value:gsub("[&<>]", ENTITIES)) end

local ELEMENTS <const> = { fail = "failure", xpass = "failure", inconclusive = "failure",
  error = "error", skip = "skipped", xfail = "skipped" }

local function open_file(path)
  local handle, why = io.open(path, "wb")
  if handle then return handle end
  error(core.error { kind = "environment", code = "EACCES",
    message = ("the JUnit file cannot be written: %s"):format(why) }, 0)
end

local function case(test, job)
  local parts = {}
  local function add(...) parts[#parts + 1] = (...):format(select(2, ...)) end
  local file = attribute(core.printable(test.path))
  add('    <testcase classname="%s" name="%s" file="%s" line="%d" time="%.6f"',
    attribute(core.printable(job.file)),
    attribute(core.printable(test.name ~= "" and test.name or test.path)), file, test.line or 1,
    test.seconds or 0)
  local element = ELEMENTS[test.verdict]
  local output = words.clean(test.output or "")
  if test.capture then
    output = ("%s\n[[ATTACHMENT|%s]]"):format(output, core.printable(test.capture))
  end
  local notes = words.notes(test)
  if notes then output = notes .. "\n" .. output end
  if not element and output == "" then
    add " />\n"
    return table.concat(parts)
  end
  add ">\n"
  if element then
    add('      <%s message="%s"', element, attribute(words.clean(test.message or "")))
    if element == "skipped" then
      add " />\n"
    else
      add(' type="%s">%s</%s>\n', test.verdict, "%s", element)
      parts[#parts] = parts[#parts]:gsub("%%s", function() return body(words.text(test)) end)
    end
  end
  if output ~= "" then
    parts[#parts + 1] = "      <system-out>" .. body(output) .. "</system-out>\n"
  end
  add "    </testcase>\n"
  return table.concat(parts)
end

local function attributes(counts, seconds)
  local tests = 0
  for _, n in pairs(counts) do tests = tests + n end
  return ('tests="%d" failures="%d" errors="%d" skipped="%d" time="%.6f"'):format(tests,
    counts.failed + counts.inconclusive, counts.errors, counts.skipped + counts.xfail, seconds)
end

return function(options)
  local report = {}
  local handle = open_file(options.junit)
  local suites = {}

  function report.file(run, job)
    local counts, cases = words.new_counts(), {}
    for _, test in ipairs(job.order) do
      if test.verdict then
        words.add(counts, test)
        cases[#cases + 1] = case(test, job)
      end
    end
    suites[#suites + 1] = ([[
  <testsuite name="%s" %s>
    <properties>
      <property name="seed" value="%d" />
      <property name="network" value="%s" />
    </properties>
]]):format(attribute(core.printable(job.file)), attributes(counts, job.seconds or 0), job.seed,
      run.network) .. table.concat(cases) .. "  </testsuite>\n"
  end

  function report.finish(run)
    if run.interrupted then
      suites[#suites + 1] = ([[
  <testsuite name="tcplua test" tests="1" failures="0" errors="1" skipped="0" time="0">
    <testcase classname="tcplua test" name="(interrupted)" time="0">
      <error message="%s" type="error" />
    </testcase>
  </testsuite>
]]):format(attribute(run.interrupted))
    end
    handle:write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="tcplua" ',
      attributes(run.counts, run.seconds), ">\n", table.concat(suites), "</testsuites>\n")
    local ok, why = handle:close()
    if not ok then
      error(core.error { kind = "environment", code = "EIO",
        message = ("the JUnit file cannot be written: %s"):format(why) }, 0)
    end
  end

  return report
end
