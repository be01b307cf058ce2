--- tcplua.test.main: `tcplua test`: which files, several at a time, and what came of it.
--
-- Jobs (tcplua.test.job) end in any order; reporters hear of them in the order of the files, so
-- that two runs can be compared. A reporter is a table of functions, all optional:
--
--     begin(run)            before the first; run: seed, network, jobs (a number), files, options
--     progress(run)         something changed; now and then
--     file(run, job)        a file is over: job.order has its tests
--     finish(run)           everything is: run.counts, run.seconds, run.tests; run.interrupted says
--                           so if it was, and then a file may be one of which job.cut is true
local core = require "tcplua.core"
local job = require "tcplua.test.job"
local options = require "tcplua.test.options"
local process = require "tcplua.process"
local task = require "tcplua.task"

local main = {}

local STATUS <const> = { failed = 1, none = 5, skipped = 77 }
local FILES_MAX <const> = 100000

-- --- files ---------------------------------------------------------------------------------------

local function unreadable(why)
  error(core.error { kind = "environment", code = "EACCES",
    message = ("not all can be read: %s"):format(core.escape(why)) }, 0)
end

-- "file" or "folder"; nil if there is neither.
local function kind_of(path)
  local handle <close>, why, code = io.open(path, "rb")
  if code == 13 then unreadable(why) end -- EACCES
  if not handle then return nil end
  return handle:read(0) == nil and select(3, handle:read(1)) == 21 and "folder" or "file" -- EISDIR
end

local function read_folder(path)
  local words = { "find", (path:gsub("^%-", "./-")), "-xtype", "f",
    "(", "-name", "*_test.lua", "-o", "-name", "test_*.lua", "-o", "-name", "*_spec.lua", ")",
    stderr = "pipe", env = { LC_ALL = "C" } }
  local found, err = process.run(words)
  if not found then error(err, 0) end
  if found.code ~= 0 then unreadable(found.err:match "[^\n]*") end
  local list = {}
  for line in found.out:gmatch "[^\n]+" do
    if #list < FILES_MAX and not line:find "/%." then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

