--- tcplua.expect: what should come, said beforehand, and judged when it comes.
--
--     local expect = require "tcplua.expect"
--     local conn = assert(tcp.connect { dst = dst, port = 7, mode = "assist" })
--     conn:inject { data = "ping\n" }
--     conn:expect { flags = "P.", data = "ping\n", within = 0.2 }
--     conn:inject { win = 0 }
--     conn:none({ len = "> 0" }, 1)
--     conn:expect "F. 6:6(0) ack 6"
--
-- A connection that is expected of keeps every segment that has come. An expectation consumes one,
-- and leaves the others to those that follow; what is left over at the end of a test is reported.
-- What a segment should be like is a table of fields (tcplua.expect.template), whose values may be
-- any, absent, range(low, high), one_of { … }, pattern(p), sha256(hex), only { … }, in_order { … }
-- of this module; or a line (tcplua.expect.notation). A template, or the table behind it, also has
--
--     timeout = 2      seconds to wait for it
--     within, after    it comes at most, at least so many seconds after the last event: what was
--                      last expected and came, or was last injected; by the capture's times
--     at, tolerance    it comes so many seconds after that, give or take (5 %, at least 0.01)
--     since = s        the event is this segment
--     soft = true      a failure is recorded, and the script goes on; the result is nil
--
-- and a template absolute = true: its seq and ack are the header's own.
--
-- A failure is raised (tcplua.verdict): it says what differs, which segment came nearest, and what
-- was on the wire. If a check of time fails by no more than this program was itself late, it is
-- inconclusive. A connection that is over ends the waiting at once, but for that of none() where
-- the peer has ended it.
local capture = require "tcplua.capture"
local check = require "tcplua.check"
local core = require "tcplua.core"
local explain = require "tcplua.expect.explain"
local puppet = require "tcplua.tcp.puppet"
local segment = require "tcplua.tcp.segment"
local task = require "tcplua.task"
local template = require "tcplua.expect.template"
local verdict = require "tcplua.verdict"

require "tcplua.tcp" -- whose stand-ins are replaced here

local conn = core.conn_class.__index

local TIMEOUT = 2 -- seconds
local LEFTOVERS = 3 -- segments that are named
local LATE = 1    -- seconds that are waited behind the last moment, to see what comes too late

-- The values of templates, of whose module the manual says what they mean.
local expect = {
  any = template.any,
  absent = template.absent,
  range = template.range,
  one_of = template.one_of,
  pattern = template.pattern,
  sha256 = template.sha256,
  only = template.only,
  in_order = template.in_order,
}

--- Makes a template once, for many expectations.
function expect.template(what) return template.of(what) end

-- --- what has come -----------------------------------------------------------------------------

local function place()
  local file, line = verdict.place()
  return ("%s:%d"):format(file or "?", line or 0), file, line
end

-- Kinds of segments that a test may not care about.
local KINDS = {
  pure_ack = function(s) return s.flags == "." and s.len == 0 end,
  retransmission = function(s) return s.retransmission end,
  dup_syn_ack = function(s) return s.flags == "S." and s.retransmission end,
  icmp = function(s) return s.tcp == nil end,
}

local function is_ignored(strings, s)
  for _, ignored in ipairs(strings.ignored or {}) do
    if ignored(s) then
      rawset(s, "consumed", "ignored")
      return true
    end
  end
  return false
end

