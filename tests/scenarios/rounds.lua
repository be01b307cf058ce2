--- rounds: every scenario against the kernel, and against the peer with the fault it looks for.
--
--     tcplua rounds.lua BUILD-DIR ROUNDS [-j N] [--busy] [THEME...]
--
-- A round is each file of scenarios against kernel_peer, where none may fail, and each fault
-- against the scenarios that have its name as their tag, where none may pass, or fail because the
-- bent peer broke down. The first round has each file against our own engine without a fault too.
-- N of these run at a time (8); --busy has two loops beside that want all the processor they can
-- get. THEMEs are the files to take: "closing"; all, if there are none.
--
-- First it looks whether each scenario has one fault and each fault a scenario. In the end there is
-- a line for each scenario: how often it passed, failed, or was inconclusive, against whom. The
-- status is 0 if no verdict was wrong and of each kind of peer at most one in a hundred
-- inconclusive, 77 where there are no private networks.
local FOLDER <const> = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
package.path = FOLDER .. "?.lua;" .. package.path

local faults = require "faults"
local process = require "tcplua.process"
local task = require "tcplua.task"

local JOB_TIMEOUT <const> = 240 -- seconds; a job whose machine is busy takes ten
local BUSY_LOOPS <const> = 2
local INCONCLUSIVE_MOST <const> = 0.01
local REFUSED <const>, SKIPPED <const> = 4, 77 -- statuses: of tcplua test, and ours

-- --- the command line ----------------------------------------------------------------------------

local function read_arguments(...)
  local given = { jobs = 8, themes = {} }
  local words, at = { ... }, 3
  given.build, given.rounds = words[1], math.tointeger(tonumber(words[2]))
  while words[at] do
    if words[at] == "-j" then
      at = at + 1
      given.jobs = math.tointeger(tonumber(words[at]))
    elseif words[at] == "--busy" then
      given.busy = true
    else
      given.themes[words[at]] = true
    end
    at = at + 1
  end
  if not given.rounds or not given.jobs then
    error("usage: rounds.lua BUILD-DIR ROUNDS [-j N] [--busy] [THEME...]", 0)
  end
  return given
end

local given <const> = read_arguments(...)
local PROGRAM <const> = given.build .. "/tcplua"

