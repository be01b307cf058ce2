--- tcplua.test: the words of a test file, and what to check with.
--
--     local test = require "tcplua.test"
--     describe("a greeting", function()
--       it("ends its line", { tags = "quick", timeout = 5 }, function()
--         test.equal(("hello\n"):sub(-1), "\n", "last byte")
--       end)
--     end)
--
-- `tcplua test FILE` runs it. In a test file `sut` (tcplua.sut) and `expect` (tcplua.expect) are
-- globals, and so are these words, which are fields here:
--
--     describe(name, [options,] f)       a group; it("name", …) inside; groups nest
--     it(name, [options,] f)             a test: it passes when f returns
--     before_each(f), after_each(f)      around each test of the group and of those in it
--     setup(f), teardown(f)              once, before and after the tests of the group
--     finally(f)                         inside a test: when it is over, however; last first
--     pending(name)                      a test that is not written yet
--     skip(reason), xfail(reason)        inside a test: not here; known to fail
--     it.each { row, … } (name, f)       a test for each row, with %s in the name for its values,
--     describe.each { … } (name, f)      or $key: it.each { { a = 1 } } ("$a is odd", f)
--     matrix { family = { "ip", "ip6" }, mode = { … } }   rows: all combinations
--
-- Options: tags (a list, or "a,b"; "#word" in a name is a tag too), timeout (seconds; in a
-- simulation of its virtual time, where --timeout bounds the real time alone), skip and xfail (the
-- reason), retries (how often to try again; said when it was needed), matrix (as above: f gets the
-- row). Groups hand theirs down. A file without `it` is one test: it passes when it ends
-- without an error, or by os.exit(0); os.exit(77) skips it.
--
-- After each test that passed nothing may be left open: connections, listeners, wires, links, tasks
-- and processes that it began and that are not closed or garbage make it fail. What is opened
-- in setup stays. test.network is "sim" (no interfaces, virtual time), "lab" (a private network,
-- whose kernel is 192.0.2.2 and 2001:db8::2) or "host".
local check = require "tcplua.check"
local core = require "tcplua.core"
local task = require "tcplua.task"
local tree = require "tcplua.test.tree"
local verdict = require "tcplua.verdict"

local test = {}

--- A group of tests.
test.describe = tree.describe

--- A test.
test.it = tree.it

--- Runs `f` before each test of the group.
test.before_each = tree.before_each

--- Runs `f` after each test of the group, also one that failed.
test.after_each = tree.after_each

--- Runs `f` once before the first test of the group.
test.setup = tree.setup

--- Runs `f` once after the last test of the group.
test.teardown = tree.teardown

--- Rows of all combinations of lists.
test.matrix = tree.matrix

-- What ends a test as skipped.
local Skip = { __name = "tcplua.skip" }

function Skip:__tostring() return "skip: " .. self.reason end

--- The reason, if `err` is what skip raises.
function test.skipped(err)
  return getmetatable(err) == Skip and err.reason or nil
end

--- Ends the running test as skipped; in a file without `it`, the file.
function test.skip(reason)
  error(setmetatable({ reason = tostring(reason or "no reason given") }, Skip), 0)
end

--- A test that is not written yet.
function test.pending(name)
  if tree.open() then tree.pending(name) else test.skip(name) end
end

--- Says that the running test is known to fail: if it does, that is no failure; if not, it is one.
function test.xfail(reason)
  if not tree.running then check.fail "xfail: no test runs" end
  tree.running.xfail = tostring(reason or "no reason given")
end

--- Runs `f` when the running test is over, however it ends.
function test.finally(f)
  if type(f) ~= "function" then check.fail("finally: a function expected, got " .. type(f)) end
  if not tree.running then check.fail "finally: no test runs" end
  table.insert(tree.running.cleanup, f)
end

-- --- checks --------------------------------------------------------------------------------------

local show = verdict.show

local LINE <const> = 70 -- what is longer gets a line of its own

-- Raises a failure: "what: wanted …, got …", in one line or three.
local function unmet(what, wanted, got, wish)
  local short = #wanted + #got <= LINE
  local message = ("%s: wanted %s%s, got %s"):format(what, wish or "", wanted, got)
  local text = short and message
    or ("%s:\n  wanted %s%s\n  got    %s"):format(what, wish or "", wanted, got)
  error(verdict.failure { message = message, text = text, wanted = wanted, got = got }, 0)
end