-- The segments that have come and that nothing has consumed, in order. They are kept: what is left
-- over early on must not make each expectation go through all that has come since.
local function waiting(strings)
  local list = strings.conn:segments()
  local pending = strings.pending or {}
  for i = (strings.looked or 0) + 1, #list do
    if list[i].direction == "in" then pending[#pending + 1] = list[i] end
  end
  strings.pending, strings.looked = pending, #list
  local count, kept = #pending, 0
  for i = 1, count do
    local s = pending[i]
    if not rawget(s, "consumed") then
      kept = kept + 1
      pending[kept] = s
    end
  end
  for i = kept + 1, count do pending[i] = nil end
  local found = {}
  for _, s in ipairs(pending) do
    if not is_ignored(strings, s) then found[#found + 1] = s end
  end
  return found
end

-- All leftovers in one line; the first of them, if there are many.
local function not_expected(lines)
  if #lines == 0 then return nil end
  local more = #lines - LEFTOVERS
  return { ("not expected: %s%s"):format(table.concat(lines, "; ", 1, math.min(#lines, LEFTOVERS)),
    more > 0 and ("; and %d more"):format(more) or "") }
end

-- What came before the first expectation, and that the engine has answered: the handshake it made.
local function begin(self)
  local strings = puppet.of(self)
  if strings.expecting then return strings end
  if self:closed() then self:mode() end -- raises: nothing was kept of it
  local watched = #(self:segments()) > 0
  strings.expecting = true
  verdict.at_end(function() return not_expected(expect.leftovers(self)) end)
  expect.attend(self)
  strings.asked = self:mode() == "auto" and #strings.list or 0 -- the engine's until then
  if watched and self:mode() ~= "manual" then
    for _, s in ipairs(waiting(strings)) do
      if s.flags and s.flags:find "S" then rawset(s, "consumed", "the handshake") end
    end
  end
  return strings
end

--- Has a test that fails tell of this connection, though nothing is expected of it.
function expect.attend(self)
  local strings = puppet.of(self)
  if strings.attended then return end
  strings.attended = true
  verdict.at_failure(function(prefix) return expect.save(self, prefix) end, function()
    return explain.exchange(self, (self:segments()))
  end)
end

-- The last event, from which times are measured; before there is one, the last segment.
local function mark(strings)
  local list = strings.conn:segments()
  return strings.event or list[#list] and list[#list].time or core.wall()
end

local function consume(strings, s, at, wanted, how)
  rawset(s, "consumed", (how or "expected at ") .. at)
  rawset(s, "wanted", wanted and wanted.text)
  strings.event = s.time
end

-- --- failing -------------------------------------------------------------------------------------

local function failure(strings, o, what)
  local at, file, line = place()
  local list, dropped = strings.conn:segments()
  local notes = what.notes or {}
  if dropped > 0 then
    notes[#notes + 1] = ("%d segments were not kept, for want of room: the verdict is open")
      :format(dropped)
  end
  local lateness = core.lateness()
  if what.late then
    notes[#notes + 1] = ("this program itself was late by up to %.3f s"):format(lateness)
  end
  local made = verdict.failure {
    verdict = (dropped > 0 or what.late) and "inconclusive" or "fail",
    message = what.message, file = file, line = line, lateness = lateness,
    wanted = what.wanted and what.wanted.text, drawn = true,
    text = explain.text {
      conn = strings.conn, list = list, place = at, message = what.message, wanted = what.wanted,
      candidates = what.candidates, notes = notes, focus = what.focus,
    },
  }
  if o.soft then
    verdict.record(made)
    return nil
  end
  error(made, 0)
end

-- --- time ----------------------------------------------------------------------------------------

local NAMES = {
  timeout = true, within = true, after = true, at = true, tolerance = true, since = true,
  soft = true,
}

-- What the template says of time, and the options beside it.
local function times_of(times, options)
  local o = {}
  for name, value in pairs(times) do o[name] = value end
  for name, value in pairs(check.options(options, NAMES)) do o[name] = value end
  for _, name in ipairs { "timeout", "within", "after", "at", "tolerance" } do
    check.span(name, o[name])
  end
  if o.since ~= nil and not segment.is(o.since) then
    check.fail("since: a segment expected, got " .. type(o.since))
  end
  if o.within and o.after and o.within < o.after then
    check.fail(("within: %g s are over before after, %g s"):format(o.within, o.after))
  end
  if o.tolerance and not o.at then check.fail "tolerance: there is no `at` that it belongs to" end
  if o.at and (o.within or o.after) then
    check.fail(("at: %g s, and %s beside it; one of them is enough"):format(o.at,
      o.within and "within" or "after"))
  end
  if o.at then
    local tolerance = o.tolerance or math.max(0.01, o.at * 0.05)
    o.after, o.within = o.at - tolerance, o.at + tolerance
  end
  return o
end

-- Seconds by which it came too early (negative) or too late; nil if neither.
local function off(o, delay)
  if o.within and delay > o.within then return delay - o.within end
  if o.after and delay < o.after then return delay - o.after end
  return nil
end

local function wanted_time(o)
  local since = o.since
  local event = since and (since.index and "#" .. since.index or "the segment of since")
    or "the last event"
  if o.at then
    return ("%.3f s after %s, give or take %.3f"):format(o.at, event, o.at - o.after)
  end
  if o.after and o.within then
    return ("%.3f to %.3f s after %s"):format(o.after, o.within, event)
  end
  if o.within then return ("within %.3f s of %s"):format(o.within, event) end
  return ("%.3f s after %s or later"):format(o.after, event)
end

local function check_time(strings, o, wanted, s, from)
  local delay = s.time - from
  local missed = off(o, delay)
  if not missed then return true end
  local list, event = strings.conn:segments(), nil
  for _, one in ipairs(list) do
    if one ~= s and one.time <= from + 1e-6 then event = one end
  end
  failure(strings, o, {
    message = ("'%s' came %s, wanted %s"):format(wanted.text, delay >= 0
      and ("after %.3f s"):format(delay) or "before the event", wanted_time(o)),
    notes = { ("it is #%d, and the event was %s at %.3f s"):format(s.index,
      event and "#" .. event.index or "before the first segment,", from - list[1].time) },
    late = core.lateness() >= math.abs(missed), focus = s.index,
  })
  return false
end

-- --- the expectations --------------------------------------------------------------------------

-- One expectation: strings, o (its times), from (what they are measured from), wait (how long it is
-- waited, in seconds), deadline.
local Wait = {}
Wait.__index = Wait

-- What all of them begin with. `o` is what times_of has made.
local function start(self, o, seconds)
  local strings = begin(self)
  local wait = seconds or o.timeout or math.max(TIMEOUT, (o.within or o.after or 0) + LATE)
  return setmetatable({
    strings = strings, o = o, from = o.since and o.since.time or mark(strings), wait = wait,
    deadline = core.now() + wait,
  }, Wait)
end

-- Why nothing will come any more; nil if something may. What the script sends on a connection that
-- is over may have an answer.
local function ending(strings)
  local this, list = strings.conn, strings.list
  if this:closed() then return strings.ended end
  if this:state() ~= "CLOSED" or not list[1] or list[#list].direction == "out" then return nil end
  local err = this:raw_error()
  return err and err.message or "both sides have closed the connection"
end

-- Waits until `find(waiting segments)` gives something, or the deadline; unless it is to the very
-- end, only for as long as something may come.
function Wait:await(find, to_the_end)
  local strings = self.strings
  while true do
    local found = find(waiting(strings))
    if found then return found end
    local over = ending(strings)
    if over and (not to_the_end or strings.conn:closed()) then
      self.over = over
      return nil
    end
    if not task.wait(strings.conn, self.deadline, self.what or "a segment") then
      return (find(waiting(strings)))
    end
  end
end

-- How long nothing came.
function Wait:came()
  if self.over then return "came: " .. self.over end
  return ("came within %g s"):format(self.wait)
end

-- Takes a segment that was found, unless its time is wrong.
function Wait:take(s, wanted)
  consume(self.strings, s, (place()), wanted)
  return check_time(self.strings, self.o, wanted, s, self.from) and s or nil
end

function Wait:fail(what)
  return failure(self.strings, self.o, what)
end

-- Of those behind the segment with the number `behind`, if that is given.
local function first_match(wanted, behind)
  return function(list)
    for _, s in ipairs(list) do
      if s.index > (behind or 0) and wanted:matches(s) then return s end
    end
  end
end

-- What may have been meant: what waits, else what was ignored.
local function candidates(strings)
  local list = waiting(strings)
  if #list > 0 then return list end
  for _, s in ipairs((strings.conn:segments())) do
    if s.consumed == "ignored" then list[#list + 1] = s end
  end
  return list
end

-- conn:expect, for a segment `behind` that one, if it is given.
local function expect_one(self, what, options, behind)
  local wanted = template.of(what)
  local wait = start(self, times_of(wanted.times, options))
  wait.what = ("a segment '%s'"):format(wanted.text)
  local s = wait:await(first_match(wanted, behind))
  if s then return wait:take(s, wanted) end
  local early = behind and first_match(wanted)(waiting(wait.strings))
  return wait:fail {
    message = ("no segment '%s' %s%s"):format(wanted.text, wait:came(), early
      and ("; #%d is one, but came before #%d"):format(early.index, behind) or ""),
    wanted = wanted, candidates = candidates(wait.strings),
  }
end

--- Waits for a segment like `what`, consumes the first there is, and returns it; the others stay
-- for later expectations.
function conn:expect(what, options)
  return expect_one(self, what, options)
end

--- The next segment that comes, whatever it is, must be like `what`; consumes and returns it. One
-- that is not stays; a soft failure consumes it, so that the script goes on behind it.
function conn:next(what, options)
  local wanted = template.of(what)
  local wait = start(self, times_of(wanted.times, options))
  local s = wait:await(function(list) return list[1] end)
  if not s then
    return wait:fail { message = wait.over
      and ("no segment came, wanted '%s' next: %s"):format(wanted.text, wait.over)
      or ("no segment came within %g s, wanted '%s' next"):format(wait.wait, wanted.text) }
  end
  if wanted:matches(s) then return wait:take(s, wanted) end
  if wait.o.soft then consume(wait.strings, s, (place()), wanted, "another was expected at ") end
  return wait:fail {
    message = ("the next segment is not '%s'"):format(wanted.text), wanted = wanted,
    candidates = { s }, focus = s.index,
  }
end

--- No segment like `what` is waiting, and none comes within `seconds` (1), by the capture's clock:
-- a tester that looks late does not wait for longer, and one that began to look late cannot say
-- that what came at the end came too early. Of the times only `within` makes sense, in place of
-- `seconds`.
function conn:none(what, seconds, options)
  local wanted = template.of(what)
  local o = times_of(wanted.times, options)
  for _, name in ipairs { "at", "tolerance", "after", "since", "timeout" } do
    if o[name] ~= nil then
      check.fail(("none: '%s' is for what should come; how long nothing should is said by seconds"
        .. " or within"):format(name))
    end
  end
  seconds = check.span("seconds", seconds, o.within or 1)
  local wait = start(self, o, seconds)
  local last = core.wall() + seconds
  local s = wait:await(first_match(wanted), true)
  if s and s.time <= last then
    consume(wait.strings, s, (place()), wanted, "not wanted at ")
    return wait:fail {
      message = ("a segment '%s' came, wanted none within %g s"):format(wanted.text, seconds),
      notes = { ("it is #%d: %s"):format(s.index, segment.brief(s)) }, focus = s.index,
      late = s.time > last - core.lateness(),
    }
  end
  local why = not s and wait.over
  if not why then
    if select(2, self:segments()) == 0 then return true end
    why = "one that was not kept may have been"
  end
  return wait:fail {
    message = ("whether no segment '%s' comes within %g s is not to be known: %s"):format(
      wanted.text, seconds, why),
  }
end

-- Gives a segment to a template that it is like: to one that has none, or else to one whose own can
-- go to another, which is not among those `tried`.
local function give(s, wanted, found, tried)
  for i, one in ipairs(wanted) do
    if not found[i] and one:matches(s) then
      found[i] = s
      return true
    end
  end
  for i, one in ipairs(wanted) do
    if found[i] and not tried[i] and one:matches(s) then
      tried[i] = true
      if give(found[i], wanted, found, tried) then
        found[i] = s
        return true
      end
    end
  end
  return false
end

--- Waits for segments like each of the list, in whatever order, until the last of their timeouts;
-- returns them in the list's order. Their times are measured from the event before all of them.
function conn:any_order(list, options)
  local wanted, waits, found, left = {}, {}, {}, #check.list("any_order", list)
  if left == 0 then check.fail "any_order: the list is empty" end
  for i, what in ipairs(list) do wanted[i] = template.of(what) end
  for i in ipairs(list) do waits[i] = start(self, times_of(wanted[i].times, options)) end
  local longest = waits[1]
  for _, wait in ipairs(waits) do
    if wait.deadline > longest.deadline then longest = wait end
  end
  local at = (place())
  local function next_match(waiting_now)
    for _, s in ipairs(waiting_now) do
      if give(s, wanted, found, {}) then
        consume(longest.strings, s, at) -- for which template may change
        return s
      end
    end
  end
  while left > 0 do
    local s = longest:await(next_match)
    if not s then break end
    left = left - 1
  end
  for i, s in pairs(found) do rawset(s, "wanted", wanted[i].text) end
  local good = true
  for i, wait in ipairs(waits) do
    if not found[i] then
      good = wait:fail {
        message = ("no segment '%s' %s, number %d of %d in any order"):format(wanted[i].text,
          longest:came(), i, #list),
        wanted = wanted[i], candidates = candidates(wait.strings),
      }
    elseif not check_time(wait.strings, wait.o, wanted[i], found[i], wait.from) then
      good = nil
    end
  end
  return good and found
end

--- Expects each of the list, in this order; others may come between. Returns the segments.
function conn:sequence(list, options)
  local found = {}
  if #check.list("sequence", list) == 0 then check.fail "sequence: the list is empty" end
  for i, what in ipairs(list) do
    found[i] = expect_one(self, what, options, found[i - 1] and found[i - 1].index)
    if not found[i] then return nil end
  end
  return found
end

--- Segments of these kinds are of no interest from now on: "pure_ack", "retransmission",
-- "dup_syn_ack", "icmp", or templates. Without arguments, all are again.
function conn:ignore(...)
  local strings = puppet.of(self)
  if select("#", ...) == 0 then
    strings.ignored = nil
    return
  end
  strings.ignored = strings.ignored or {}
  for _, what in ipairs { ... } do
    local kind = KINDS[what]
    if type(what) == "string" and not kind and what:find "^[%a_]+$" and #what > 3 then
      check.fail(("'%s' is no kind of segment: pure_ack, retransmission, dup_syn_ack, icmp"):format(
        core.escape(what)))
    end
    if not kind then
      local wanted = template.of(what)
      kind = function(s) return wanted:matches(s) end
    end
    table.insert(strings.ignored, kind)
  end
end

--- What has come on a connection and was neither expected nor ignored: a list of lines. In auto,
-- what came before the first expectation is the engine's.
function expect.leftovers(self)
  local strings = puppet.of(self)
  local lines = {}
  if not strings.expecting then return lines end
  local list = strings.list
  local first = list[1] and list[1].time or 0
  for _, s in ipairs(waiting(strings)) do
    if s.index > strings.asked then
      lines[#lines + 1] = ("#%d, %.3f s, %s"):format(s.index, s.time - first, segment.brief(s))
    end
  end
  return lines
end

--- Writes the exchange as PREFIX.pcapng, with a comment at each packet: itself in the connection's
-- numbers, what the script had to do with it, a change of state; and as text. Returns a list of the
-- two paths.
function expect.save(self, prefix)
  if type(prefix) ~= "string" then check.fail("prefix: a string expected, got " .. type(prefix)) end
  puppet.of(self)
  local list = self:segments()
  local out <close> = assert(capture.create(prefix .. ".pcapng"))
  for _, s in ipairs(list) do
    local note = explain.comment(s)
    assert(out:write(s.packet, { time = s.time, sent = s.direction == "out",
      comment = ("#%d %s%s"):format(s.index, tostring(s), note and "\n" .. note or "") }))
  end
  local text = assert(io.open(prefix .. ".txt", "w"))
  text:write(explain.ladder(list))
  text:close()
  return { prefix .. ".pcapng", prefix .. ".txt" }
end

-- --- events and numbers ------------------------------------------------------------------------

-- `missed`: by how many seconds; nil if it holds.
local function judge(missed, message, options)
  if not missed then return true end
  local o = check.options(options)
  local at, file, line = place()
  local lateness = core.lateness()
  local made = verdict.failure { message = message, text = at .. ": " .. message, file = file,
    line = line, lateness = lateness, verdict = lateness >= missed and "inconclusive" or nil }
  if o.soft then return verdict.record(made) end
  error(made, 0)
end

-- By how much a time is outside; nil if it is not.
local function outside(time, low, high)
  if time < low then return low - time end
  if time > high then return time - high end
end

local function check_segments(name, list, least, why)
  if #check.list(name, list) < least then check.fail(("%s: %s"):format(name, why)) end
  for i, s in ipairs(list) do
    if not segment.is(s) or not s.index then
      check.fail(("%s: segments that came expected, and number %d is %s"):format(name, i,
        segment.is(s) and "one that did not" or "a " .. type(s)))
    end
  end
end

--- The time between the first two segments, over that between the last two, lies between low and
-- high.
function expect.ratio(first, second, low, high, options)
  check_segments("ratio: first", first, 2, "two segments have a time between them")
  check_segments("ratio: second", second, 2, "two segments have a time between them")
  if type(low) ~= "number" or type(high) ~= "number" then
    check.fail(("ratio: two numbers expected, low and high, got %s and %s"):format(type(low),
      type(high)))
  end
  local a, b = first[2].time - first[1].time, second[2].time - second[1].time
  local message = "%.3f s from #%d to #%d, and %.3f s from #%d to #%d: wanted a ratio of %g to %g,"
    .. " got %s"
  local missed = outside(a, low * b, high * b) or b <= 0 and math.huge
  return judge(missed, message:format(a, first[1].index, first[2].index, b, second[1].index,
    second[2].index, low, high, b > 0 and ("%.3f"):format(a / b) or "none, to no time"), options)
end

--- The time between each two of the segments is twice that between the two before, give or take
-- `tolerance` (0.25) of it: how retransmissions back off (RFC 6298 5.5).
function expect.doubling(list, tolerance, options)
  tolerance = check.span("tolerance", tolerance, 0.25)
  check_segments("doubling", list, 3, "three segments or more have two times between them")
  for i = 3, #list do
    local before = list[i - 1].time - list[i - 2].time
    local now = list[i].time - list[i - 1].time
    local missed = outside(now, before * 2 * (1 - tolerance), before * 2 * (1 + tolerance))
      or before <= 0 and math.huge -- twice nothing is no back-off
    if missed then
      local message = "%.3f s between segments #%d and #%d, and %.3f s after that: wanted twice the"
        .. " time, give or take %g %%"
      return judge(missed, message:format(before, list[i - 2].index, list[i - 1].index,
        now, tolerance * 100), options)
    end
  end
  return true
end

return expect
