--- opening: rows A1 to A22 of the table of hostile peers: what may come instead of a SYN-ACK, with
-- it, or right behind it. Numbers are relative: a SYN is 0.
local net = require "tcplua.net"
local p = require "tcplua.packet"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "what the server has to say\n"

-- The exchange from an unanswered SYN on.
local function answer_syn(s)
  s:send { flags = "S.", seq = 0, ack = 1 }
  s:expect { flags = ".", seq = 1, ack = 1 }
  s:finish(LINE)
  s:succeeded()
end

for row, ack in ipairs { 0, 2 } do
  -- SM-1
  t.test(("A%d a SYN-ACK that acknowledges ISS+%d is reset, and the right one still counts")
    :format(row, ack), function()
    local s = peer.new()
    s:expect { flags = "S", seq = 0 }
    s:send { flags = "S.", seq = 0, ack = ack }
    s:expect { flags = "R", seq = ack }
    s:none()
    answer_syn(s)
  end)
end

-- SM-2
t.test("A3 a SYN-ACK with RST is a refusal", function()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "SR.", seq = 0, ack = 1 }
  s:failed("ECONNREFUSED")
  s:none()
end)

-- SM-2
t.test("A4 a RST that acknowledges the SYN is a refusal, at once", function()
  local s = peer.new()
  local syn = s:expect { flags = "S" }
  s:send { flags = "R.", seq = 0, ack = 1, win = 0 }
  local before = task.now()
  local err = s:failed("ECONNREFUSED", ("connection refused by %s:9000"):format(s.src))
  t.equal(err.kind, "network", "kind")
  t.within(task.now() - before, 0, t.veth and 0.5 or 0, "seconds until it was said")
  s:none(t.veth and 0.2 or 60)
  t.equal(syn.packet.tcp.win, 65535)
end)

-- SM-2
t.test("A5 a RST that acknowledges nothing is dropped, and the SYN comes again", function()
  t.sim_only()
  local s = peer.new()
  local first = s:expect { flags = "S" }
  s:send { flags = "R", seq = 0 }
  s:send { flags = "R", seq = 1 }
  s:send { flags = "R.", seq = 0, ack = 0 }
  s:send { flags = "R.", seq = 0, ack = 2 }
  s:send { flags = "R.", seq = 0, ack = 0x80000000 }
  local second = s:expect { flags = "S", seq = 0 }
  t.within(second.time - first.time, 0.999, 1.001, "seconds to the second SYN")
  answer_syn(s)
end)

t.test("A6 the SYN-ACK again, after ESTABLISHED and amid data: ACKed, nothing lost or done twice",
  function()
    t.sim_only()
    local s = peer.new()
    local answer = peer.answer(LINE)
    s:handshake()
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 1 }
    s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 5) }
    s:expect { flags = ".", seq = 1, ack = 6 }
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 6 }
    s:send { flags = "P.", seq = 6, ack = 1, data = LINE:sub(6) }
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:expect { flags = "P.", seq = 1, ack = 1 + #LINE, data = answer }
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1 + #answer, ack = 1 + #LINE }
    s:close(1 + #LINE, 1 + #answer)
    s:succeeded()
    s:none(60)
  end)

t.test("A7 a second SYN-ACK with another ISN draws a challenge ACK and changes nothing", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, isn in ipairs { 5000, -70000, 0x80000000 } do
    s:send { flags = "S.", seq = isn, ack = 1, win = 1 }
    s:expect { flags = ".", seq = 1, ack = 1 }
  end
  s:finish(LINE)
  s:succeeded()
end)

-- SM-3
t.test("A8 data, FIN or a bare ACK before the SYN-ACK are dropped", function()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "P.", seq = 1, ack = 1, data = "no\n" }
  s:send { flags = "P", seq = 1, data = "no\n" }
  s:send { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "F", seq = 1 }
  s:send { flags = ".", seq = 1, ack = 1 }
  s:send { flags = "", seq = 1 }
  s:none()
  answer_syn(s)
end)

