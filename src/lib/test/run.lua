--- tcplua.test.run: runs the tests of one file, one after another, and says what became of each.
--
-- A test is tried like this: before_each from the outermost group in, the test, what it left to
-- finally, after_each from the innermost group out; then come the soft failures of all of these,
-- what nobody looked at, and what was left open. The first that goes wrong gives the sentence, all
-- give the text. An inconclusive one is tried once more, and that is always said.
--
-- The runner ends a process whose test does not answer in its time. So it is told how long what
-- comes next may take: first what is tested may start, then the test runs, then it clears up.
local core = require "tcplua.core"
local process = require "tcplua.process"
local sut = require "tcplua.sut"
local task = require "tcplua.task"
local test = require "tcplua.test"
local tree = require "tcplua.test.tree"
local verdict = require "tcplua.verdict"

local run = {}

local CLEANUP_TIME <const> = 5   -- seconds for each step of what comes after a test
local CLEANUP_STEPS <const> = 3  -- of our own: the server's end, what is left over, the exchange
local HOOK_STEP <const> = 100000 -- instructions between two looks at the clock
local TRACE_MAX <const> = 12     -- lines of a traceback

-- Worse is more.
local RANK <const> = { pass = 0, skip = 1, inconclusive = 2, fail = 3, error = 4 }

-- --- errors as problems --------------------------------------------------------------------------

local TimeUp = { __name = "tcplua.time_up" }

function TimeUp:__tostring() return self.message end

-- The lines of the script that led here.
local function trace(level)
  local lines = {}
  while #lines < TRACE_MAX do
    level = level + 1
    local at = debug.getinfo(level, "Sln")
    if not at then break end
    if at.what ~= "C" and not at.short_src:find "^tcplua/" then
      lines[#lines + 1] = ("  at %s:%d%s"):format(at.short_src, at.currentline,
        at.name and " in " .. at.name or "")
    end
  end
  return table.concat(lines, "\n")
end

-- What an error means: { verdict =, message =, text =, at_file =, at_line =, … }. Called as the
-- message handler, where the stack is still there.
local function problem_of(err)
  local reason = test.skipped(err)
  if reason then return { verdict = "skip", message = reason } end
  if verdict.is(err) then
    return { verdict = err.verdict, message = err.message, text = err.text or err.message,
      at_file = err.file, at_line = err.line, wanted = err.wanted, got = err.got,
      lateness = err.lateness, drawn = err.drawn }
  end
  local problem = { verdict = "error" }
  if core.is_error(err) then
    problem.message = err.message
    if err.kind == "network" or err.kind == "protocol" then problem.verdict = "fail" end
  elseif getmetatable(err) == TimeUp then
    problem.message = err.message
  elseif type(err) == "string" then
    local file, line, message = err:match "^([^\n]-):(%d+): (.*)$"
    problem.at_file, problem.at_line, problem.message = file, tonumber(line), message or err
  elseif err == nil then
    problem.message = "it raised nil, which does not say why: error(\"why\") does"
  else
    local meta = getmetatable(err)
    problem.message = type(meta) == "table" and meta.__tostring and tostring(err)
      or ("it raised %s, and no text"):format(verdict.show(err))
  end
  if not problem.at_file then problem.at_file, problem.at_line = verdict.place() end
  local at = trace(2)
  problem.text = at ~= "" and problem.message .. "\n" .. at or problem.message
  problem.message = problem.message:match "^[^\n]*"
  return problem
end

-- The same with what was on the wire, unless the text shows it, while the connection is open.
local function problem_with_exchange(err)
  local problem = problem_of(err)
  local text = problem.verdict ~= "skip" and not problem.drawn and verdict.drawing()
  if text then problem.text = problem.text .. "\n" .. text end
  return problem
end

