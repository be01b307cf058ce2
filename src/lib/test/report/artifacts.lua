--- tcplua.test.report.artifacts: for each test that did not pass a folder with what is known of it:
--
--     failure.txt     why, as on the terminal
--     output.txt      what it printed, where it did
--     again.txt       the command that repeats it
--
-- A capture that the failure names stays where it is.
local core = require "tcplua.core"
local process = require "tcplua.process"
local words = require "tcplua.test.report.words"

local NAME_MAX <const> = 100

-- A name for a folder that is the same in every run and takes no quoting.
local function name_of(test, number)
  local text = (test.path:gsub("^.*/", "") .. "-" .. test.name):gsub("[^%w._-]+", "-")
  return ("%03d-%s"):format(number, text:sub(1, NAME_MAX):gsub("-+$", ""))
end

local function write(path, text)
  local handle, why = io.open(path, "wb")
  if not handle then
    error(core.error { kind = "environment", code = "EACCES",
      message = ("the artifacts cannot be written: %s"):format(why) }, 0)
  end
  handle:write(text)
  handle:close()
end

local function make_folder(path)
  local made, err = process.run { "mkdir", "-p", "--", path }
  if not made then error(err, 0) end
end

return function(options)
  local report = {}

  function report.begin()
    make_folder(options.artifacts)
    write(options.artifacts .. "/.begun", "") -- a folder that cannot be written to is known now
    os.remove(options.artifacts .. "/.begun")
  end

  function report.finish(run)
    local number = 0
    for _, test in ipairs(run.tests) do
      if test.bad then
        number = number + 1
        local folder = options.artifacts .. "/" .. name_of(test, number)
        make_folder(folder)
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
