--- tcplua.task: several things at once, each written from top to bottom.
--
-- A task is a coroutine that may wait. There is one blocking primitive below, core.poll; here it
-- is shared out: whoever waits names the object whose news it wants and a deadline. A blocking call
-- in the main chunk runs the loop itself, in a task it gives way to the others; in a coroutine that
-- is not a task it raises, for nobody would wake it.
--
--     local task = require "tcplua.task"
--     local t = task.spawn(function() task.sleep(1); return "done" end)
--     print(t:join())
local check = require "tcplua.check"
local core = require "tcplua.core"

-- Called for each piece of news: not looked up each time.
local poll, time_now, simulated = core.poll, core.now, core.simulated
local resume_thread, status, yield = coroutine.resume, coroutine.status, coroutine.yield
local huge, min, max = math.huge, math.min, math.max

local task = {}
task.__index = task

local NOTICE = 2        -- seconds after which a person at a terminal is told what is awaited

local SPARE_MAX = 256   -- tasks at once whose list is used again

local NONE = table.pack()
local REST = {}         -- what a servant yields that waits to be roused

local main = {}         -- what the main chunk waits for, kept like a task
local current           -- the task that runs, nil in the main chunk
local waiting = {}      -- set of the tasks that wait
local soonest = huge -- none of them has a deadline before this
local waiters = {}      -- object -> who waits for its news (main, too); several are a set: crowd
local servers = setmetatable({}, { __mode = "k" }) -- object -> what serves its hooks
local ready = {}        -- tasks to be resumed, in order
local serving = false   -- whether the loop hands out what waits for hooks
local spare             -- an empty table for the next of these, or nil
local failed            -- a task that failed before anybody joined it
local limit = huge -- core.monotonic() at which the main chunk stops waiting,
local limit_now = huge -- and core.now(),
local limit_error       -- with which error

local function add(me, source)
  local one = waiters[source]
  if not one then
    waiters[source] = me
  elseif one.crowd then
    one.crowd[me] = true
  else
    waiters[source] = { crowd = { [one] = true, [me] = true } }
  end
  if source.raw_await then source:raw_await() end -- a link is only looked at while awaited
end

local function remove(me, source)
  local one = waiters[source]
  if one.crowd then
    one.crowd[me] = nil
    if next(one.crowd) == nil then waiters[source] = nil end
  else
    waiters[source] = nil
  end
end

-- A source is an object of a class; a table without one is a list of sources.
local function each_source(me, visit)
  local source = me.source
  if source == nil then return end
  if type(source) == "userdata" or getmetatable(source) then return visit(me, source) end
  for i = 1, #source do visit(me, source[i]) end
end

-- A tail call, as the one it leads to: each level that a task once reached costs it memory.
local function watch(me, source)
  me.source, me.stirred = source, false
  return each_source(me, add)
end

local function unwatch(me)
  each_source(me, remove)
  me.source = nil
end