-- The files that the words name: a list of { path =, lines = }, each once.
local function find_files(paths)
  local list, known = {}, {}
  local function add(path, line)
    local row = known[path]
    if not row then
      row = { path = path, lines = {} }
      known[path] = row
      list[#list + 1] = row
    end
    if line then row.lines[#row.lines + 1] = line else row.all = true end
  end
  for _, path in ipairs(paths) do
    local kind = kind_of(path)
    local name, line = path:match "^(.*):(%d+)$"
    if kind == "folder" then
      for _, found in ipairs(read_folder((path:gsub("(.)/+$", "%1")))) do add(found) end
    elseif kind == "file" then
      add(path)
    elseif name and kind_of(name) == "file" then
      add(name, line)
    else
      error(core.error { kind = "usage", code = "ENOENT",
        message = ("there is no file or folder '%s'"):format(core.escape(path)) }, 0)
    end
  end
  for _, row in ipairs(list) do row.lines = row.all and "" or table.concat(row.lines, ",") end
  return list
end

local function processors()
  local found = process.run { "getconf", "_NPROCESSORS_ONLN" }
  return found and math.tointeger(tonumber(found.out)) or 1
end

-- --- a run ---------------------------------------------------------------------------------------

-- The network for the tests: the lab, unless this machine refuses it and nobody insisted.
local function choose_network(o)
  local chosen = o.network or (o.serve or o.client) and "lab"
  if chosen and chosen ~= "lab" then return chosen end
  local possible, err = core.lab_possible()
  if possible then return "lab" end
  if chosen then error(err, 0) end
  io.stderr:write("tcplua: the tests run in a simulation: ", tostring(err), "\n")
  return "sim"
end

local function make_jobs(run)
  local o = run.options
  local jobs = {}
  local files = find_files(o.paths)
  run.files = #files
  for i, row in ipairs(files) do
    for turn = 1, o.repeats do
      if not o.shard or (i - 1) % o.shard[2] == o.shard[1] - 1 then
        jobs[#jobs + 1] = job.new { path = row.path, lines = row.lines, options = o, turn = turn,
          file = row.path .. (o.repeats > 1 and (" (run %d)"):format(turn) or ""),
          seed = run.seed + turn - 1 }
      end
    end
  end
  return jobs
end

local function is_bad(test)
  local verdict = test.verdict
  return verdict ~= "pass" and verdict ~= "skip" and verdict ~= "xfail"
end

-- Which word of the last line a verdict counts for.
local COUNTED <const> = { pass = "passed", fail = "failed", xpass = "failed", error = "errors",
  skip = "skipped", xfail = "xfail", inconclusive = "inconclusive" }

local function count(run, finished)
  for _, test in ipairs(finished.order) do
    if test.verdict then
      local word = COUNTED[test.verdict]
      run.counts[word] = run.counts[word] + 1
      run.tests[#run.tests + 1] = test
      test.bad = is_bad(test)
      test.seed, test.path = finished.seed, finished.path
      if test.bad and run.options.fail_fast then run.stopped = true end
    elseif run.options.list then
      run.tests[#run.tests + 1] = test
    end
  end
end

local function tell(run, what, ...)
  for _, reporter in ipairs(run.reporters) do
    if reporter[what] then reporter[what](run, ...) end
  end
end

-- Runs all jobs, as many at a time as asked for.
local function run_jobs(run)
  local next_job, next_told = 1, 1
  local function work()
    while run.jobs[next_job] and not run.stopped do
      local mine = run.jobs[next_job]
      next_job = next_job + 1
      run.running[mine] = true
      run.current = mine
      tell(run, "progress")
      job.run(mine)
      run.running[mine] = nil
      mine.done = true
      count(run, mine)
      run.done = run.done + 1
      while run.jobs[next_told] and run.jobs[next_told].done do
        tell(run, "file", run.jobs[next_told])
        next_told = next_told + 1
      end
      if run.stopped then
        for other in pairs(run.running) do
          other.stopped = true
        end
      end
    end
  end
  local workers = {}
  for i = 1, math.min(run.options.jobs, #run.jobs) do workers[i] = task.spawn(work) end
  for _, worker in ipairs(workers) do worker:join() end
  for i = next_told, #run.jobs do
    if run.jobs[i].done then tell(run, "file", run.jobs[i]) end
  end
end

-- The run ends here, by a signal: what is over is reported, and what was not is said.
local function interrupt(run, signal)
  local names, left = {}, 0
  for _, each in ipairs(run.jobs) do
    if run.running[each] then
      job.catch_up(each)
      local test = each.running
      names[#names + 1] = core.printable(each.file) .. (test and (":%d%s"):format(test.line or 1,
        test.name ~= "" and ": " .. core.printable(test.name) or "") or "")
      each.cut = true
      count(run, each)
      tell(run, "file", each)
    elseif not each.done then
      left = left + 1
    end
  end
  run.seconds = core.now() - run.begin
  run.interrupted = ("interrupted by signal %d during %s%s"):format(signal,
    #names > 0 and table.concat(names, ", ") or "no test",
    left > 0 and ("; %d of %d files had not begun"):format(left, #run.jobs) or "")
  tell(run, "finish")
  io.stdout:flush()
  io.stderr:write("tcplua: ", run.interrupted, "\n")
  os.exit(128 + signal)
end

local function status_of(run)
  local c = run.counts
  if c.failed + c.errors + c.inconclusive > 0 then return STATUS.failed end
  if #run.tests == 0 then return STATUS.none end
  if c.skipped == #run.tests then return STATUS.skipped end
  return 0
end

local function list(run)
  run_jobs(run)
  for _, each in ipairs(run.jobs) do
    for _, test in ipairs(each.order) do
      if test.verdict == "error" then
        io.stderr:write("tcplua: ", core.printable(test.file .. ": " .. test.message), "\n")
      else
        print(("%s:%d%s"):format(core.printable(test.file), test.line or 1,
          test.name ~= "" and ": " .. core.printable(test.name) or ""))
      end
    end
  end
end

-- What writes: the form that was asked for, and the files beside it.
local function make_reporters(o)
  local names = { o.format == "quiet" and "human" or o.format }
  if o.junit then names[#names + 1] = "junit" end
  if o.artifacts then names[#names + 1] = "artifacts" end
  if os.getenv "GITHUB_ACTIONS" == "true" then names[#names + 1] = "github" end
  local reporters = {}
  for i, name in ipairs(names) do reporters[i] = require("tcplua.test.report." .. name)(o) end
  return reporters
end

--- What `tcplua test` does.
function main.main(...)
  local o = options.read { ... }
  if o.help then
    io.write(options.help)
    return
  end
  o.network = choose_network(o)
  o.jobs = o.jobs or processors()
  o.seed_given = o.seed ~= nil
  local run = {
    options = o, network = o.network, seed = o.seed or assert(core.random()), tests = {},
    counts = { passed = 0, failed = 0, errors = 0, skipped = 0, xfail = 0, inconclusive = 0 },
    done = 0, reporters = {}, running = {}, begin = core.now(),
  }
  run.jobs = make_jobs(run)
  if o.list then
    list(run)
  else
    run.reporters = make_reporters(o)
    tell(run, "begin")
    core.defer_signals()
    local ok, err = pcall(run_jobs, run)
    local signal = core.take_signal()
    if signal then interrupt(run, signal) end
    if not ok then error(err, 0) end
    run.seconds = core.now() - run.begin
    tell(run, "finish")
  end
  local status = status_of(run)
  if status == STATUS.none then
    local why = run.files == 0 and ": there is no *_test.lua, test_*.lua or *_spec.lua"
      or #run.jobs == 0 and (": of %d file%s none is in part %d of %d"):format(run.files,
        run.files == 1 and "" or "s", o.shard[1], o.shard[2]) or ""
    io.stderr:write("tcplua: no test was selected, which is no success", why, "\n")
  end
  os.exit(status)
end

return main
