--- tcplua.test.report.artifacts: for each test that did not pass a folder with what is known of it:
--
--     failure.txt     why, as on the terminal
--     output.txt      what it printed, where it did
--     again.txt       the command that repeats it
--
-- Its process has put the exchange beside them (tcplua.test.bundle).
local bundle = require "tcplua.test.bundle"
local core = require "tcplua.core"
local words = require "tcplua.test.report.words"

local function write(path, text)
  local handle, why = io.open(path, "wb")
  if not handle then
    error(core.error { kind = "environment", code = "EACCES",
      message = ("the artifacts cannot be written: %s"):format(why) }, 0)
  end
  handle:write(text)
  handle:close()
end

return function(options)
  local report = {}

  function report.begin()
    bundle.make(options.artifacts)
    write(options.artifacts .. "/.begun", "") -- a folder that cannot be written to is known now
    os.remove(options.artifacts .. "/.begun")
  end

  function report.finish(run)
    for _, test in ipairs(run.tests) do
      if test.bad then
        local folder = bundle.folder(options.artifacts, test.file, test.index, test.name)
        bundle.make(folder)
        write(folder .. "/failure.txt", ("%s %s\n%s\n%s"):format(words.label(test.verdict),
          words.title(test), words.text(test),
          test.warning and words.clean(test.warning) .. "\n" or ""))
        if (test.output or "") ~= "" then write(folder .. "/output.txt", test.output) end
        write(folder .. "/again.txt", words.again(test, options) .. "\n")
      end
    end
  end

  return report
end