local function wake(me, stirred)
  me.stirred = stirred
  unwatch(me)
  if me ~= main then
    waiting[me] = nil
    ready[#ready + 1] = me
  end
  me.awake = true
end

local function stir(source)
  local one = waiters[source]
  if not one then return end
  if not one.crowd then return wake(one, true) end
  for me in pairs(one.crowd) do wake(me, true) end
end

local function finish(me, ok, ...)
  if (...) == REST then
    me.resting = true
    return
  end
  if ok and status(me.thread) ~= "dead" then
    if me.parked then
      waiting[me] = true
      soonest = min(soonest, me.deadline)
    else
      ready[#ready + 1] = me -- a plain yield: the others first
    end
    return
  end
  me.done, me.ok, me.results = true, ok, table.pack(...)
  if waiters[me] then
    stir(me)
  elseif not ok then
    failed = failed or me
  end
end

-- What a task holds in `<close>` variables is closed when it fails, too; that can fail as well.
local function settle(me, ok, ...)
  if ok then return finish(me, ok, ...) end
  finish(me, coroutine.close(me.thread))
end

local function resume(me)
  local before = current
  current = me
  local arguments = me.arguments
  if arguments == NONE then
    settle(me, resume_thread(me.thread))
  else
    me.arguments = NONE -- they are for the first time
    settle(me, resume_thread(me.thread, table.unpack(arguments, 1, arguments.n)))
  end
  current = before
end

local function run_ready()
  while #ready > 0 do
    local list, count = ready, #ready
    ready, spare = spare or {}, nil
    for i = 1, count do
      local me = list[i]
      list[i] = nil
      if not me.done then resume(me) end -- one before it may have cancelled it
    end
    if count <= SPARE_MAX then spare = list end -- a large one would keep its size for ever
  end
  if failed then
    local me = failed
    failed = nil
    error(me.results[1], 0)
  end
end

-- Wakes whose deadline has come. With a thousand tasks there is news far more often than that, so
-- they are looked through only when it may have.
local function wake_due(now)
  if now < soonest then return end
  soonest = huge
  for me in pairs(waiting) do
    if now >= me.deadline then
      wake(me, false)
    else
      soonest = min(soonest, me.deadline)
    end
  end
end

-- Runs the loop until the main chunk has what it waits for.
local function run(what)
  local notice = what and not simulated() and time_now() + NOTICE or huge
  while true do
    run_ready()
    if main.awake then return end
    local due = min(main.deadline, soonest, notice, limit_now)
    if limit_now < huge and time_now() >= limit_now then error(limit_error, 0) end
    if limit < huge then
      local left = limit - core.monotonic()
      if left <= 0 then error(limit_error, 0) end
      if not simulated() then due = min(due, time_now() + left) end
    end
    local source, why, out, back = poll(due)
    if source ~= nil then
      local serve = (out or back) and servers[source]
      if serve then
        serving = true
        serve(out, back)
        serving = false
      end
      if why then stir(source) end
    elseif why == "stalled" and #ready == 0 then
      error(core.error {
        code = "EDEADLK", kind = "usage",
        message = "nothing can happen any more: every task waits and no timer runs",
      }, 0)
    end
    -- Seconds and the clock's nanoseconds are not rounded alike: what timed out was due.
    local now = why == "timeout" and max(time_now(), due) or time_now()
    if now >= main.deadline and not main.awake then wake(main, false) end
    wake_due(now)
    if now >= notice then
      notice = huge
      if not main.awake and core.terminal(2) then
        if type(what) == "function" then what = what(main.source) end
        io.stderr:write("tcplua: waiting for ", what, "\n")
      end
    end
  end
end

--- From `when` on, of core.monotonic(), a wait of the main chunk raises `err`, and from `now` on,
-- of core.now(); nil: none does.
function task.limit(when, err, now)
  limit, limit_error, limit_now = when or huge, err, now or huge
end

--- The tasks that have not ended: a list of { task =, text = }; the text says where each waits, or
-- whose it is, if whoever began it has set its field `text`.
function task.census()
  local list = {}
  local function describe(me)
    if me == current then return end
    local text, level = me.text or "a task that waits", 0
    while not me.text do
      local at = debug.getinfo(me.thread, level, "Sl")
      if not at then break end
      if at.what ~= "C" and not at.short_src:find "^tcplua/" then
        text = ("a task that waits at %s:%d"):format(at.short_src, at.currentline)
        break
      end
      level = level + 1
    end
    list[#list + 1] = { task = me, text = text }
  end
  for me in pairs(waiting) do describe(me) end
  for _, me in ipairs(ready) do describe(me) end
  return list
end

--- Whether the running code may wait: it is the main chunk or a task.
function task.can_wait()
  local thread, is_main = coroutine.running()
  if current then return thread == current.thread end
  return is_main
end

--- Waits for news of `source` (nil: of nothing; a list: of any of them) until `deadline` on
-- core.now()'s clock. Returns whether there was news. `what` completes "waiting for …": words, or a
-- function that returns them, given `source`.
function task.wait(source, deadline, what)
  if not task.can_wait() then
    error("a coroutine that is not a task cannot wait; use task.spawn", 2)
  end
  deadline = check.seconds("deadline", deadline, huge)
  local me = current or main
  me.deadline, me.awake = deadline, false
  watch(me, source)
  if me == main then
    local ok, err = pcall(run, what)
    if not ok then
      unwatch(main)
      error(err, 0)
    end
  else
    me.parked = true
    yield()
    me.parked = false
  end
  return me.stirred
end

--- Starts `f(...)` as a task: it runs when the caller next waits.
function task.spawn(f, ...)
  local arguments = select("#", ...) > 0 and table.pack(...) or NONE
  local me = setmetatable({ thread = coroutine.create(f), arguments = arguments, done = false },
    task)
  ready[#ready + 1] = me
  return me
end

--- A task that calls `f` each time it is roused, and rests in between: for what comes too often to
-- have a task each time. One that rests is kept by nobody but the caller.
function task.servant(f)
  if type(f) ~= "function" then check.fail("servant: a function expected, got " .. type(f)) end
  local function work()
    while true do
      f()
      yield(REST)
    end
  end
  return setmetatable({ thread = coroutine.create(work), arguments = NONE, done = false,
    resting = true }, task)
end

--- Has a servant call its function once more; one that does so now is left alone. Called by what
-- task.serve was given, it does so at once.
function task:rouse()
  if getmetatable(self) ~= task then check.fail("a task expected, got " .. type(self)) end
  if not self.resting then return end
  self.resting = false
  if serving then
    serving = false -- which it is not for what the servant does
    resume(self)
    serving = true
  else
    ready[#ready + 1] = self
  end
end

--- Waits until the task has ended, and returns what it returned; its error is raised here.
-- With `timeout` (seconds) it gives nil and an error of code ETIMEDOUT when that has passed.
function task:join(timeout)
  if self == current then error("a task cannot wait for its own end", 2) end
  local deadline = time_now() + check.seconds("timeout", timeout, huge)
  while not self.done do
    if not task.wait(self, deadline, "a task to end") and not self.done then
      return nil, core.error { code = "ETIMEDOUT", message = "the task has not ended in time" }
    end
  end
  if failed == self then failed = nil end
  if not self.ok then error(self.results[1], 0) end
  return table.unpack(self.results, 1, self.results.n)
end

--- Ends a task where it waits; what it holds in `<close>` variables is closed.
function task:cancel()
  if self.done then return end
  if self == current then error("a task cannot cancel itself; it ends when it returns", 2) end
  unwatch(self)
  waiting[self] = nil
  for i = #ready, 1, -1 do
    if ready[i] == self then table.remove(ready, i) end
  end
  finish(self, coroutine.close(self.thread))
end

--- Tells those that wait for `source` that there is news: for an object of a class made in Lua.
function task.notify(source)
  stir(source)
end

--- Has `f(out, back)` called whenever something waits for the hooks of `source`, a connection: on
-- its way out, or in. `f` must not wait: it may spawn a task that does.
function task.serve(source, f)
  servers[source] = f
end

--- Lets `seconds` pass.
function task.sleep(seconds)
  task.wait(nil, time_now() + check.seconds("seconds", seconds, 0))
end

--- Forgets every task, closing what they hold: between two tests.
function task.reset()
  local all = table.move(ready, 1, #ready, 1, {})
  for me in pairs(waiting) do all[#all + 1] = me end
  for _, me in ipairs(all) do me:cancel() end
  if select(2, coroutine.running()) then current = nil end -- an error may have passed by resume
  waiting, waiters, ready, failed, soonest, serving = {}, {}, {}, nil, huge, false
end

--- Seconds on the clock that all deadlines are measured on.
task.now = core.now

return task
