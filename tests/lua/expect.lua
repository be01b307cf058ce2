-- Expectations: what is found, what is left, and what a failure says.
local core = require "tcplua.core"
local expect = require "tcplua.expect"
local hash = require "tcplua.hash"
local net = require "tcplua.net"
local puppet = require "tcplua.tcp.puppet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"
local verdict = require "tcplua.verdict"

local HERE, THERE = "192.0.2.1", "192.0.2.2"

-- Two ends in hand: the one that expects is in assist, the one that plays the peer in manual.
local function ends()
  local near, far = net.pair { delay = 0.01 }
  assert(net.attach(near, HERE))
  assert(net.attach(far, THERE))
  local o = { addr = THERE, port = 7, mode = "manual", timestamps = false }
  local listener = assert(tcp.listen(o))
  local peer
  local accepted = task.spawn(function()
    peer = assert(listener:accept())
    peer:inject()
  end)
  local conn = assert(tcp.connect { src = HERE, dst = THERE, port = 7, mode = "assist" })
  accepted:join()
  return conn, peer
end

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  t.equal(ok, false, "the expectation")
  if not verdict.is(err) then error(err, 0) end
  return err
end

local function after(seconds, f)
  task.spawn(function()
    task.sleep(seconds)
    f()
  end)
end

-- Before the tests that collect, as the runner does.
t.test("in a plain script nothing is kept of a connection that is over", function()
  local function used()
    for _ = 1, 20 do
      local conn = ends()
      conn:none({ data = "never" }, 0.1)
      conn:abort()
      core.reset()
      task.reset()
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  used()
  local before = used()
  t.equal(used() - before < 20, true, "a KiB for each connection and more stays behind")
end)

