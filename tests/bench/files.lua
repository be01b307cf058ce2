--- What a test file costs beyond its test: `tcplua test -j 2` over many that have none to speak of.
-- usage: tcplua tests/bench/files.lua FILES [PROGRAM]
--
-- A row for the simulation, and one for the lab where there is one: CPU time of all processes, user
-- and system, and time on the clock, by the file. It fails for wrong results, never for slow ones.
local process = require "tcplua.process"

local files, program = ...
files = math.tointeger(files)
if not files then
  io.stderr:write "usage: tcplua tests/bench/files.lua FILES [PROGRAM]\n"
  os.exit(2)
end
program = program or "/proc/" .. io.open "/proc/self/stat":read "n" .. "/exe"

local folder = assert(process.run "mktemp -d").out:match "[^\n]+"
local ticks = tonumber(assert(process.run "getconf CLK_TCK").out)

-- Seconds that our children used up, once they were waited for: user, system.
local function used()
  local text = io.open "/proc/self/stat":read "a":match "%) (.*)"
  local fields = {}
  for word in text:gmatch "%S+" do fields[#fields + 1] = tonumber(word) or word end
  return fields[14] / ticks, fields[15] / ticks
end

for i = 1, files do
  local file <close> = assert(io.open(("%s/a%d_test.lua"):format(folder, i), "w"))
  file:write 'it("passes", function() end)\n'
end

local good = true
for _, network in ipairs { "sim", "lab" } do
  local user, system = used()
  local clock = require "tcplua.core".monotonic()
  local result = assert(process.run({ program, "test", "--network", network, "-j", "2", "--format",
    "quiet", folder, stdout = "pipe", stderr = "pipe", file = program }, 600))
  local wall = require "tcplua.core".monotonic() - clock
  local user_now, system_now = used()
  if network == "lab" and result.code == 4 then
    print "files lab    skipped: no namespaces here"
  else
    good = good and result.code == 0 and result.out:find(files .. " passed", 1, true) ~= nil
    print(("files %-6s %.1f ms of CPU time a file, %.1f user and %.1f system; %.1f ms on the clock")
      :format(network, (user_now - user + system_now - system) / files * 1e3,
        (user_now - user) / files * 1e3, (system_now - system) / files * 1e3, wall / files * 1e3))
  end
end
process.run { "rm", "-rf", folder }
os.exit(good and 0 or 1)
