--- coverage: which lines of the engine and of the parsers the tests run, by gcov.
-- usage: tcplua tests/coverage.lua BUILD_FOLDER LEAST
-- Runs the suite but for the fuzzers' files, prints the lines that have not run, and fails where
-- fewer than LEAST per cent have, or a test failed.
local build, least = ...

-- Two whose program cannot count: as another user it may not write there, and the memory refused is
-- gcov's own too.
local TESTS <const> = "-L '^(unit|lua|sim|net)$' -E '^net.(privilege|torture)$'"

assert(os.execute(("find '%s' -name '*.gcda' -delete"):format(build)))
local passed = os.execute(("ctest --test-dir '%s' -j 2 --output-on-failure %s"):format(build,
  TESTS))

local FOLDERS <const> = { "tcp", "packet", "capture" }

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  assert(pipe:close(), "failed: " .. command)
  return text:gmatch "([^\n]*)\n"
end

-- file -> { [line] = { runs = boolean, text = } }: a header's are those of all who include it.
local files = {}

local function count(object)
  local name
  for line in lines_of(("cd '%s' && gcov -t '%s' 2>/dev/null"):format(build, object)) do
    local runs, number, text = line:match "^ *([^:]+): *(%d+):(.*)$"
    if number == "0" and text:find "^Source:" then
      name = text:match "^Source:.*/src/([%w_]+/[%w_]+%.[ch])$"
    elseif number and name and runs ~= "-" then
      local file = files[name] or {}
      files[name] = file
      local row = file[tonumber(number)] or { runs = false, text = text }
      file[tonumber(number)] = row
      row.runs = row.runs or not runs:find "^[#=]"
    end
  end
end

for _, folder in ipairs(FOLDERS) do
  local objects = ("'%s/src/CMakeFiles/tcplua_%s.dir'"):format(build, folder)
  for object in lines_of(("find %s -name '*.gcno' | sort"):format(objects)) do count(object) end
end

local names, total, ran = {}, 0, 0
for name in pairs(files) do
  for _, folder in ipairs(FOLDERS) do
    if name:find("^" .. folder .. "/") then names[#names + 1] = name end
  end
end
table.sort(names)

for _, name in ipairs(names) do
  local numbers, missing = {}, {}
  for number in pairs(files[name]) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    if not files[name][number].runs then missing[#missing + 1] = number end
  end
  total, ran = total + #numbers, ran + #numbers - #missing
  print(("%5.1f %%  %4d of %4d  %s"):format(100 * (#numbers - #missing) / #numbers,
    #numbers - #missing, #numbers, name))
  for _, number in ipairs(missing) do
    print(("         %5d %s"):format(number, files[name][number].text))
  end
end
local share = total > 0 and 100 * ran / total or 0
print(("%.1f %% of %d lines of src/%s"):format(share, total, table.concat(FOLDERS, ", src/")))
if not passed then print "but tests failed" end
os.exit(passed and share >= tonumber(least) and 0 or 1)
