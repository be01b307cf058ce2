--- tcplua.test.report.github: failures as annotations of a GitHub workflow, and its step's summary.
-- No more than ten annotations of a step are shown: so there are nine and a word on the others.
local core = require "tcplua.core"
local words = require "tcplua.test.report.words"

local ANNOTATIONS <const> = 9
local SUMMARY_MAX <const> = 900 * 1024 -- of 1 MiB

local function message(text)
  return (text:gsub("[%%\r\n]", { ["%"] = "%25", ["\r"] = "%0D", ["\n"] = "%0A" }))
end

local function property(text)
  return (message(text):gsub("[:,]", { [":"] = "%3A", [","] = "%2C" }))
end

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" })
    :gsub("\n", " "))
end

local function summary(run)
  local parts = { ("### tcplua: %s\n\n%.2f s, seed %d, network %s\n"):format(words.sums(run.counts),
    run.seconds, run.seed, run.network) }
  local size = #parts[1]
  local function add(text)
    size = size + #text
    if size < SUMMARY_MAX then parts[#parts + 1] = text end
    return size < SUMMARY_MAX
  end
  local bad = {}
  for _, test in ipairs(run.tests) do
    if test.bad then bad[#bad + 1] = test end
  end
  if #bad > 0 then add "\n| verdict | test | why |\n|---|---|---|\n" end
  for _, test in ipairs(bad) do
    if not add(("| %s | %s | %s |\n"):format(words.label(test.verdict), cell(words.title(test)),
      cell(core.printable(test.message or "")))) then break end
  end
  for _, test in ipairs(bad) do
    local fence = "````"
    if not add(("\n<details><summary>%s</summary>\n\n%s\n%s\n%s\n\n</details>\n"):format(
      cell(words.title(test)), fence, words.text(test):gsub("````+", "```"), fence)) then break end
  end
  return table.concat(parts)
end

return function(options)
  local report = {}
  -- A form that programs read keeps standard output for itself; commands are seen on both.
  local out = options.format == "human" and io.stdout or io.stderr

  function report.finish(run)
    local said, more = 0, 0
    for _, test in ipairs(run.tests) do
      if test.bad and said < ANNOTATIONS then
        said = said + 1
        out:write(("::error file=%s,line=%d,title=%s::%s\n"):format(
          property(core.printable(test.path)),
          test.at_file == test.path and test.at_line or test.line or 1,
          property(core.printable(test.name ~= "" and test.name or test.path)),
          message(words.text(test))))
      elseif test.bad then
        more = more + 1
      end
    end
    if more > 0 then out:write(("::error::%d more in the summary\n"):format(more)) end
    out:flush()
    local path = os.getenv "GITHUB_STEP_SUMMARY"
    local handle = path and path ~= "" and io.open(path, "ab")
    if handle then
      handle:write(summary(run))
      handle:close()
    end
  end

  return report
end
