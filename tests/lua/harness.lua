--- harness: named tests that print TAP 13. A file of tests is a script:
--
--     local t = require "harness"
--     t.test("A1 a SYN-ACK that acknowledges nothing is reset", function() … end)
--     t.done()
--
-- Each test begins with an empty network. Without arguments it is a simulated one, on a virtual
-- clock; with "veth" as first argument (under --lab) it is the lab's wire and real time.
-- Further arguments are Lua patterns: only tests whose names match one of them run.
local core = require "tcplua.core"
local task = require "tcplua.task"

-- full: tests that come in two sizes take the whole one (TCPLUA_FULL=1).
local t = { veth = arg[1] == "veth", full = os.getenv("TCPLUA_FULL") == "1" }

local patterns = table.move(arg, t.veth and 2 or 1, #arg, 1, {})
local count, failures, skipped = 0, 0, 0

if not t.veth then core.simulate() end
print("TAP version 13")

local function chosen(name)
  for _, pattern in ipairs(patterns) do
    if name:find(pattern) then return true end
  end
  return #patterns == 0
end

local function describe(err)
  return type(err) == "string" and err or tostring(err)
end

--- Empties the network, in the middle of a test that has many exchanges.
function t.fresh()
  core.reset()
  task.reset()
  collectgarbage()
end

--- Runs `f` as one test. It fails when `f` raises.
function t.test(name, f)
  if not chosen(name) then return end
  count = count + 1
  core.seed(count)
  local ok, err = xpcall(f, function(e)
    return type(e) == "table" and e.skip and e or debug.traceback(describe(e), 2)
  end)
  t.fresh()
  if not ok and type(err) == "table" then
    skipped = skipped + 1
    print(("ok %d - %s # SKIP %s"):format(count, name, err.skip))
  elseif ok then
    print(("ok %d - %s"):format(count, name))
  else
    failures = failures + 1
    print(("not ok %d - %s"):format(count, name))
    for line in err:gmatch("[^\n]+") do print("# " .. line) end
  end
  io.stdout:flush()
end

--- Ends the running test as skipped.
function t.skip(reason)
  error({ skip = reason }, 0)
end

--- Ends the running test as skipped unless the network is simulated.
function t.sim_only(reason)
  if t.veth then t.skip(reason or "in simulation only") end
end

--- Resident memory of this process in KiB. Under a sanitizer, which keeps what is freed and shows
-- by the size of its shadow, it is always 0: nothing can be said.
function t.rss()
  collectgarbage()
  collectgarbage()
  local status = assert(io.open("/proc/self/status"))
  local text = status:read("a")
  status:close()
  if tonumber(text:match("VmSize:%s*(%d+)")) > 1 << 30 then return 0 end
  return tonumber(text:match("VmRSS:%s*(%d+)"))
end

--- Prints the plan and ends the program: status 0 if no test failed, 77 if all were skipped.
function t.done()
  print(("1..%d"):format(count))
  if count == 0 then
    io.stderr:write("no test was selected\n")
    os.exit(5)
  end
  os.exit(failures > 0 and 1 or skipped == count and 77 or 0)
end

local function show(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return tostring(value)
end

--- Raises unless `got` is `wanted`; `what` names the thing.
function t.equal(got, wanted, what)
  if got ~= wanted then
    error(("%s: wanted %s, got %s"):format(what or "value", show(wanted), show(got)), 2)
  end
end

--- Raises unless `text` contains `part` (plain).
function t.contains(text, part, what)
  if not tostring(text):find(part, 1, true) then
    error(("%s: wanted %s in %s"):format(what or "text", show(part), show(tostring(text))), 2)
  end
end

--- Raises unless low <= got <= high.
function t.within(got, low, high, what)
  if got < low or got > high then
    error(("%s: wanted %s to %s, got %s"):format(what or "value", low, high, show(got)), 2)
  end
end

return t
