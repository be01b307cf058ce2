--- tcplua.test.job: a test file in its process, from outside.
--
-- The process tells on a pipe what it does, and is not trusted: it may hang, end in the middle of a
-- test, print without end or tell nonsense. A test in which it ends is an error, and a new process
-- goes on with the next one. What it prints is kept with the test that runs, both ends of it.
local core = require "tcplua.core"
local event = require "tcplua.test.event"
local process = require "tcplua.process"
local task = require "tcplua.task"

local job = {}

local CHUNK <const> = 65536
local GRACE <const> = 1          -- seconds that a test may be late to notice its own time limit
local OUTPUT_HALF <const> = 32768 -- bytes kept of the beginning and of the end of what is printed
local OUTPUT_MAX <const> = 262144 -- and while it is printed
local LINE_MAX <const> = 1048576
local ROUND <const> = 4          -- pieces of output read before events are looked at again
local TESTS_MAX <const> = 1000000

-- --- output --------------------------------------------------------------------------------------

-- What was printed and belongs to no test yet. Each test ends what it prints with a mark, which
-- stands in the pipe before its result does.
local function new_output() return { first = "", rest = "", cut = 0 } end

local function add_output(output, piece)
  output.rest = output.rest .. piece
  local over = #output.rest - OUTPUT_MAX
  if over <= 0 then return end
  if output.first == "" then
    output.first = output.rest:sub(1, OUTPUT_HALF)
    output.rest = output.rest:sub(OUTPUT_HALF + 1)
    over = #output.rest - OUTPUT_HALF
  end
  output.rest = output.rest:sub(over + 1)
  output.cut = output.cut + over
end

-- Takes all there is, or what stands before the mark of a test.
local function take_output(output, mark)
  local stop, after = nil, nil
  if mark then stop, after = output.rest:find(mark, 1, true) end
  local text = output.rest:sub(1, stop and stop - 1)
  local over = output.cut
  if output.cut > 0 or #text > 2 * OUTPUT_HALF then
    local first = output.cut > 0 and output.first or text:sub(1, OUTPUT_HALF)
    local last = text:sub(-OUTPUT_HALF)
    if output.cut == 0 then over = #text - 2 * OUTPUT_HALF end
    text = ("%s\n[%d bytes left out]\n%s"):format(first, over, last)
  end
  output.first, output.cut, output.rest = "", 0, after and output.rest:sub(after + 1) or ""
  return text
end

-- --- what is told --------------------------------------------------------------------------------

-- A result of the runner's own making.
local function judge(self, index, verdict, message)
  local test = self.tests[index]
  test.verdict, test.message, test.text = verdict, message, message
  test.seconds = test.begin and core.now() - test.begin or 0
end

local on = {}

function on.test(self, told)
  local index = told.index
  if not index or self.tests[index] or self.count >= TESTS_MAX then return end
  self.count = self.count + 1
  self.tests[index] = { index = index, name = told.name or "", line = told.line, tags = told.tags,
    file = self.file }
  table.insert(self.order, self.tests[index])
end

function on.start(self, told)
  local test = self.tests[told.index]
  if not test or test.verdict then return end
  self.running = test
  test.begin = test.begin or core.now()
  test.timeout = told.timeout or self.options.timeout
  self.limit = core.now() + test.timeout + GRACE
end

local VERDICTS <const> = { pass = true, fail = true, error = true, skip = true, xfail = true,
  xpass = true, inconclusive = true }

function on.result(self, told)
  local test = self.tests[told.index]
  if not test or test ~= self.running or not VERDICTS[told.verdict] then return end
  for name, value in pairs(told) do
    if name ~= "event" and name ~= "name" and name ~= "line" then test[name] = value end
  end
  test.output = take_output(self.output, ("\0%s %d\n"):format(self.mark, test.index))
  self.running, self.limit = nil, math.huge
end

-- Something that is no test's: it stands as a test of its own behind the others.
local function add_problem(self, name, told)
  table.insert(self.order, { index = 0, name = name, line = told.at_line, file = self.file,
    verdict = told.verdict or "error", message = told.message or "no reason was given",
    text = told.text, at_file = told.at_file, at_line = told.at_line, seconds = 0,
    output = take_output(self.output) })
end

function on.group(self, told)
  add_problem(self, ("%s (teardown)"):format(told.name or ""):gsub("^ ", ""), told)
end

function on.broken(self, told)
  add_problem(self, "(not loaded)", told)
end

function on.skipped(self, told)
  told.verdict = "skip"
  add_problem(self, "", told)
end

on["end"] = function(self)
  self.complete = true
end

-- Takes the whole lines off what has come.
local function read_lines(self)
  local from = 1
  while true do
    local stop = self.ahead:find("\n", from, true)
    if not stop then break end
    local told = event.decode(self.ahead:sub(from, stop))
    local handler = told and on[told.event]
    if handler then handler(self, told) end
    from = stop + 1
  end
  self.ahead = self.ahead:sub(from)
  return #self.ahead <= LINE_MAX
end

-- --- the process ---------------------------------------------------------------------------------