-- SM-4
t.test("A9 the whole line inside the SYN-ACK, once and then again, is read once", function()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "S.", seq = 0, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:expect { flags = "P.", seq = 1, ack = 1 + #LINE, data = peer.answer(LINE) }
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE } -- a peer that expects less does so
  s:expect { flags = ".", seq = 66, ack = 1 + #LINE }
  s:close(1 + #LINE, 66)
  s:succeeded()
end)

-- SM-4
t.test("A9 line and FIN inside the SYN-ACK", function()
  t.sim_only()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "SF.", seq = 0, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = 2 + #LINE }
  s:expect { flags = "P.", seq = 1, ack = 2 + #LINE, data = peer.answer(LINE) }
  s:expect { flags = "F.", seq = 66, ack = 2 + #LINE }
  s:send { flags = ".", seq = 2 + #LINE, ack = 67 }
  s:succeeded()
end)

t.test("A10 data right behind the SYN-ACK, before our ACK is seen", function()
  t.sim_only()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "S.", seq = 0, ack = 1 }
  s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 7) }
  s:send { flags = "P.", seq = 8, ack = 1, data = LINE:sub(8) }
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:serve_close(LINE)
  s:succeeded()
end)

-- MUST-22
t.test("A11 a SYN-ACK lost 1 to 5 times: SYNs after 1, 2, 4, 8, 16 s, and success", function()
  t.sim_only("takes 31 s")
  for lost = 1, 5 do
    local s = peer.new {
      run = peer.dial({ timeout = 200 }, peer.job), -- scripts/sha_client.lua waits 60 s
    }
    local last = s:expect { flags = "S", seq = 0 }
    for i = 1, lost do
      local again = s:expect { flags = "S", seq = 0 }
      t.within(again.time - last.time, 2 ^ (i - 1) - 1e-3, 2 ^ (i - 1) + 1e-3,
        ("seconds to SYN %d"):format(i + 1))
      last = again
    end
    answer_syn(s)
    t.fresh()
  end
end)

-- MUST-10
t.test("A12 simultaneous open, ended by an ACK", function()
  t.sim_only()
  local s = peer.new()
  s:expect { flags = "S" }
  s:send { flags = "S", seq = 0 }
  s:expect({ flags = "S.", seq = 0, ack = 1 }, 0.1) -- not by the timer
  s:send { flags = ".", seq = 1, ack = 1 }
  s:finish(LINE)
  s:succeeded()
end)

-- MUST-10
t.test("A12 simultaneous open, ended by a SYN-ACK (RFC 9293 figure 7), SYNs lost on the way",
  function()
    t.sim_only()
    local s = peer.new()
    s:expect { flags = "S" }
    s:send { flags = "S", seq = 0 }
    s:expect({ flags = "S.", seq = 0, ack = 1 }, 0.1)
    s:send { flags = "S", seq = 0 } -- ours has not reached it
    s:expect({ flags = "S.", seq = 0, ack = 1 }, 0.1)
    s:expect { flags = "S.", seq = 0, ack = 1 } -- by the timer
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 1 }
    s:finish(LINE)
    s:succeeded()
  end)

-- SM-18
t.test("A13 half-open: the server's ACK of an old connection is reset, a new SYN works", function()
  local s = peer.new()
  local first = s:expect { flags = "S" }
  s:send { flags = ".", seq = 777, ack = 123456 }
  s:expect { flags = "R", seq = 123456 }
  local second = s:expect({ flags = "S", seq = 0 }, 0.9) -- not only when a second has passed
  t.within(second.time - first.time, 0, 0.5, "seconds to the next SYN")
  answer_syn(s)
end)

t.test("A14 TIME-WAIT that our RST ends", function()
  t.sim_only()
  local s = peer.new()
  for _ = 1, 2 do
    s:expect { flags = "S", seq = 0 }
    s:send { flags = ".", seq = 4000, ack = 0x7000 }
    s:expect { flags = "R", seq = 0x7000 }
  end
  s:expect { flags = "S", seq = 0 }
  answer_syn(s)
end)

-- TIME-WAIT by RFC 1337: no RST ends it before its time.
local function time_wait(s, seconds)
  local start = task.now()
  local syns = 0
  while true do
    local segment = s:recv()
    if not segment then return syns end
    if segment.flags == "S" then
      syns = syns + 1
      if task.now() - start >= seconds then return syns end
      s:send { flags = ".", seq = 4000, ack = 0x7000 }
    else
      t.equal(segment.flags, "R")
      t.equal(segment.seq, 0x7000)
    end
  end
end

t.test("A14 TIME-WAIT that lasts 20 s: tried again until it works", function()
  t.sim_only("takes 31 s")
  local s = peer.new()
  time_wait(s, 20)
  answer_syn(s)
end)

t.test("A14 TIME-WAIT that lasts longer than the connect limit: an end, and no storm", function()
  t.sim_only("takes 60 s")
  local s = peer.new()
  local start = task.now()
  t.within(time_wait(s, 1000), 6, 8, "SYNs")
  s:failed("ETIMEDOUT")
  t.within(task.now() - start, 60, 130, "seconds")
end)

-- A peer on an Ethernet, whose answers come from a MAC address that it does not say is its own.
local function asymmetric(far)
  local mine, other, client = "02:00:00:00:00:02", "02:00:00:00:00:99", nil
  local ethernet = {}
  function ethernet.recv(_, timeout)
    local deadline = task.now() + timeout
    while true do
      local frame, time = far:recv(deadline - task.now())
      if not frame then return nil, time end
      if frame.tcp then
        t.equal(frame.eth.dst, mine, "destination MAC address")
        return p.parse(frame.eth.payload), time
      end
      client = frame.arp.sha
      far:send(p.eth { src = mine, dst = client } / p.arp {
        op = 2, sha = mine, spa = frame.arp.tpa, tha = client, tpa = frame.arp.spa,
      })
    end
  end
  function ethernet.send(_, packet)
    return far:send(p.eth { src = other, dst = client } / packet)
  end
  return ethernet
end

t.test("A15 a SYN-ACK from another MAC address is taken; the trace does not note it", function()
  t.sim_only()
  local s = peer.new { pair = { medium = "eth" }, wire = asymmetric }
  s:expect { flags = "S", seq = 0 }
  answer_syn(s)
end)

-- SM-16
t.test("A16 a SYN-ACK from another port or address is ignored: no RST, no connection", function()
  t.sim_only("needs the bare link")
  local s = peer.new { wire = function(far) return far end }
  s:expect { flags = "S" }
  s:send { flags = "S.", seq = 0, ack = 1, tcp = { sport = 9001 } }
  s:send { flags = "S.", seq = 0, ack = 1, ip = { src = "192.0.2.67" } }
  s:send { flags = "S.", seq = 0, ack = 1, tcp = { dport = s.port - 1 } }
  s:send { flags = "S.", seq = 0, ack = 1, ip = { dst = "192.0.2.3" } }
  s:none()
  answer_syn(s)
end)

-- MUST-22
t.test("A17 no answer: the connect limit of 60 s, SYNs by the schedule", function()
  t.sim_only("takes 60 s")
  local s = peer.new()
  local start = task.now()
  for _, at in ipairs { 0, 1, 3, 7, 15, 31 } do
    s:expect { flags = "S", seq = 0 }
    t.within(task.now() - start, at - 1e-3, at + 1e-3, "time of a SYN")
  end
  local err = s:failed("ETIMEDOUT", ("no answer from %s:9000 within 60 s"):format(s.src))
  t.equal(err.kind, "network", "kind")
  t.equal(task.now() - start, 60, "seconds")
  s:none(300)
end)

-- MUST-23
t.test("A17 no answer and no limit: the engine gives up after 180 s (R2)", function()
  t.sim_only("takes 180 s")
  local s = peer.new { run = peer.dial({ timeout = 1000 }, peer.job) }
  local start = task.now()
  for _, at in ipairs { 0, 1, 3, 7, 15, 31, 63, 127 } do
    s:expect({ flags = "S", seq = 0 }, 100)
    t.within(task.now() - start, at - 1e-3, at + 1e-3, "time of a SYN")
  end
  s:failed("ETIMEDOUT")
  t.within(task.now() - start, 180, 180.001, "seconds")
end)

-- SM-1
t.test("A18 forged SYN-ACKs with random acks: few RSTs, no memory, and the real one wins",
  function()
    t.sim_only()
    local forged, burst = t.full and 100000 or 20000, 1000
    local s = peer.new()
    s:expect { flags = "S" }
    local packet = s:segment { flags = "S.", seq = 0, ack = 0 }
    local layer = packet.tcp
    local rss, resets, start = t.rss(), 0, task.now()
    for i = 1, forged do
      local ack = math.random(2, 0xffffffff)
      layer.seq, layer.ack = math.random(0, 0xffffffff), (s.irs + ack) & 0xffffffff
      assert(s.wire:send(packet))
      if i % burst == 0 then
        while true do -- until nothing has come for 0.1 s
          local segment = s:recv(0.1)
          if not segment then break end
          if segment.flags ~= "S" then
            t.equal(segment.flags, "R")
            resets = resets + 1
          end
        end
      end
    end
    t.within(resets, 1, 10 * (task.now() - start + 1), "RSTs, 10 a second")
    t.within(t.rss() - rss, -1e9, 4096, "KiB more")
    answer_syn(s)
  end)

t.test("A19 a SYN-ACK with window 0: open, and the answer waits for the window", function()
  t.sim_only()
  local s = peer.new()
  local answer = peer.answer(LINE)
  s:handshake { win = 0 }
  s:send { flags = "P.", seq = 1, ack = 1, win = 0, data = LINE }
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE, len = 0 }
  local times = {}
  for i = 1, 5 do
    times[i] = s:expect { flags = ".", seq = 1, ack = 1 + #LINE, data = answer:sub(1, 1) }.time
    s:send { flags = ".", seq = 1 + #LINE, ack = 1, win = 0 }
  end
  for i = 3, 5 do
    t.within((times[i] - times[i - 1]) / (times[i - 1] - times[i - 2]), 1.99, 2.01, "backoff")
  end
  s:send { flags = ".", seq = 1 + #LINE, ack = 1 }
  s:expect { flags = "P.", seq = 1, ack = 1 + #LINE, data = answer }
  s:close(1 + #LINE, 1 + #answer)
  s:succeeded()
end)

-- MUST-14, MUST-15
t.test("A20 MSS in the SYN-ACK: 0 and none mean 536, small ones 64, large ones the link's",
  function()
    t.sim_only()
    local cases = { { nil, 536 }, { 0, 536 }, { 1, 64 }, { 47, 64 }, { 64, 64 }, { 536, 536 },
      { 1460, 1460 }, { 65535, 1460 } }
    for i = 1, #cases do
      local mss, size = cases[i][1], cases[i][2]
      local s = peer.new { run = peer.dial({}, function(conn)
        conn:send(("x"):rep(3000))
        assert(conn:passive_close())
      end) }
      local syn = s:handshake { options = mss and { mss = mss } }
      t.equal(syn.options.mss, 1460, "the MSS that we announce")
      local got = 0
      while got < 3000 do
        local segment = s:expect { ack = 1, seq = 1 + got }
        t.equal(#segment.data, math.min(size, 3000 - got), ("length with MSS %s"):format(mss))
        got = got + #segment.data
        s:send { flags = ".", seq = 1, ack = 1 + got }
      end
      s:close(1, 1 + got)
      s:succeeded()
      t.fresh()
    end
  end)

-- SHLD-8, RFC 3168
t.test("A21 reserved bits, AE, CWR and ECE in the SYN-ACK are ignored", function()
  t.sim_only()
  for _, flags in ipairs { "S.E", "S.W", "S.EW", "S.e", "S.EWe" } do
    local s = peer.new()
    s:handshake { flags = flags, tcp = { reserved = 7 } }
    s:finish(LINE)
    s:succeeded()
    t.fresh()
  end
end)

-- MUST-6, RFC 7413
t.test("A22 a Fast Open cookie that nobody asked for is ignored, and so are unknown options",
  function()
    t.sim_only()
    local s = peer.new()
    s:handshake {
      options = { { "mss", 1000 }, { "tfo", "12345678" }, { 253, "??" }, "sackOK", { "wscale", 9 },
        { "ts", { 1, 0 } } },
    }
    s:finish(LINE)
    s:succeeded()
  end)

-- RFC 6056
t.test("A: a source port of the dynamic range, another one for each connection", function()
  t.sim_only()
  local near, far = net.pair()
  assert(net.attach(near, "192.0.2.1"))
  local seen, count = {}, 0
  for _ = 1, 200 do
    task.spawn(function()
      tcp.connect { src = "192.0.2.1", dst = "192.0.2.66", port = 9000, timeout = 0.5 }
    end)
  end
  while count < 200 do
    local syn = assert(far:recv(1))
    t.equal(seen[syn.tcp.sport], nil, "port " .. syn.tcp.sport)
    t.within(syn.tcp.sport, 32768, 60999, "source port")
    seen[syn.tcp.sport] = true
    count = count + 1
  end
end)

t.done()
