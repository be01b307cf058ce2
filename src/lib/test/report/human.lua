--- tcplua.test.report.human: for people: a line for each file, failures in full, one line of sums.
-- On a terminal one line shows how far it is.
local core = require "tcplua.core"
local words = require "tcplua.test.report.words"

local CODES <const> = { green = "32", red = "31", yellow = "33", dim = "2" }

local COLOURS <const> = { pass = "green", fail = "red", xpass = "red", error = "red",
  inconclusive = "yellow" }

local OUTPUT_LINES <const> = 20

local function set(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= ""
end

local function wants_colour(options, terminal)
  if options.color ~= "auto" then return options.color == "always" end
  if set "NO_COLOR" then return false end
  return set "FORCE_COLOR" or terminal and os.getenv "TERM" ~= "dumb"
end

return function(options)
  local terminal = core.terminal(1)
  local coloured = wants_colour(options, terminal)
  local quiet = options.format == "quiet"
  local shown = false -- a line of progress stands on the terminal

  local function colour(name, text)
    return coloured and name and ("\27[%sm%s\27[0m"):format(CODES[name], text) or text
  end

  local function write(...)
    if shown then io.stdout:write "\r\27[K" end
    shown = false
    io.stdout:write(...)
  end

  local report = {}

  function report.begin(run)
    if quiet then return end
    write(("%d %s, %s, -j %d, seed %d\n"):format(#run.jobs, #run.jobs == 1 and "file" or "files",
      run.network, options.jobs, run.seed))
  end

  function report.progress(run)
    if not terminal or quiet then return end
    io.stdout:write("\r\27[K", words.cut(("[%d/%d] %s  %s"):format(run.done, #run.jobs,
      words.sums(run.counts), core.printable(run.current.file)), 78))
    io.stdout:flush()
    shown = true
  end

  local function details(test)
    write("\n", colour(COLOURS[test.verdict], words.label(test.verdict)), " ", words.title(test),
      "\n")
    write(words.indent(words.text(test)), "\n")
    if test.warning then write(words.indent(words.clean(test.warning)), "\n") end
    local output = words.output(test, OUTPUT_LINES)
    if output ~= "" then write("    what it printed:\n", words.indent(output, 6), "\n") end
    write("    again: ", words.again(test, options), "\n")
  end

  function report.file(run, job)
    if quiet then return end
    local bad, sums, left = false, words.new_counts(), 0
    for _, test in ipairs(job.order) do
      if test.verdict then
        bad = bad or test.bad
        words.add(sums, test)
      end
    end
    local text = words.sums(sums)
    write(bad and colour("red", "FAIL") or job.cut and colour("yellow", "cut ")
      or text == "" and colour("dim", "none") or colour("green", "ok  "), "  ",
      core.printable(job.file), text ~= "" and "  " .. text or "",
      job.seconds and (" in %.2f s"):format(job.seconds) or "", "\n")
    for _, test in ipairs(job.order) do
      local said = test.verdict == "skip" or test.verdict == "xfail"
      if said then
        write(("        %s %s: %s\n"):format(words.label(test.verdict),
          test.name == "" and "the file" or core.printable(test.name),
          core.printable(test.message or "")))
      elseif test.verdict == "pass" then
        local notes = options.verbose and words.notes(test) or test.warning
        if notes then
          write(words.indent(("%s: %s"):format(test.name == "" and test.file or test.name,
            words.clean(notes)), 8), "\n")
        end
        if test.leftover then left = left + 1 end
      end
      if options.verbose and test.verdict == "pass" and test.output ~= "" then
        write(words.indent(words.output(test, OUTPUT_LINES), 8), "\n")
      end
    end
    if left > 0 and not options.verbose then
      write(("        in %d of them segments came that nothing expected: -v names them\n")
        :format(left))
    end
    io.stdout:flush()
  end

  function report.finish(run)
    for _, test in ipairs(run.tests) do
      if test.bad then details(test) end
    end
    local bad = run.counts.failed + run.counts.errors + run.counts.inconclusive > 0
    local text = words.sums(run.counts)
    write(quiet and not bad and "" or "\n", colour(bad and "red" or "green",
      text == "" and "no test ran" or text), (" in %.2f s (seed %d)\n"):format(run.seconds,
      run.seed))
    io.stdout:flush()
  end

  return report
end