local function command(self, from)
  local o = self.options
  local words = { "tcplua" }
  if o.network == "lab" then words[#words + 1] = "--lab" end
  if o.iface then table.move({ "-i", o.iface }, 1, 2, #words + 1, words) end
  if o.verbose and not o.list then words[#words + 1] = "-v" end
  table.move({ "test-file", self.path }, 1, 2, #words + 1, words)
  for name, value in pairs {
    network = o.network, mode = o.list and "list" or "run", seed = self.seed,
    seed_network = (o.network ~= "host" or o.seed_given) and "yes" or "", timeout = o.timeout,
    from = from, filter = o.filter or "", tags = o.tags or "", exclude = o.exclude or "",
    lines = self.lines, mark = self.mark, fail_fast = o.fail_fast and "yes" or "",
    artifacts = o.artifacts or "", serve = o.serve or "", server = o.server or "",
    client = o.client or "", port = o.port, file = self.file,
  } do
    words[#words + 1] = ("%s=%s"):format(name, value)
  end
  return words
end

-- Reads what there is of one pipe, a few pieces at most. Returns whether there was any.
local function drain(source, take)
  for i = 1, ROUND do
    local piece = source:raw_read(CHUNK)
    if not piece or piece == "" then return i > 1 end
    take(piece)
  end
  return true
end

-- Reads everything that has come, events last: what was printed before one stands in the pipe.
local function take_in(self, child)
  local told = drain(child.extra.source, function(piece) self.ahead = self.ahead .. piece end)
  local printed = drain(child.stdout.source, function(piece) add_output(self.output, piece) end)
  return told or printed, read_lines(self)
end

-- Follows the process to its end. Returns how it ended, and why we ended it if we did.
local function follow(self, child, deadline)
  local sources = { child.extra.source, child.stdout.source, child.news }
  local why
  local function stop(reason)
    why = why or reason
    return child:close(self.stopped and 0.2 or 1)
  end
  while true do
    local busy, fine = take_in(self, child)
    if self.stopped then return stop "stopped" end
    if not fine then return stop "it told nonsense", why end
    if not child:running() then
      while take_in(self, child) do end
      return child:wait(), why
    end
    local now = core.now()
    if now >= self.limit then
      return stop(("not over after %g s, and it did not answer"):format(self.running.timeout)), why
    end
    if now >= deadline then
      return stop(("the file was not over after %g s"):format(self.options.file_timeout)), why
    end
    if not busy then task.wait(sources, math.min(self.limit, deadline, now + 1)) end
  end
end

-- What ended the process: `who` did, a test or what stands between two of them.
local function how_it_ended(result, who)
  if result.signal then return ("the process was killed by signal %s"):format(result.signal) end
  return ("%s ended the process, with status %d, before it was over"):format(who, result.code)
end

-- What the end of the process says of the test that ran. A file without `it` ends as it likes.
local function settle(self, result, why)
  local test = self.running
  self.running, self.limit = nil, math.huge
  if test.name == "" and result.code and not why then
    local verdict = result.code == 0 and "pass" or result.code == 77 and "skip" or "fail"
    judge(self, test.index, verdict, result.code == 0 and "" or result.code == 77 and "status 77"
      or ("it ended with status %d"):format(result.code))
    self.complete = true
  else
    judge(self, test.index, "error", why or how_it_ended(result, "the test"))
  end
  test.output = take_output(self.output)
end

--- A job: `file` as it is named, `path` to open, `lines` ("12,40" or ""), `seed`, `options`.
function job.new(fields)
  fields.tests, fields.order, fields.count = {}, {}, 0
  fields.ahead, fields.output, fields.limit = "", new_output(), math.huge
  fields.mark = ("tcplua-%08x"):format(assert(core.random()))
  return fields
end

--- Runs the file: afterwards job.order is the list of its tests with their results.
function job.run(self)
  local from = 1
  local deadline = core.now() + self.options.file_timeout
  self.begin = core.now()
  repeat
    self.complete, self.ahead = false, ""
    local words = command(self, from)
    words.file, words.extra, words.stderr = "/proc/self/exe", true, "stdout"
    local child <close>, err = process.spawn(words)
    if not child then error(err, 0) end
    self.child = child
    local result, why = follow(self, child, deadline)
    self.child = nil
    if self.stopped then break end
    local running = self.running
    if running then
      settle(self, result, why)
      from = running.index + 1
    elseif not self.complete then
      local last = from
      for _, test in pairs(self.tests) do
        if test.verdict then last = math.max(last, test.index + 1) end
      end
      add_problem(self, "(between tests)", {
        message = why or how_it_ended(result, "what runs between tests") })
      self.complete = last == from or core.now() >= deadline
      from = last
    end
    if core.now() >= deadline then self.complete = true end
    local bad = running and running.verdict ~= "pass" and running.verdict ~= "skip"
    if bad and self.options.fail_fast then self.complete = true end
    local left = false
    for _, test in pairs(self.tests) do left = left or not test.verdict and test.index >= from end
  until self.complete or not left or self.options.list
  self.seconds = core.now() - self.begin
  local over = core.now() < deadline and "its process had ended"
    or ("the file was not over after %g s"):format(self.options.file_timeout)
  for _, test in ipairs(self.order) do
    if not test.verdict and not self.options.list and not self.options.fail_fast then
      test.verdict, test.seconds, test.message = "error", 0, "it did not run: " .. over
    end
  end
end

--- Takes in what a file that runs has told so far, before its end is not waited for.
function job.catch_up(self)
  for _ = 1, ROUND do
    if not self.child or not take_in(self, self.child) then return end
  end
end

return job