-- The texts behind what they have in common, once that is too long to be looked through.
local function unmet_text(what, wanted, got)
  local at = 1
  while wanted:byte(at) == got:byte(at) do at = at + 1 end
  local function rest(text)
    return at > #text and "the end" or verdict.quote(text:sub(at), LINE)
  end
  unmet(("%s, after %d bytes that are as wanted"):format(what, at - 1), rest(wanted), rest(got))
end

--- Fails unless `got == wanted`; `what` names the thing.
function test.equal(got, ...)
  if select("#", ...) == 0 then check.fail "equal: what is there and what is wanted expected" end
  local wanted, what = ...
  if got == wanted then return end
  what = what or "value"
  if type(got) == "string" and type(wanted) == "string" and #got + #wanted > 4 * LINE then
    unmet_text(what, wanted, got)
  end
  unmet(what, show(wanted), show(got))
end

local function step(key)
  return type(key) == "string" and "." .. key or "[" .. tostring(key) .. "]"
end

-- Where two values differ, as ".a.b[3]"; nil if they do not.
local function difference(a, b, path)
  if a == b then return nil end
  if type(a) ~= "table" or type(b) ~= "table" or #path > 1000 then return path end
  for key in pairs(a) do
    local at = difference(a[key], b[key], path .. step(key))
    if at then return at end
  end
  for key in pairs(b) do
    if a[key] == nil then return path .. step(key) end
  end
end

--- Fails unless the two are equal, or tables whose fields are, and so on down.
function test.same(got, wanted, what)
  local at = difference(got, wanted, "")
  if at then
    what = what or "value"
    unmet(at == "" and what or ("%s (at %s)"):format(what, core.escape(at)), show(wanted),
      show(got))
  end
end

-- The text of a value that has one, as an error object; nil is no "nil".
local function text_of(value)
  local meta = getmetatable(value)
  local has = type(value) == "string" or type(value) == "number"
    or type(meta) == "table" and meta.__tostring
  return has and tostring(value) or nil
end

local function check_part(name, part)
  if type(part) ~= "string" then
    check.fail(("%s: a string expected, got %s"):format(name, type(part)))
  end
end

--- Fails unless the text has `part` in it, as it stands.
function test.contains(text, part, what)
  check_part("contains", part)
  local whole = text_of(text)
  if not whole or not whole:find(part, 1, true) then
    unmet(what or "text", show(part), show(whole or text), "one with ")
  end
end

--- Fails unless the text matches the Lua pattern; returns what its captures hold.
function test.matches(text, pattern, what)
  check_part("matches", pattern)
  local whole = text_of(text)
  local found = table.pack((whole or ""):match(pattern))
  if not whole or found[1] == nil then
    unmet(what or "text", show(pattern), show(whole or text), "one that matches ")
  end
  return table.unpack(found, 1, found.n)
end

--- Fails unless low <= got <= high.
function test.within(got, low, high, what)
  if type(got) ~= "number" or not (got >= low and got <= high) then
    unmet(what or "value", ("%s to %s"):format(low, high), show(got))
  end
end

--- Fails if `value` is nil or false; returns it.
function test.truthy(value, what)
  if not value then unmet(what or "value", "something", show(value)) end
  return value
end

--- Fails unless `value` is nil or false.
function test.falsy(value, what)
  if value then unmet(what or "value", "nil or false", show(value)) end
end

--- Fails unless f(...) raises; with `part`, an error whose text has it. Returns the error. A skip
-- is none.
function test.raises(f, part, ...)
  local meta = getmetatable(f)
  if type(f) ~= "function" and not (type(meta) == "table" and meta.__call) then
    check.fail("raises: a function expected, got " .. type(f))
  end
  if part ~= nil then check_part("raises", part) end
  local ok, err = pcall(f, ...)
  if not ok and test.skipped(err) then error(err, 0) end
  if ok then unmet("call", part and "an error with " .. show(part) or "an error", "none") end
  if part and not tostring(err):find(part, 1, true) then
    unmet("error", show(part), show(tostring(err)), "one with ")
  end
  return err
end

--- Waits until f() is true, at most `timeout` seconds (1); returns that. It is asked every 10 ms;
-- a second result says why not.
function test.eventually(f, timeout, what)
  timeout = check.seconds("timeout", timeout, 1)
  local deadline = core.now() + timeout
  while true do
    local value, why = f()
    if value then return value end
    if core.now() >= deadline then
      unmet(what or "condition", ("it to hold within %g s"):format(timeout),
        why and core.escape(tostring(why)) or show(value))
    end
    task.sleep(0.01)
  end
end

--- Fails.
function test.fail(message)
  error(verdict.failure { message = tostring(message) }, 0)
end

return test