-- Calls f within `seconds`, and within `simulated` of a simulation's: nil, or the problem. Both the
-- waiting of this chunk and its computing are watched; what a task computes without end, the runner
-- ends from outside.
local function guarded(seconds, what, f, handler, simulated)
  local on_the_clock = ("not over after %g s%s"):format(seconds, what)
  local message = simulated and ("not over after %g s of the simulation's time"):format(simulated)
    or on_the_clock
  local up = setmetatable({ message = message }, TimeUp)
  local stop, stop_now = core.monotonic() + seconds, simulated and core.now() + simulated
  local limit = stop
  task.limit(limit, up, stop_now)
  debug.sethook(function()
    if core.monotonic() > limit then
      limit = core.monotonic() + 0.1 -- a pcall in the test may have caught it
      up.message = on_the_clock
      error(up, 0)
    end
  end, "", HOOK_STEP)
  local ok, problem = xpcall(f, handler or problem_of)
  debug.sethook()
  task.limit(nil)
  if ok and (core.monotonic() > stop or stop_now and core.now() > stop_now) then
    return problem_of(up) -- it has caught that, and come to its end
  end
  return not ok and problem or nil
end

-- --- what is left open ---------------------------------------------------------------------------

-- The programs that were started; the server under test outlives the tests.
local function processes()
  local list = {}
  for _, child in ipairs(process.open()) do
    if child ~= sut.process then list[#list + 1] = child end
  end
  return list
end

-- Everything that is open now, by what tells it from others; and whether anything is.
local function census()
  local open = {}
  local rows, attached = core.census()
  for _, row in ipairs(rows) do open[row.kind .. row.id] = row.text end
  for _, row in ipairs(task.census()) do open[row.task] = row.text end
  for _, child in ipairs(processes()) do
    open[child] = ("process %d, %s"):format(child:pid(), child.name)
  end
  return open, next(open) == nil and attached == 0
end

local function collect_garbage()
  collectgarbage()
  collectgarbage()
end

-- What is open and was not in `before`: a sorted list of lines, each once.
local function left_open(before)
  collect_garbage()
  local lines, told = {}, {}
  for what, text in pairs((census())) do
    if not before[what] and not told[text] then
      lines[#lines + 1], told[text] = text, true
    end
  end
  table.sort(lines)
  return lines
end

-- Clears up behind a test: everything, if there was nothing before it.
local function clear(before, empty)
  collect_garbage()
  for _, child in ipairs(processes()) do
    if not before[child] then child:close(0) end
  end
  if empty then
    task.reset()
    core.reset()
  else
    for _, row in ipairs(task.census()) do
      if not before[row.task] then pcall(row.task.cancel, row.task) end
    end
  end
  collectgarbage()
end

-- --- one test ------------------------------------------------------------------------------------

-- A number for the random choices of one test, the same whichever tests run beside it.
local function seed_of(seed, index, attempt)
  local hash = 0xcbf29ce484222325
  for word in (seed .. " " .. index .. " " .. attempt):gmatch "." do
    hash = (hash ~ word:byte()) * 0x100000001b3
  end
  return hash >> 1
end

-- The functions of a kind that surround a test, outermost group first.
local function around(node, kind)
  local list = {}
  local function visit(group)
    if not group then return end
    visit(group.parent)
    table.move(group.around[kind] or {}, 1, #(group.around[kind] or {}), #list + 1, list)
  end
  visit(node.parent)
  return list
end

local function reverse(list)
  local out = {}
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end

-- Seconds that what is tested has to start: those of a test and more.
local function starting_time(context) return context.timeout + CLEANUP_TIME end

-- What is tested is there, or the problem.
local function prepare(context, seed)
  return guarded(starting_time(context), " (starting what is tested)", function()
    sut.begin(seed)
  end)
end

-- The soft failures since the last call, as problems at the end of a list.
local function add_recorded(problems)
  for _, failure in ipairs(verdict.take()) do problems[#problems + 1] = problem_of(failure) end
end

--- Seconds on the clock that a test may take. In a simulation its own limit is of virtual time, and
-- what it computes has as long as any other test at least.
function run.wall(node, context)
  local own = node.timeout or context.timeout
  return core.simulated() and math.max(own, context.timeout) or own
end

-- The verdict of a list of problems, and their text.
local function judge(problems)
  local worst
  local texts = {}
  for _, problem in ipairs(problems) do
    if not worst or RANK[problem.verdict] > RANK[worst.verdict] then worst = problem end
    texts[#texts + 1] = problem.text or problem.message
  end
  if not worst then return { verdict = "pass" } end
  local result = {}
  for name, value in pairs(worst) do result[name] = value end
  result.text = table.concat(texts, "\n")
  return result
end

-- Tries a test once: the list of its problems, the warnings, and what it said of itself.
local function try(node, context, attempt)
  local problems = {}
  local running = { cleanup = {}, xfail = node.xfail }
  local function add(problem) problems[#problems + 1] = problem end
  local seed = seed_of(context.seed, node.index, attempt)
  if context.seed_network then core.seed(seed) end
  math.randomseed(seed)
  context.started(node, starting_time(context))
  add(prepare(context, seed))
  running.unready = #problems > 0
  local before, empty = census()
  tree.running = running
  context.started(node, run.wall(node, context))
  core.lateness(true) -- of this test, whichever connections it has
  if #problems == 0 then add(guarded(run.wall(node, context), "", function()
    for _, f in ipairs(around(node, "before_each")) do f() end
    node.f()
  end, problem_with_exchange, core.simulated() and node.timeout)) end
  local after = reverse(around(node, "after_each"))
  context.started(node, CLEANUP_TIME * (#running.cleanup + #after + CLEANUP_STEPS))
  for _, f in ipairs(reverse(running.cleanup)) do
    add(guarded(CLEANUP_TIME, " (in what it left to finally)", f))
  end
  for _, f in ipairs(after) do
    add(guarded(CLEANUP_TIME, " (in after_each)", f))
  end
  tree.running = nil
  add(guarded(CLEANUP_TIME, "", sut.check))
  add_recorded(problems)
  local warnings = {}
  add(guarded(CLEANUP_TIME, "", function() warnings = verdict.leftovers() end))
  local bad = #problems > 0 and judge(problems).verdict ~= "skip"
  local folder = bad and context.evidence and context.evidence(node) or nil
  add(guarded(CLEANUP_TIME, " (in saving the exchange)", function()
    running.capture = verdict.evidence(folder and folder .. "/exchange")[1]
    if folder then sut.save(folder) end
  end))
  if #problems == 0 and not node.whole_file then
    local lines = left_open(before)
    if #lines > 0 then
      add { verdict = "fail", at_file = context.file, at_line = node.line,
        message = "left open: " .. table.concat(lines, "; "),
        text = "left open at the end of the test:\n  " .. table.concat(lines, "\n  ") }
    end
  end
  clear(before, empty)
  sut.finish()
  return problems, warnings, running
end

-- What a known failure makes of a verdict.
local function expect_failure(result, reason)
  if result.verdict == "fail" or result.verdict == "error" then
    result.message = ("%s: %s"):format(reason == true and "known to fail" or reason, result.message)
    result.verdict = "xfail"
  elseif result.verdict == "pass" then
    result.verdict = "xpass"
    result.message = ("it passed, though it is known to fail (%s)"):format(tostring(reason))
  end
  return result
end

--- Runs a test: its result, as the runner is told. `context`: file, seed, seed_network, timeout;
-- started(node, seconds): how long it may be silent now; and for run.all ended(node, result),
-- group_failed(group, result), stopped. Where the exchange is to be kept: evidence(node) makes a
-- folder for it and returns it, and discard(node) removes that.
function run.test(node, context)
  if node.skip then
    return { verdict = "skip", message = node.skip == true and "skipped" or tostring(node.skip),
      seconds = 0 }
  end
  local begin = core.monotonic()
  local retries, again = node.retries or 0, true
  local notes = {}
  local attempt = 0
  while true do
    attempt = attempt + 1
    local problems, warnings, running = try(node, context, attempt)
    local result = judge(problems)
    if running.capture then
      result.capture = running.capture
      result.text = ("%s\n  capture: %s"):format(result.text, running.capture)
    end
    if running.xfail and not running.unready then expect_failure(result, running.xfail) end
    local retry = (result.verdict == "fail" or result.verdict == "error") and retries > 0
    if retry then retries = retries - 1 end
    local rerun = result.verdict == "inconclusive" and again
    if rerun then again = false end
    if not retry and not rerun then
      if result.verdict == "pass" and #warnings > 0 then
        result.leftover = table.concat(warnings, "\n")
      end
      if #notes > 0 then result.warning = table.concat(notes, "\n") end
      local good = result.verdict == "pass" or result.verdict == "xfail"
      if good and (attempt > 1 or running.xfail) and context.discard then
        result.capture = nil
        context.discard(node) -- it was made by an attempt that is no failure
      end
      result.attempt, result.seconds = attempt, core.monotonic() - begin
      return result
    end
    notes[#notes + 1] = ("attempt %d was %s: %s"):format(attempt, result.verdict, result.message)
  end
end

-- --- groups --------------------------------------------------------------------------------------

local function has_selected(group)
  for _, node in ipairs(group.children) do
    if node.test and node.selected or not node.test and has_selected(node) then return true end
  end
  return false
end

local run_group

local function each_selected(group, visit)
  for _, node in ipairs(group.children) do
    if not node.test then each_selected(node, visit)
    elseif node.selected then visit(node) end
  end
end

local function run_node(node, context)
  if context.stopped then return end
  if not node.test then return run_group(node, context) end
  if not node.selected then return end
  context.started(node, starting_time(context))
  context.ended(node, run.test(node, context))
end

run_group = function(group, context)
  if not has_selected(group) then return end
  local problem
  if group.around.setup and not group.skip then
    local seed = seed_of(context.seed, "setup", group.first or 1)
    if context.seed_network then core.seed(seed) end
    problem = prepare(context, seed)
  end
  local before, empty = census()
  if not group.skip then
    for _, f in ipairs(group.around.setup or {}) do
      problem = problem or guarded(context.timeout, " (in setup)", f)
    end
    if group.around.setup then problem = guarded(CLEANUP_TIME, "", sut.hold) or problem end
  end
  local recorded = { problem }
  add_recorded(recorded)
  problem = recorded[1] and judge(recorded)
  if problem then
    each_selected(group, function(node)
      if context.stopped then return end
      context.started(node, CLEANUP_TIME)
      local result = node.skip and run.test(node, context) or judge { problem }
      if not node.skip then
        result.message = "in setup: " .. result.message
        result.seconds = 0
      end
      context.ended(node, result)
    end)
  else
    for _, node in ipairs(group.children) do run_node(node, context) end
  end
  local problems = {}
  for _, f in ipairs(group.skip and {} or reverse(group.around.teardown or {})) do
    problems[#problems + 1] = guarded(CLEANUP_TIME, " (in teardown)", f)
  end
  if group.around.setup and not group.skip then
    problems[#problems + 1] = guarded(CLEANUP_TIME, "", sut.release)
  end
  add_recorded(problems)
  if not problem and #problems == 0 and group.around.setup then
    local lines = left_open(before)
    if #lines > 0 then
      problems[1] = { verdict = "fail", at_file = context.file, at_line = group.first,
        message = "left open: " .. table.concat(lines, "; ") }
    end
  end
  clear(before, empty)
  sut.finish()
  if #problems > 0 then context.group_failed(group, judge(problems)) end
end

--- Runs the selected tests of the tree below `root`.
function run.all(root, context)
  run_group(root, context)
  local problem = guarded(CLEANUP_TIME, " (ending what is tested)", sut.close)
  if problem then context.group_failed(root, judge { problem }) end
end

--- Calls f, which writes tests down: nil, or what went wrong.
function run.collect(f, seconds)
  local problem = guarded(seconds, " (before the first test)", f)
  return problem and judge { problem }
end

return run
