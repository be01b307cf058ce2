-- What a packet costs in memory: built from eight fields, and read out of 60 bytes.
--
--     tcplua tests/bench/memory.lua ROUNDS COUNT FOLDER PYTHON
--
-- Four programs do the same work COUNT times a round, in turn: tcplua and the plainest Lua binding
-- that does it (memory_plain.c), both by memory_loop.lua; C with our packets (memory_c.c); and
-- scapy (memory_scapy.py), COUNT / 500 times, where PYTHON has it. FOLDER is that of the build.
-- Each prints the CPU time of one build and of one read in nanoseconds, each with what came out of
-- it: that is compared and has to be the same everywhere.
--
-- Prints medians with the smallest and the greatest, and the ratios of the medians. It fails for
-- wrong results, never for slow ones.
local rounds, count, folder, python = ...
rounds, count = tonumber(rounds), tonumber(count)
if not (rounds and count and python) then
  io.stderr:write("usage: memory.lua ROUNDS COUNT FOLDER PYTHON\n")
  os.exit(2)
end

local here = arg[0]:match("^(.*)/") or "."
local contestants = {
  { name = "tcplua", command = { folder .. "/tcplua", here .. "/memory_loop.lua", "packet" } },
  { name = "plain", command = { folder .. "/tests/bench/bench_memory_plain",
    here .. "/memory_loop.lua", "plain" } },
  { name = "C", command = { folder .. "/tests/bench/bench_memory_c" } },
  { name = "scapy", command = { python, here .. "/memory_scapy.py" }, slower = 500 },
}
local WORKS <const> = { "build", "read" }
local NO_SCAPY <const> = 77

-- Runs one of them; nil if it is not here.
local function run(contestant)
  local words = {}
  for i, word in ipairs(contestant.command) do words[i] = "'" .. word .. "'" end
  words[#words + 1] = math.max(1, count // (contestant.slower or 1))
  local pipe = assert(io.popen(table.concat(words, " ")))
  local text = pipe:read("a")
  local good, _, status = pipe:close()
  if not good and contestant.slower and status == NO_SCAPY then return nil end
  assert(good, contestant.name .. " failed")
  local times, results = {}, {}
  for work, time, result in text:gmatch("(%a+) ([%d.]+) (%C*)\n") do
    times[work], results[work] = tonumber(time), result
  end
  return times, results
end

local function summary(times)
  table.sort(times)
  local n = #times
  return { median = (times[(n + 1) // 2] + times[n // 2 + 1]) / 2, low = times[1],
    high = times[n] }
end

local right = {} -- what the first one made of it
for _ = 1, rounds do
  for _, contestant in ipairs(contestants) do
    local times, results = run(contestant)
    for _, work in ipairs(WORKS) do
      if times then
        right[work] = right[work] or results[work]
        if not results[work] or results[work] ~= right[work] then
          error(("%s: %s made %s, not %s"):format(contestant.name, work, results[work],
            right[work]), 0)
        end
        contestant[work] = contestant[work] or {}
        table.insert(contestant[work], times[work])
      end
    end
  end
end

local words = { build = "eight fields to bytes", read = "60 bytes to five fields" }
for _, work in ipairs(WORKS) do
  local medians = {}
  for _, contestant in ipairs(contestants) do
    if contestant[work] then
      local s = summary(contestant[work])
      medians[contestant.name] = s.median
      print(("%-24s %-7s %9.0f ns (%.0f to %.0f, %d rounds)"):format(words[work],
        contestant.name, s.median, s.low, s.high, rounds))
    end
  end
  local ours = medians.tcplua
  print(("%-24s tcplua takes %.2f times plain, %.2f times C; %s"):format("", ours / medians.plain,
    ours / medians.C, medians.scapy and ("scapy %.0f times tcplua"):format(medians.scapy / ours)
    or python .. " has no scapy"))
end