-- In the shell's quotes: it starts the peers.
local function quoted(...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
  return table.concat(words, " ")
end

-- The command of a peer, as --serve and --client take it without its last word.
local KERNEL <const> = quoted(given.build .. "/tests/scenarios/kernel_peer")
local function bent(fault) return quoted(PROGRAM, FOLDER .. "faulty_peer.lua", fault) end

-- --- what there is -------------------------------------------------------------------------------

-- The files of the themes; each has faults in a file of the same name.
local function files_of_themes()
  local listed = assert(process.run { "ls", FOLDER .. "faults" })
  local files = {}
  for theme in listed.out:gmatch "([%w_]+)%.lua\n" do
    if not next(given.themes) or given.themes[theme] then
      files[#files + 1] = FOLDER .. theme .. ".lua"
    end
  end
  return files
end

-- The scenarios in order, { place =, file =, name =, fault =, count = rows }; they by place and
-- name; and their files.
local function read_scenarios()
  local list, by_name, files = {}, {}, files_of_themes()
  local command = { PROGRAM, "test", "--list", "--network", "sim", stderr = "stdout" }
  local listed = assert(process.run(table.move(files, 1, #files, #command + 1, command)))
  for line in listed.out:gmatch "[^\n]+" do
    local file, at, name = line:match "^(.-):(%d+): (.*)$"
    if name then
      name = name:gsub(" %[[^%]]*%]$", "")
      local place, theme = file .. ":" .. at, file:match "([^/]+)%.lua$"
      local one = by_name[place .. name]
      if not one then
        one = { place = theme .. ":" .. at, file = file, name = name, count = 0 }
        list[#list + 1], by_name[place .. name] = one, one
      end
      one.count = one.count + 1
    end
  end
  if #list == 0 then error("no scenarios: " .. listed.out, 0) end
  return list, by_name, files
end

-- Gives each scenario its fault; a list of what is amiss.
local function match_faults(list)
  local problems, looked_for = {}, { none = true }
  for _, one in ipairs(list) do
    local names = {}
    for name in one.name:gmatch "#([%w_]+)" do names[#names + 1] = name end
    if #names ~= 1 or not faults[names[1]] then
      problems[#problems + 1] = ("%s: '%s' has not the name of one fault as its tag"):format(
        one.place, one.name)
    else
      one.fault, looked_for[names[1]] = names[1], true
    end
  end
  for name in pairs(next(given.themes) and {} or faults) do
    if not looked_for[name] and not name:find "^none_" then
      problems[#problems + 1] = ("no scenario looks for the fault '%s'"):format(name)
    end
  end
  return problems
end

-- --- jobs ----------------------------------------------------------------------------------------

-- A text of a line of JSON.
local function text_of(line, name)
  local text = line:match('"' .. name .. '":"(.-[^\\])"') or ""
  return (text:gsub("\\(.)", function(c) return c == "n" and "\n" or c end))
end

-- Which verdicts are right for a kind of peer; the third that is not wrong is "inconclusive".
local RIGHT <const> = { kernel = "pass", engine = "pass", faulty = "fail" }

local wrong = 0
local totals <const> = { kernel = { 0, 0 }, engine = { 0, 0 }, faulty = { 0, 0 } } -- verdicts,
-- and how many of them were inconclusive

local function complain(format, ...)
  wrong = wrong + 1
  print((format):format(...))
  io.stdout:flush()
end

-- The last verdict on each row of a scenario, as lines of JSON by place and name.
local function verdicts_of(output)
  local lines = {}
  for line in output:gmatch "[^\n]+" do
    if line:find('^{"event":"test"') then
      local key = ("%s:%s"):format(text_of(line, "file"), line:match '"line":(%d+)')
      lines[key .. text_of(line, "name")] = line
    end
  end
  return lines
end

-- Counts a verdict, of one row. One is wrong, too, whose peer broke down: no fault does that, and
-- what it failed for was not the fault.
local function count(one, job, line)
  local found = line:match '"verdict":"(%l+)"'
  if line:find "the %l+ under test ended" or line:find("killed by signal", 1, true) then
    found = "broken peer"
  end
  local total = totals[job.kind]
  total[1] = total[1] + 1
  local counts = one[job.kind] or { right = 0, wrong = 0, inconclusive = 0 }
  one[job.kind] = counts
  if found == RIGHT[job.kind] then
    counts.right = counts.right + 1
  elseif found == "inconclusive" then
    counts.inconclusive, total[2] = counts.inconclusive + 1, total[2] + 1
    print(("INCONCLUSIVE against %s, late by %s s: %s"):format(job.peer,
      line:match '"lateness":([%d.e-]+)' or "?", text_of(line, "text")))
  else
    counts.wrong = counts.wrong + 1
    complain("WRONG: %s against %s: %s %s\n%s", found, job.peer, one.place, text_of(line, "name"),
      text_of(line, "text"))
  end
end

-- Runs `tcplua test` with one kind of peer, and counts.
local function run_job(job, by_name)
  local words = { PROGRAM, "test", "-j", "1", "--format", "json", "--network", "lab",
    "--serve", job.command .. " serve", "--client", job.command .. " call" }
  if job.fault then table.move({ "--tags", job.fault }, 1, 2, #words + 1, words) end
  table.move(job.files, 1, #job.files, #words + 1, words)
  words.stderr = "stdout"
  local result, err = process.run(words, JOB_TIMEOUT)
  if result and result.code == REFUSED then
    print(result.out)
    os.exit(SKIPPED)
  end
  local seen = 0
  for key, line in pairs(verdicts_of(result and result.out or "")) do
    local one = by_name[key:gsub(" %[[^%]]*%]$", "")]
    if one then
      seen = seen + 1
      count(one, job, line)
    else -- of the file as a whole
      complain("WRONG: against %s: %s", job.peer, line)
    end
  end
  if seen ~= job.count then
    complain("WRONG: %d of %d verdicts against %s: %s", seen, job.count, job.peer,
      result and result.out or tostring(err))
  end
end

-- The jobs of a round: those that last longest first.
local function jobs_of(list, files, round)
  local jobs, by_fault, rows = {}, {}, {}
  for _, one in ipairs(list) do
    local job = by_fault[one.fault] or { kind = "faulty", peer = "the fault " .. one.fault,
      command = bent(one.fault), fault = one.fault, files = {}, count = 0 }
    by_fault[one.fault] = job
    if job.files[#job.files] ~= one.file then job.files[#job.files + 1] = one.file end
    job.count = job.count + one.count
    rows[one.file] = (rows[one.file] or 0) + one.count
  end
  for _, file in ipairs(files) do
    jobs[#jobs + 1] = { kind = "kernel", peer = "the kernel", command = KERNEL, files = { file },
      count = rows[file] }
    if round == 1 then
      local special = "none_" .. file:match "([^/]+)%.lua$"
      jobs[#jobs + 1] = { kind = "engine", peer = "our engine",
        command = bent(faults[special] and special or "none"), files = { file },
        count = rows[file] }
    end
  end
  for _, job in pairs(by_fault) do jobs[#jobs + 1] = job end
  table.sort(jobs, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.peer < b.peer
  end)
  return jobs
end

local function run_round(jobs, by_name)
  local next_one, workers = 0, {}
  for i = 1, given.jobs do
    workers[i] = task.spawn(function()
      while next_one < #jobs do
        next_one = next_one + 1
        run_job(jobs[next_one], by_name)
      end
    end)
  end
  for _, worker in ipairs(workers) do worker:join() end
end

-- --- the report ----------------------------------------------------------------------------------

local function column(counts)
  if not counts then return "" end
  return ("%d/%d/%d"):format(counts.right, counts.wrong, counts.inconclusive)
end

local function print_table(list)
  print "right/wrong/inconclusive verdicts: right is PASS, but FAIL where there is the fault"
  print(("%-18s %-12s %-12s %-12s %s"):format("scenario", "kernel", "engine", "faulty", "name"))
  for _, one in ipairs(list) do
    print(("%-18s %-12s %-12s %-12s %s"):format(one.place, column(one.kernel), column(one.engine),
      column(one.faulty), one.name))
  end
end

local function main()
  local list, by_name, files = read_scenarios()
  local problems = match_faults(list)
  for _, problem in ipairs(problems) do complain("%s", problem) end
  if #problems > 0 then return false end
  local loops <const> = setmetatable({}, { __close = function(self)
    for _, loop in ipairs(self) do loop:close(0) end
  end })
  local beside <close> = loops
  for i = 1, given.busy and BUSY_LOOPS or 0 do
    beside[i] = assert(process.spawn { shell = "while :; do :; done", stdout = "null" })
  end
  local started, longest = task.now(), 0
  for round = 1, given.rounds do
    local before = task.now()
    run_round(jobs_of(list, files, round), by_name)
    local took = task.now() - before
    longest = math.max(longest, took)
    if given.rounds > 1 then
      print(("round %d of %d: %.1f s, wrong so far: %d"):format(round, given.rounds, took, wrong))
      io.stdout:flush()
    end
  end
  print_table(list)
  local sums, open = {}, false
  for _, kind in ipairs { "kernel", "engine", "faulty" } do
    local all, undecided = table.unpack(totals[kind])
    sums[#sums + 1] = ("%s %d, %d inconclusive (%.2f %%)"):format(kind, all, undecided,
      100 * undecided / math.max(all, 1))
    open = open or undecided > INCONCLUSIVE_MOST * all
  end
  print(("%d scenarios, %d rounds: %d wrong verdicts of %s; %.1f s a round, %.1f s at most"):format(
    #list, given.rounds, wrong, table.concat(sums, ", "),
    (task.now() - started) / math.max(given.rounds, 1), longest))
  return wrong == 0 and not open
end

os.exit(main() and 0 or 1, true)