t.test("expect takes the first that matches and leaves the others; next takes the next", function()
  local conn, peer = ends()
  for i = 1, 3 do peer:inject { data = "line " .. i .. "\n" } end
  t.equal(conn:expect({ data = "line 2\n" }).seq, 8)
  t.equal(conn:next({ data = "line 1\n" }).seq, 1)
  t.equal(#expect.leftovers(conn), 1)
  t.contains(expect.leftovers(conn)[1], "seq 15:22")
  conn:next "P. 15:22(7) ack 1"
  t.equal(#expect.leftovers(conn), 0)
end)

t.test("next fails on another one, which stays", function()
  local conn, peer = ends()
  peer:inject { data = "one" }
  local f = failure(conn.next, conn, { data = "two" })
  t.contains(tostring(f), "the next segment is not")
  t.contains(tostring(f), 'wanted "two"')
  t.contains(tostring(f), 'got "one"')
  conn:next { data = "one" }
end)

t.test("what comes later is waited for, and what never comes is said", function()
  local conn, peer = ends()
  after(1, function() peer:inject { data = "late" } end)
  t.equal(conn:expect({ data = "late" }).len, 4)
  local begun = core.now()
  local f = failure(conn.expect, conn, { flags = "F." }, { timeout = 3 })
  t.within(core.now() - begun, 2.99, 3.01)
  t.contains(f.message, "no segment 'F.' came within 3 s")
  t.equal(f.verdict, "fail")
  t.contains(f.file, "expect.lua")
end)

t.test("none: nothing that waits, and nothing that comes", function()
  local conn, peer = ends()
  t.equal(conn:none({ len = "> 0" }, 0.5), true)
  peer:inject { flags = "." }
  t.equal(conn:none({ len = "> 0" }, 0.5), true)
  after(0.2, function() peer:inject { data = "x" } end)
  t.contains(failure(conn.none, conn, { len = "> 0" }, 0.5).message, "wanted none")
  peer:inject { data = "y" }
  task.sleep(0.1)
  failure(conn.none, conn, { data = "y" }, 0)
end)

t.test("any_order and sequence", function()
  local conn, peer = ends()
  peer:inject { data = "b" }
  peer:inject { data = "a" }
  local found = conn:any_order { { data = "a" }, { data = "b" } }
  t.equal(found[1].seq, 2)
  t.equal(found[2].seq, 1)
  for _, data in ipairs { "1", "-", "2" } do peer:inject { data = data } end
  t.equal(#conn:sequence { { data = "1" }, { data = "2" } }, 2)
  local f = failure(conn.any_order, conn, { { data = "-" }, { data = "?" } })
  t.contains(f.message, "number 2 of 2")
  peer:inject { data = "x" }
  peer:inject { data = "y" }
  f = failure(conn.sequence, conn, { { data = "y" }, { data = "x" } })
  t.contains(f.message, "came before")
end)

-- Each value of a template, with a segment that is like it and one that is not.
t.test("a connection that is over ends the waiting at once, and how is said", function()
  local waits = {
    expect = function(c) c:expect { flags = "F." } end,
    next = function(c) c:next { flags = "F." } end,
    any_order = function(c) c:any_order { { flags = "F." } } end,
    sequence = function(c) c:sequence { { flags = "F." } } end,
  }
  for name, wait in pairs(waits) do
    t.fresh()
    local conn = ends()
    local begun = core.now()
    after(0.5, function() conn:abort() end)
    local at = debug.getinfo(1, "Sl")
    local text = tostring(failure(wait, conn))
    t.within(core.now() - begun, 0.49, 0.51, name)
    t.contains(text, ("the script has closed the connection at %s:%d"):format(at.short_src,
      at.currentline - 1))
    t.contains(text, "192.0.2.1.", "the flow")
    t.equal(text:find("within 2 s", 1, true), nil, name)
  end
  for name, wait in pairs(waits) do
    if name ~= "next" then
      t.fresh()
      local conn, peer = ends()
      local begun = core.now()
      after(0.5, function() peer:inject { flags = "R." } end)
      t.contains(failure(wait, conn).message, "connection reset by 192.0.2.2:7", name)
      t.within(core.now() - begun, 0.49, 0.53, name)
    end
  end
end)

t.test("none: a reset is waited out, and what the script has closed is not known", function()
  local conn, peer = ends()
  local begun = core.now()
  after(0.2, function() peer:inject { flags = "R." } end)
  t.equal(conn:none({ flags = "F." }, 1), true)
  t.within(core.now() - begun, 0.99, 1.01)
  t.fresh()
  conn = ends()
  after(0.2, function() conn:abort() end)
  local f = failure(conn.none, conn, { flags = "F." }, 1)
  t.contains(f.message, "is not to be known: the script has closed")
end)

t.test("none: what was not kept may have been the one, and is counted", function()
  local conn, peer = ends()
  conn:none({}, 0.1)
  puppet.of(conn).bytes = 64 << 20 -- as many as are kept
  for _ = 1, 3 do peer:inject { data = "boo" } end
  local f = failure(conn.none, conn, { data = "boo" }, 0.5)
  t.contains(f.message, "is not to be known: one that was not kept")
  t.equal(f.verdict, "inconclusive")
  t.equal(select(2, conn:segments()), #peer:segments() - #conn:segments())
end)

t.test("what has come before the end is found behind it, and an answer to what is sent there",
  function()
    local conn, peer = ends()
    conn:none({}, 0.1)
    peer:inject { data = "x" }
    peer:inject { flags = "R." }
    task.sleep(0.1)
    t.equal(conn:state(), "CLOSED")
    conn:expect { data = "x" }
    conn:expect { flags = "R." }
    conn:mode "manual"
    conn:inject { flags = "." }
    after(0.5, function() peer:inject { flags = "R" } end)
    conn:expect { flags = "R" }
  end)

t.test("a read in another task ends as well when the connection is closed", function()
  local conn = ends()
  local reading = task.spawn(function() return conn:read_line() end)
  task.sleep(0.5)
  conn:abort()
  local line, err = reading:join(0.1)
  t.equal(line, nil)
  t.equal(err.code, "ECANCELED")
end)

t.test("any_order: each has its own times, softness and timeout", function()
  local conn, peer = ends()
  local asked = conn:inject { data = "?" }
  after(0.5, function() peer:inject { data = "x" } end)
  after(3, function() peer:inject { data = "y" } end)
  local x, y = { data = "x", within = 0.6 }, { data = "y", after = 3, since = asked }
  local found = conn:any_order { y, x }
  t.equal(found[1].data, "y")
  t.equal(found[2].data, "x")
  conn:inject { data = "?" }
  after(0.5, function() peer:inject { data = "x" } end)
  local f = failure(conn.any_order, conn, { { data = "x", within = 1e-7 } })
  t.contains(f.message, "wanted within 0.000 s of the last event")
  verdict.collect()
  verdict.take()
  peer:inject { data = "x" }
  x, y = { data = "x", within = 1e-7, since = asked, soft = true }, { data = "y", timeout = 0.1 }
  local begun = core.now()
  f = failure(conn.any_order, conn, { x, y }, { timeout = 0.2 })
  t.within(core.now() - begun, 0.19, 0.21)
  t.contains(f.message, "no segment 'data \"y\"'")
  t.contains(verdict.take()[1].message, "wanted within")
  peer:inject { data = "x" }
  t.equal(conn:any_order { x }, nil)
  t.equal(#verdict.take(), 1)
end)

t.test("sequence: what comes between is left, though a later one is like it", function()
  local conn, peer = ends()
  local function say(flags, data) peer:inject { flags = flags, data = data } end
  for _, data in ipairs { "", "x", "", "yy" } do say(data == "" and "." or "P.", data) end
  local found = conn:sequence { { data = "x" }, { flags = "." }, { data = "yy" } }
  t.equal(found[2].index > found[1].index and found[3].index > found[2].index, true)
  t.equal(#expect.leftovers(conn), 1)
end)

t.test("any_order: a segment that fits two is given where all find theirs", function()
  local conn, peer = ends()
  for _, data in ipairs { "x", "yy", "zzz" } do peer:inject { data = data } end
  local found = conn:any_order { { len = "> 0" }, { len = "< 3" }, { data = "x" } }
  t.equal(found[1].data, "zzz")
  t.equal(found[2].data, "yy")
  t.equal(found[3].data, "x")
  t.equal(found[3].wanted, 'data "x"')
  for _, data in ipairs { "1", "2" } do peer:inject { data = data } end
  found = conn:any_order { { len = 1 }, { len = 1 } }
  t.equal(found[1].data, "1", "of equals the first is the first")
end)

t.test("values: literals, comparisons, sets, predicates, presence, patterns, hashes", function()
  local conn, peer = ends()
  local s = peer:inject { data = "hello", win = 100, options = { mss = 1000, wscale = 7 }, ttl = 9 }
  local rows = {
    { { flags = ".P" }, { flags = "." } },
    { { seq = 1, ack = 1, len = 5 }, { seq = 2 } },
    { { win = ">= 100" }, { win = "> 100" } },
    { { win = "~= 99" }, { win = "< 100" } },
    { { win = expect.range(50, 100) }, { win = expect.range(101, 200) } },
    { { win = expect.one_of { 1, ">= 100" } }, { win = expect.one_of { 1, 2 } } },
    { { win = function(v) return v % 2 == 0 end }, { win = function(v) return v % 2 == 1 end } },
    { { data = expect.pattern "^he" }, { data = expect.pattern "^lo" } },
    { { data = expect.sha256(hash.sha256("hello"):hex()) },
      { data = expect.sha256(("0"):rep(64)) } },
    { { urg = expect.absent, ack = expect.any }, { urg = expect.any } },
    { { ttl = 9, sport = 7 }, { ttl = 64 } },
    { { options = { mss = 1000 } }, { options = { mss = 1001 } } },
    { { options = { mss = expect.any, sackOK = expect.absent } }, { options = { sackOK = true } } },
    { { options = expect.only { mss = 1000, wscale = "< 8" } },
      { options = expect.only { mss = 1000 } } },
    { { options = expect.in_order { "mss", "nop", "wscale" } },
      { options = expect.in_order { "wscale", "nop", "mss" } } },
  }
  task.sleep(0.1)
  for i, row in ipairs(rows) do
    t.equal(expect.template(row[1]):matches(s), true, "row " .. i)
    t.equal(expect.template(row[2]):matches(s), false, "row " .. i .. ", the other")
    t.equal(#expect.template(row[2]):differences(s), 1, "row " .. i .. ", differences")
  end
  conn:close()
end)

t.test("values: each of a list may be a condition", function()
  local conn, peer = ends()
  local s = peer:inject { options = { ts = { 5, 6 } } }
  t.equal(expect.template({ options = { ts = { expect.any, 6 } } }):matches(s), true)
  t.equal(expect.template({ options = { ts = { expect.range(5, 6), 6 } } }):matches(s), true)
  t.equal(expect.template({ options = { ts = { expect.any, 7 } } }):matches(s), false)
  t.equal(expect.template({ options = { ts = { expect.absent, 6 } } }):matches(s), false)
  task.sleep(0.1)
  conn:close()
end)

t.test("notation: what matches and what does not", function()
  local _, peer = ends()
  local options = { { "mss", 1000 }, "nop", { "wscale", 7 } }
  local s = peer:inject { data = "hello", win = 100, options = options }
  for _, like in ipairs { "P.", "P. 1:6(5)", "P. seq 1:6 ack 1", "> P. 1:6(5) ack 1 win 100",
    "P. <mss 1000,wscale 7>", "P. <wscale 7,nop,mss *>", "P. <...>", "P. <mss 1000,...>",
    'P. "hello"', "P. *:*(5)", "P. 1:6(5) ack ... win *", "* P. 1:6(5)", ".P length 5",
    'P. "h\\x65llo"', 'P., seq 1:6, ack 1, data "hello"', "Flags [P.], seq 1, ack 1",
    "Flags [P.], seq 1:6, ack 1, win 100, options [mss 1000,nop,wscale 7], length 5" } do
    t.equal(expect.template(like):matches(s), true, like)
  end
  for _, unlike in ipairs { "P", "S.", "P. 1:5(4)", "P. seq 2", "P. ack 2", "P. win 99",
    "P. <mss 1000>", "P. <mss 999,wscale 7>", "P. <sackOK,...>", 'P. "hellO"', "- 1:6(5)" } do
    t.equal(expect.template(unlike):matches(s), false, unlike)
  end
  for _, wrong in ipairs { "", "Z", "P. <", "P. <foo>", "P. 1:", "P. ack", "P. 1:6(4)", "< P.",
    'P. "x', "P. bogus", "+0.1~ P.", "P. <mss 1000 wscale 7>", ("P. "):rep(3), "P.,", "P.,,ack 1",
    "P. options [mss 1>", "Flags [P.", "Flags [x]", "P. 1:6 length 4" } do
    t.contains(select(2, pcall(expect.template, wrong)), "character", wrong)
  end
end)

t.test("SACK blocks are relative", function()
  local conn, peer = ends()
  conn:inject { seq = 101, data = "hole before" }
  task.sleep(0.1)
  peer:mode "assist"
  conn:inject { seq = 201, data = "two holes" }
  local s = conn:expect ". 1:1(0) ack 1 <sack {201:210} {101:112},...>"
  t.contains(tostring(s), "sack 2 {201:210}{101:112}")
end)

t.test("what can never be so, or says two things at once, is a mistake", function()
  local conn = ends()
  for what, message in pairs {
    [{ seq = expect.pattern "1" }] = "seq: 'text like \"1\"' is for a text",
    [{ data = expect.range(1, 9) }] = "data: '1 to 9' is for a number",
    [{ flags = "P.P" }] = "flags: 'P' stands in it twice",
    ["PP. 1:6(5)"] = "flags: 'P' stands in it twice",
    [{ len = -1 }] = "len: a number from 0 on expected",
    [{ seq = 5000000000 }] = "seq: a number of 32 bits expected",
    ["P. win 100 win 200"] = "'win' stands here twice",
    ["P. 1:6(5) 7:9(2)"] = "'seq' stands here twice",
    [{ data = "x", at = 0.3, within = 0.05 }] = "at: 0.3 s, and within beside it",
    [{ data = "x", tolerance = 0.05 }] = "tolerance: there is no `at`",
  } do
    local ok, err = pcall(conn.expect, conn, what)
    t.equal(ok, false, message)
    t.contains(tostring(err), message)
  end
  t.contains(select(2, pcall(expect.one_of, {})), "the list is empty")
  t.contains(select(2, pcall(expect.in_order, { "nop", "tss" })), "there is no option 'tss'")
  t.contains(select(2, pcall(expect.pattern, "h[")), "is no Lua pattern")
  t.contains(select(2, pcall(conn.any_order, conn, {})), "the list is empty")
  t.contains(select(2, pcall(conn.sequence, conn, {})), "the list is empty")
end)

t.test("times: within, after, at, since, by the capture's clock", function()
  local conn, peer = ends()
  local function answer(seconds)
    local asked = conn:inject { data = "?" }
    after(seconds, function() peer:inject { data = "!" } end)
    return asked
  end
  answer(0.5)
  local first = conn:expect { data = "!", within = 0.6, after = 0.5 }
  answer(0.5)
  conn:expect({ data = "!" }, { at = 0.52 })
  answer(0.5)
  conn:expect({ data = "!" }, { since = first, after = 1 })
  local asked = answer(0.5)
  task.sleep(0.1)
  conn:inject { data = "!" }
  conn:expect({ data = "!" }, { since = asked, after = 0.5, within = 0.6 })
  answer(0.5)
  conn:expect '+0.5~+0.55 P. "!"'
  answer(0.5)
  local f = failure(conn.expect, conn, { data = "!", within = 0.4 })
  t.contains(f.message, "came after 0.510 s, wanted within 0.400 s of the last event")
  t.equal(f.verdict, "fail")
  answer(0.5)
  f = failure(conn.expect, conn, { data = "!", at = 1, tolerance = 0.1 })
  t.contains(f.message, "1.000 s after the last event, give or take 0.100")
  answer(0.5)
  f = failure(conn.expect, conn, { data = "!", after = 1 })
  t.contains(f.message, "1.000 s after the last event or later")
  answer(0.5)
  f = failure(conn.expect, conn, { data = "!", after = 9, since = first })
  t.contains(f.message, ("9.000 s after #%d or later"):format(first.index))
  asked = answer(0.5)
  f = failure(conn.expect, conn, { data = "!", after = 9, since = asked })
  t.contains(f.message, ("9.000 s after #%d or later"):format(#conn:segments() - 2))
  conn:on_send(function() return false end)
  asked = conn:inject { data = "?" }
  conn:on_send(nil)
  answer(0.5)
  f = failure(conn.expect, conn, { data = "!", after = 9, since = asked })
  t.contains(f.message, "9.000 s after the segment of since or later")
  answer(0)
  task.sleep(0.1) -- the answer is in before the event
  conn:inject { data = "!" }
  f = failure(conn.expect, conn, { data = "!", after = 1 })
  t.contains(f.message, "came before the event, wanted 1.000 s after the last event or later")
  t.contains(f.text, ("the event was #%d at"):format(#conn:segments()))
end)

t.test("the nearest has data where some was wanted, and the exchange is shown around it", function()
  local conn, peer = ends()
  conn:inject { data = "?" }
  peer:inject { data = "hellO" }
  for _ = 1, 30 do peer:inject {} end
  local text = failure(conn.expect, conn, { data = "hello" }).text
  local index = tonumber(text:match 'nearest is #(%d+), %S+ s, P%. seq 1:6')
  t.contains(text, ("\n    #%d "):format(index))
  t.contains(text, " more\n")
end)

t.test("doubling and ratio", function()
  local conn, peer = ends()
  local list = {}
  for i = 0, 3 do
    peer:inject { data = "r", seq = 1 }
    list[#list + 1] = conn:expect { data = "r" }
    task.sleep(0.2 * 2 ^ i)
  end
  t.equal(expect.doubling(list), true)
  t.equal(expect.ratio({ list[2], list[3] }, { list[1], list[2] }, 1.8, 2.2), true)
  local f = failure(expect.ratio, { list[2], list[3] }, { list[1], list[2] }, 3, 4)
  t.contains(f.message, "ratio")
  t.contains(failure(expect.doubling, { list[1], list[2], list[4] }).message, "wanted twice")
end)

t.test("doubling and ratio: segments of one instant have no time between them", function()
  local conn, peer = ends()
  for _ = 1, 3 do peer:inject { data = "r", seq = 1 } end
  local list = {}
  for i = 1, 3 do list[i] = conn:expect { data = "r" } end
  t.equal(list[3].time, list[1].time)
  local f = failure(expect.doubling, list)
  t.contains(f.message, "wanted twice")
  t.equal(f.verdict, "fail")
  f = failure(expect.ratio, { list[2], list[3] }, { list[1], list[2] }, 1, 3)
  t.contains(f.message, "got none, to no time")
  t.equal(f.verdict, "fail")
end)

t.test("ignored kinds and templates are not in the way, and not left over", function()
  local conn, peer = ends()
  peer:inject { data = "a" }
  peer:inject { data = "a", seq = 1 }
  peer:inject { flags = "." }
  peer:inject { flags = ".", win = 7 }
  peer:inject { data = "b" }
  conn:expect { data = "a" }
  conn:ignore("retransmission", { win = 7 })
  local f = failure(conn.next, conn, { data = "b" })
  t.contains(tostring(f), ". seq 2 ack 1")
  conn:ignore "pure_ack"
  conn:next { data = "b" }
  t.equal(#expect.leftovers(conn), 0)
  conn:ignore()
  peer:inject { flags = "." }
  task.sleep(0.1)
  t.equal(#expect.leftovers(conn), 1)
  t.contains(select(2, pcall(conn.ignore, conn, "noise")), "no kind of segment")
end)

t.test("one that is left over does not make each expectation dearer than the one before", function()
  local conn, peer = ends()
  conn:none({}, 0.1)
  peer:inject { flags = "." }
  local function instructions(exchanges)
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 100)
    for _ = 1, exchanges do
      peer:inject { data = "x" }
      conn:expect { data = "x" }
    end
    debug.sethook()
    return count
  end
  local early = instructions(100)
  instructions(400)
  t.within(instructions(100), 0, early * 1.2)
  t.equal(#expect.leftovers(conn), 1)
end)

t.test("soft failures are recorded and the script goes on", function()
  local conn, peer = ends()
  verdict.collect()
  verdict.take()
  peer:inject { data = "x" }
  t.equal(conn:expect({ data = "y", soft = true, timeout = 0.1 }), nil)
  t.equal(conn:none({ data = "x", soft = true }, 0.1), nil)
  local list = verdict.take()
  t.equal(#list, 2)
  t.contains(tostring(list[1]), "nearest is")
end)

t.test("a soft next goes on behind the segment that was another", function()
  local conn, peer = ends()
  verdict.collect()
  verdict.take()
  for _, data in ipairs { "a", "b", "c" } do peer:inject { data = data } end
  t.equal(conn:next({ data = "z" }, { soft = true }), nil)
  t.equal(conn:next({ data = "b" }, { soft = true }).data, "b")
  t.equal(conn:next({ data = "c", soft = true }).data, "c")
  local list = verdict.take()
  t.equal(#list, 1)
  t.contains(tostring(list[1]), 'got "a"')
  t.contains(tostring(list[1]), "another was expected at ")
end)

t.test("the handshake that the engine made is not left over; one by hand is expected", function()
  local conn = ends()
  conn:none({}, 0.1)
  t.equal(#expect.leftovers(conn), 0)
  t.fresh()
  local near, far = net.pair {}
  assert(net.attach(near, HERE))
  assert(net.attach(far, THERE))
  assert(tcp.listen { addr = THERE, port = 7 })
  conn = assert(tcp.connect { src = HERE, dst = THERE, port = 7, mode = "manual" })
  conn:inject "S 0:0(0) win 1000 <mss 1000>"
  conn:expect "S. 0:0(0) ack 1 <mss 1460>"
end)

t.test("a failure has at most forty lines, however long the exchange", function()
  local conn, peer = ends()
  for i = 1, 200 do peer:inject { data = ("%03d"):format(i) } end
  task.sleep(0.1)
  local wanted = { flags = "F.", seq = 9, ack = 9, len = 9, win = 9, data = ("z"):rep(1000),
    options = { mss = 1, wscale = 1, ts = expect.any, sackOK = true, [253] = "x" } }
  local text = tostring(failure(conn.expect, conn, wanted, { timeout = 0.1 }))
  local count = select(2, text:gsub("\n", "")) + 1
  t.within(count, 20, 40, "lines")
  for line in text:gmatch "[^\n]+" do t.within(#line, 1, 150, "length of a line") end
  t.contains(text, "before")
  t.contains(text, "connection ESTABLISHED in assist")
end)

t.test("long data is told where it begins to differ, and times by the segments", function()
  local conn, peer = ends()
  peer:inject { data = ("a"):rep(300) .. "b" .. ("c"):rep(300) }
  local text = tostring(failure(conn.expect, conn, { data = ("a"):rep(300) .. "d" },
    { timeout = 0.1 }))
  t.contains(text, 'wanted at byte 301 "d"')
  t.contains(text, 'got "bccc')
  text = tostring(failure(conn.expect, conn, { data = ("a"):rep(300) }, { timeout = 0.1 }))
  t.contains(text, "wanted at byte 301 its end")
  conn:expect { len = 601 }
  conn:inject { data = "?" }
  after(0.5, function() peer:inject { data = "!" } end)
  text = tostring(failure(conn.expect, conn, { data = "!", within = 0.2 }))
  t.contains(text, "it is #7, and the event was #6 at 0.2")
  after(0.1, function() peer:inject { flags = "R." } end)
  text = tostring(failure(conn.none, conn, { flags = "R." }, 1))
  t.contains(text, "not wanted at ")
  t.contains(expect.template({ win = function() end }).text,
    "the function at " .. debug.getinfo(1, "S").short_src)
  t.equal(expect.template({ seq = 5, absolute = true }).text, "absolute seq 5")
end)

t.test("what the peer has sent is escaped in a failure", function()
  local conn, peer = ends()
  peer:inject { data = "\27[31mred\0\r\n" }
  local text = tostring(failure(conn.expect, conn, { data = "x" }, { timeout = 0.1 }))
  t.equal(text:find("[\27\0\r]"), nil)
  t.contains(text, "\\x1b[31mred")
end)

t.test("mistakes in templates raise at the script's line", function()
  local conn = ends()
  for _, wrong in ipairs { { nonsense = 1 }, 7, { [1] = 2 } } do
    local err = select(2, pcall(conn.expect, conn, wrong))
    t.equal(verdict.is(err), false)
    t.contains(err, "template:")
  end
  for _, case in ipairs {
    { "flags: 'Q'", conn.expect, conn, { flags = "Q" } }, { "range:", expect.range, 5, 1 },
    { "range:", expect.range }, { "range:", expect.range, "a", "b" },
    { "sha256: 64", expect.sha256, "zz" }, { "sha256: 64", expect.sha256 },
    { "pattern:", expect.pattern, "[" }, { "pattern:", expect.pattern },
    { "any_order: a list", conn.any_order, conn }, { "sequence: a list", conn.sequence, conn, 5 },
    { "one_of: a list", expect.one_of }, { "in_order: a list", expect.in_order, 5 },
    { "only: a table", expect.only, 5 },
    { "ack: a number, a comparison", conn.expect, conn, { ack = "> x" } },
    { "ack: a number, a comparison", conn.expect, conn, { ack = ">" } },
    { "ack: a number, a comparison", conn.expect, conn, { ack = {} } },
    { "got true", conn.expect, conn, { ack = true } },
    { "ttl: a number", conn.expect, conn, { ttl = "64" } },
    { "ack: a number", conn.expect, conn, { ack = expect.one_of { 1, "x" } } },
    { "data: a string", conn.none, conn, { data = 5 } },
    { "flags: a string", conn.next, conn, { flags = 5 } },
    { "retransmission: true or false", conn.next, conn, { retransmission = 1 } },
    { "options: a table", conn.next, conn, { options = "mss 5" } },
    { "there is no option 'msss'", conn.next, conn, { options = { msss = 5 } } },
    { "option mss: a number", conn.next, conn, { options = { mss = "5" } } },
    { "within: a number of seconds, 0 or more, expected, got -1", conn.expect, conn,
      { within = -1 } },
    { "timeout: a number of seconds", conn.expect, conn, { timeout = 1 / 0 } },
    { "timeout: a number of seconds", conn.expect, conn, {}, { timeout = 0 / 0 } },
    { "tolerance: a number", conn.expect, conn, { at = 1, tolerance = -1 } },
    { "seconds: a number", conn.none, conn, {}, -1 },
    { "within: 1 s are over before after, 2 s", conn.expect, conn, { within = 1, after = 2 } },
    { "since: a segment", conn.expect, conn, { since = 5 } },
    { "none: 'at' is for what should come", conn.none, conn, { at = 9, tolerance = 1 } },
    { "none: 'after' is for what should come", conn.none, conn, "+0.5~+0.6 P." },
    { "none: 'timeout' is for what should come", conn.none, conn, { timeout = 5 } },
    { "unknown option 'absolute'", conn.expect, conn, {}, { absolute = true } },
    { "doubling: segments that came expected, and number 1 is a number", expect.doubling,
      { 1, 2, 3 } },
    { "doubling: a list", expect.doubling, 5 }, { "ratio: first: a list", expect.ratio },
    { "ratio: second: two segments", expect.ratio, conn:segments(), {} },
    { "ratio: two numbers", expect.ratio, conn:segments(), conn:segments() },
    { "prefix: a string", expect.save, conn }, { "a connection", expect.save, 5, "x" },
    { "a connection", expect.leftovers, 5 }, { "a connection", expect.attend },
  } do
    local text = select(2, pcall(table.unpack(case, 2, 5)))
    t.contains(text, case[1])
    t.contains(text, "expect.lua:") -- this file's line, not one of ours
    t.equal(text:find("tcplua/", 1, true), nil)
  end
  t.contains(select(2, pcall(conn.expect, conn, {}, { withn = 1 })), "unknown option 'withn'")
  t.contains(select(2, pcall(conn.expect, conn, { within = "soon" })), "number of seconds")
end)

t.done()
