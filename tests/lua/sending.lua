--- What the client sends under ACKs and windows of every kind: rows C1 to C15.
--
-- Times are those of the engine in a simulation without delay: the handshake takes no time, so the
-- first retransmission timeout is the smallest, 0.2 s, and every following one twice as long.
local core = require "tcplua.core"
local net = require "tcplua.net"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "a line to be hashed\n"
local ANSWER = peer.answer(LINE)
local NEXT = 1 + #LINE

-- A peer whose client sends `data` and lets the server close, after the handshake; conn() is the
-- client's connection. Options: mss and win (of the peer's SYN), timeout (of the client's close).
local function uploading(data, o)
  o = o or {}
  local conn
  local s = peer.new {
    run = function(src, dst, port)
      local held <close> = assert(tcp.connect { src = src, dst = dst, port = port, gso = false })
      conn = held
      assert(held:send(data))
      assert(held:passive_close(o.timeout or 3000))
    end,
  }
  s:handshake { win = o.win, options = { mss = o.mss or 1000 } }
  return s, function() return conn end
end

-- Takes in `data` from relative number `from` on, whatever the segments, and acknowledges each.
local function download(s, data, from, o)
  o = o or {}
  local at = from or 1
  local stop = 1 + #data
  while at < stop do
    local segment = s:recv()
    if not segment then error(("the data stopped at %d of %d"):format(at - 1, #data), 2) end
    if #segment.data > 0 then
      t.equal(segment.data, data:sub(segment.seq, segment.seq + #segment.data - 1),
        ("bytes from %d"):format(segment.seq))
      if segment.seq <= at then at = math.max(at, segment.seq + #segment.data) end
      s:send { flags = ".", seq = o.seq or 1, ack = at, win = o.win }
    end
  end
end

-- The line has come and the answer is in flight, not acknowledged. Returns its segment.
local function answered(o)
  local s = peer.new(o)
  s:handshake(o and o.synack)
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE, win = o and o.win }
  s:expect { flags = ".", seq = 1, ack = NEXT }
  return s, s:expect { flags = "P.", seq = 1, ack = NEXT, data = ANSWER }
end

local function close(s) s:close(NEXT, 1 + #ANSWER) end

-- A long text in which every place is different.
local function text(length)
  local parts = {}
  for i = 1, length // 8 + 1 do parts[i] = ("%07d\n"):format(i) end
  return table.concat(parts):sub(1, length)
end

-- SM-9, MAY-12
t.test("C1 an ACK of what was not sent is answered, and its segment dropped", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, beyond in ipairs { 2, 1000, 0x7fffffff } do
    s:send { flags = ".", seq = 1, ack = beyond }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  end
  s:send { flags = "P.", seq = 1, ack = 1000, data = LINE }
  s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  s:finish(LINE)
  s:succeeded()
end)

-- SM-9, MAY-12
t.test("C2 an ACK older than UNA - MAX.WND draws a challenge ACK, and its segment is dropped",
  function()
    t.sim_only()
    local s = peer.new()
    s:handshake { win = 1000 }
    s:send { flags = ".", seq = 1, ack = 1 - 1000, win = 1000 } -- old, but could have been sent
    s:none()
    s:send { flags = "P.", seq = 1, ack = 1 - 1001, win = 1000, data = LINE }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
    s:finish(LINE)
    s:succeeded()
  end)

-- MUST-20
t.test("C3 an answer that is never acknowledged is sent again with doubled waits, up to R2",
  function()
    t.sim_only()
    local s, first = answered()
    local before, gap = first.time, 0.2
    for _ = 1, 9 do
      local again = s:expect { flags = "P.", seq = 1, ack = NEXT, data = ANSWER }
      t.within(again.time - before, gap - 0.001, gap + 0.001, "the wait for the next try")
      before, gap = again.time, 2 * gap
    end
    s:none(1000)
    t.equal(s:failed("ETIMEDOUT", "192.0.2.66:9000").kind, "network", "kind")
  end)

-- MUST-20, SHLD-9, SHLD-10, MUST-22
t.test("C3 at R1, three retransmissions without an answer, whoever waits is woken and told",
  function()
    t.sim_only()
    local told = {}
    local s = peer.new {
      run = function(src, dst, port)
        local conn = core.connect { src = src, dst = dst, port = port }
        local begin = task.now()
        for _ = 1, 2 do
          while not conn:stalled() do assert(task.wait(conn, math.huge, "R1")) end
          told[#told + 1] = task.now() - begin
          t.equal(conn:info().stalled, true, "info().stalled")
          while conn:stalled() do assert(task.wait(conn, math.huge, "an answer")) end
          begin = task.now()
          conn:raw_write "x"
        end
        conn:abort()
      end,
    }
    for _ = 1, 4 do s:expect { flags = "S" } end -- at 0, 1, 3 and 7 s
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 1 }
    for _ = 1, 4 do s:expect { flags = "P.", seq = 1, data = "x" } end
    s:send { flags = ".", seq = 1, ack = 2 }
    s:succeeded()
    t.within(told[1], 6.99, 7.01, "seconds until R1 of the SYN")
    t.within(told[2], 20.9, 21.1, "and of data, whose timeout begins with 3 s after a lost SYN")
  end)

-- MUST-20
t.test("C3 R2 is 180 s after the peer's last sign of life, not after the last try", function()
  t.sim_only()
  local began, ended
  local s = peer.new {
    run = function(src, dst, port)
      local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port, gso = false })
      began = task.now()
      assert(conn:send("never acknowledged"))
      local ok, err = conn:passive_close()
      ended = task.now()
      return assert(ok, err)
    end,
  }
  s:handshake()
  s:failed("ETIMEDOUT")
  t.within(ended - began, 179.9, 180.1, "seconds")
end)

t.test("C3 ACKs that acknowledge nothing do not put off the retransmission (scripting.md 2b 5)",
  function()
    t.sim_only()
    local s, first = answered()
    local again
    for i = 1, 10 do -- each with another window, so that they are no duplicates
      s:send { flags = ".", seq = NEXT, ack = 1, win = 60000 + i }
      again = s:recv(0.05)
      if again then break end
    end
    assert(again, "no retransmission came")
    t.equal(again.data, ANSWER, "data")
    t.within(again.time - first.time, 0.199, 0.201, "the wait")
    close(s)
    s:succeeded()
  end)

-- MUST-18
t.test("C3 the ACK of what was sent twice measures no round trip (Karn)", function()
  t.sim_only()
  local s, conn = uploading(text(2000), { mss = 1000 })
  s:expect { seq = 1, len = 1000 }
  s:expect { seq = 1001, len = 1000 }
  s:expect { seq = 1, len = 1000 } -- 0.2 s later
  s:send { flags = ".", seq = 1, ack = 2001 }
  s:none(0.01)
  t.equal(conn():info().srtt, 0, "SRTT, known from the handshake")
  s:close(1, 2001)
  s:succeeded()
end)

t.test("C4 an ACK that covers half the answer: the rest is sent again, and only that", function()
  local s = answered()
  s:send { flags = ".", seq = NEXT, ack = 33 }
  s:expect { flags = "P.", seq = 33, ack = NEXT, data = ANSWER:sub(33) }
  s:send { flags = ".", seq = NEXT, ack = 1 + #ANSWER }
  s:none()
  close(s)
  s:succeeded()
end)

-- MUST-36
t.test("C5 a window closed before the answer is probed, and the answer comes once it opens",
  function()
    local s = peer.new()
    s:handshake()
    s:send { flags = "P.", seq = 1, ack = 1, data = LINE, win = 0 }
    local ack = s:expect { flags = ".", seq = 1, ack = NEXT, len = 0 }
    local before = ack.time
    for i = 0, 2 do -- one octet, refused each time
      local probe = s:expect { flags = ".", seq = 1, ack = NEXT, data = ANSWER:sub(1, 1) }
      local wait = 0.2 * 2 ^ i
      t.within(probe.time - before, wait - 0.01, wait + (t.veth and 1 or 0.01), "the wait")
      before = probe.time
      s:send { flags = ".", seq = NEXT, ack = 1, win = 0 }
    end
    s:send { flags = ".", seq = NEXT, ack = 1, win = 65535 }
    s:expect { flags = "P.", seq = 1, ack = NEXT, data = ANSWER }
    close(s)
    s:succeeded()
  end)

t.test("C5 a probe's octet that was taken is not sent again", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE, win = 0 }
  s:expect { flags = ".", seq = 1, ack = NEXT, len = 0 }
  s:expect { seq = 1, data = ANSWER:sub(1, 1) }
  s:send { flags = ".", seq = NEXT, ack = 2, win = 0 }
  s:expect { seq = 2, data = ANSWER:sub(2, 2) }
  s:send { flags = ".", seq = NEXT, ack = 3, win = 65535 }
  s:expect { flags = "P.", seq = 3, ack = NEXT, data = ANSWER:sub(3) }
  close(s)
  s:succeeded()
end)

-- MUST-37
t.test("C5 a window may stay closed for an hour as long as probes are answered", function()
  t.sim_only()
  local s = uploading(LINE, { win = 0, timeout = 20000 })
  local deadline = task.now() + 3600
  while task.now() < deadline do
    local probe = s:recv(130) or error("the probes stopped")
    t.equal(#probe.data, 1, "octets in a probe")
    s:send { flags = ".", seq = 1, ack = 1, win = 0 }
  end
  s:send { flags = ".", seq = 1, ack = 1, win = 65535 }
  s:find { flags = "P.", seq = 1, data = LINE }
  s:close(1, NEXT)
  s:succeeded()
end)

-- MUST-20
t.test("C5 a closed window and no answer to any probe: timed out after R2", function()
  t.sim_only()
  local s = uploading(LINE, { win = 0 })
  local began, probes = task.now(), 0
  while not s.client.done do
    if s:recv(0.05) then probes = probes + 1 end
  end
  t.within(task.now() - began, 179.9, 180.1, "seconds since the window closed")
  t.within(probes, 5, 15, "probes")
  s:failed("ETIMEDOUT")
end)

t.test("C6 a window of one octet at a time: the answer arrives whole", function()
  t.sim_only()
  for _, largest in ipairs { 1, 2, 65535 } do
    local s = peer.new()
    s:handshake { win = largest }
    s:send { flags = "P.", seq = 1, ack = 1, data = LINE, win = 1 }
    local at = 1
    while at <= #ANSWER do
      local segment = s:recv()
      if #segment.data > 0 then
        t.equal(segment.seq, at, "seq")
        t.equal(segment.data, ANSWER:sub(at, at), "the octet")
        at = at + 1
        s:send { flags = ".", seq = NEXT, ack = at, win = at <= #ANSWER and 1 or 65535 }
      end
    end
    close(s)
    s:succeeded()
    t.fresh()
  end
end)

-- MUST-38
t.test("C6 with a large window before, small ones are waited with (SWS avoidance)", function()
  t.sim_only()
  local data = text(4000)
  local s = uploading(data, { mss = 1000, win = 1000 })
  s:expect { seq = 1, len = 1000 }
  s:send { flags = ".", seq = 1, ack = 1001, win = 10 } -- a hundredth of what it was
  s:none(0.15)
  s:expect { seq = 1001, len = 10 } -- then time decides
  s:send { flags = ".", seq = 1, ack = 1011, win = 500 } -- half of the largest is worth sending
  s:expect({ seq = 1011, len = 500 }, 0.01)
  s:send { flags = ".", seq = 1, ack = 1511, win = 65535 }
  download(s, data, 1511)
  s:close(1, 4001)
  s:succeeded()
end)

-- MUST-34
t.test("C7 a window that shrinks below what is in flight", function()
  t.sim_only()
  for _, win in ipairs { 3000, 1500, 1, 0 } do
    local data = text(9000)
    local s = uploading(data, { win = 4000 })
    for i = 0, 3 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
    s:send { flags = ".", seq = 1, ack = 1, win = win }
    local pause = s:recv(0.1)
    if pause then t.equal(#pause.data, 0, "bytes sent into a window that shrank") end
    s:send { flags = ".", seq = 1, ack = 2001, win = win }
    task.sleep(2)
    s:send { flags = ".", seq = 1, ack = 4001, win = 4000 }
    download(s, data, 4001, { win = 4000 })
    s:close(1, 9001)
    s:succeeded()
    t.fresh()
  end
end)

-- RFC 5681 3.2
t.test("C8 three duplicate ACKs: one fast retransmission of what is missing", function()
  local s, conn = uploading(text(5000))
  for i = 0, 4 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
  for _ = 1, 2 do s:send { flags = ".", seq = 1, ack = 1 } end
  s:none(0.02)
  s:send { flags = ".", seq = 1, ack = 1 }
  s:expect { seq = 1, len = 1000 }
  t.equal(conn():info().cwnd, 3500, "cwnd: seven tenths, not a timeout's one segment")
  s:send { flags = ".", seq = 1, ack = 1 } -- a fourth
  s:none(0.02)
  t.equal(conn():info().retransmits, 1, "retransmissions")
  s:send { flags = ".", seq = 1, ack = 5001 }
  s:close(1, 5001)
  s:succeeded()
end)

-- RFC 6582
t.test("C8 a partial ACK in fast recovery: the next hole is sent at once (NewReno)", function()
  t.sim_only()
  local s = uploading(text(5000))
  for i = 0, 4 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
  for _ = 1, 3 do s:send { flags = ".", seq = 1, ack = 1 } end
  s:expect({ seq = 1, len = 1000 }, 0.01)
  s:send { flags = ".", seq = 1, ack = 2001 } -- the third is missing too
  s:expect({ seq = 2001, len = 1000 }, 0.01)
  s:send { flags = ".", seq = 1, ack = 5001 }
  s:none()
  s:close(1, 5001)
  s:succeeded()
end)

-- RFC 5681 2
t.test("C9 ACKs with data or with another window are no duplicates", function()
  t.sim_only()
  local s, conn = uploading(text(5000))
  local last
  for i = 0, 4 do last = s:expect { seq = 1 + 1000 * i, len = 1000 } end
  for i = 1, 6 do s:send { flags = ".", seq = 1, ack = 1, win = 65535 - i } end
  for i = 1, 6 do
    s:send { flags = "P.", seq = i, ack = 1, data = "x", win = 65529 }
    s:expect { flags = ".", len = 0, ack = i + 1 }
  end
  t.equal(conn():info().retransmits, 0, "retransmissions so far")
  local again = s:expect { seq = 1, len = 1000 }
  t.within(again.time - last.time, 0.199, 0.201, "only the timeout sends it again")
  s:send { flags = ".", seq = 7, ack = 5001 }
  s:close(7, 5001)
  s:succeeded()
end)

t.test("C10 ACKs of what was never sent do not open the congestion window", function()
  t.sim_only()
  local s, conn = uploading(text(100000))
  local before = conn():info().cwnd
  for i = 1, 2000 do
    s:send { flags = ".", seq = 1, ack = 20000 + i }
  end
  local last = 0
  while true do
    local segment = s:recv(0.1)
    if not segment then break end
    last = math.max(last, segment.seq + #segment.data - 1)
  end
  t.equal(conn():info().snd_una, (conn():info().iss + 1) & 0xffffffff, "SND.UNA")
  t.within(conn():info().cwnd, 1, before, "cwnd")
  t.within(last, before, before, "bytes sent")
end)

t.test("C10 an ACK cut into many opens the congestion window no further than one", function()
  t.sim_only()
  local s, conn = uploading(text(100000))
  local before = conn():info().cwnd
  for i = 1, 10 do s:expect { seq = 1 + 1000 * (i - 1), len = 1000 } end
  for i = 1, 1000 do s:send { flags = ".", seq = 1, ack = 1 + i } end
  s:recv(0.1)
  t.within(conn():info().cwnd, before, before + 1000, "cwnd")
end)

t.test("C11 SACK blocks, which we do not ask for, are passed over: senseless ones too", function()
  t.sim_only()
  local data = text(5000)
  for _, blocks in ipairs {
    { { 2001, 1001 } },                             -- inverted
    { { 900001, 901001 } },                         -- never sent
    { { 1001, 3001 }, { 2001, 4001 }, { 1001, 2001 } }, -- overlapping
    { { 1, 5001 }, { 0, 0xffffffff } },
    { { 1001, 1001 } },
  } do
    local s = uploading(data)
    for i = 0, 4 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
    local sack = {}
    for i, block in ipairs(blocks) do
      sack[i] = { (s.irs + block[1]) & 0xffffffff, (s.irs + block[2]) & 0xffffffff }
    end
    for _ = 1, 3 do s:send { flags = ".", seq = 1, ack = 1, options = { sack = sack } } end
    s:expect { seq = 1, len = 1000 } -- as three duplicates do without SACK
    s:send { flags = ".", seq = 1, ack = 1001, options = { sack = sack } }
    download(s, data, 1001)
    s:close(1, 5001)
    s:succeeded()
    t.fresh()
  end
end)

t.test("C11 a SACK option cut short or with a length that is no length of one", function()
  t.sim_only()
  local data = text(3000)
  local s = uploading(data)
  for i = 0, 2 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
  for _, bytes in ipairs {
    "\5\2\1\1", "\5\7\0\0\0\0\0\1", "\5\10\0\0", "\5\255\1\1", "\5\0\1\1",
  } do
    s:send { flags = ".", seq = 1, ack = 1, options = bytes }
  end
  s:expect { seq = 1, len = 1000 }
  s:send { flags = ".", seq = 1, ack = 3001 }
  s:close(1, 3001)
  s:succeeded()
end)

t.test("C12 SACKed, then never acknowledged: all of it is sent again on timeout", function()
  t.sim_only()
  local data = text(5000)
  local s = uploading(data)
  for i = 0, 4 do s:expect { seq = 1 + 1000 * i, len = 1000 } end
  local all = { { (s.irs + 1001) & 0xffffffff, (s.irs + 5001) & 0xffffffff } }
  s:send { flags = ".", seq = 1, ack = 1, options = { sack = all } }
  download(s, data) -- the peer has thrown away what it reported
  s:close(1, 5001)
  s:succeeded()
end)

t.test("C13 time stamps that were never agreed on do not count: echoes of any value", function()
  t.sim_only()
  local data = text(20000)
  local s, conn = uploading(data)
  local at, echo = 1, { 0, 1, 0x7fffffff, 0xffffffff, 12345 }
  while at <= #data do
    local segment = s:recv()
    if #segment.data > 0 then
      t.equal(segment.options.ts, nil, "our time stamp")
      at = segment.seq + #segment.data
      s:send {
        flags = ".", seq = 1, ack = at,
        options = { "nop", "nop", { "ts", { 77, echo[at % #echo + 1] } } },
      }
    end
  end
  s:recv(0.01)
  t.within(conn():info().srtt, 0, 0.001, "SRTT")
  t.within(conn():info().rto, 0.2, 0.201, "RTO")
  s:close(1, #data + 1)
  s:succeeded()
end)

t.test("C13 SACK permitted, window scale and time stamps in a SYN-ACK unasked are passed over",
  function()
    t.sim_only()
    local s = peer.new {
      run = peer.dial({ sack = false, timestamps = false, wscale = false }, peer.job),
    }
    local syn = s:handshake {
      win = 500, options = { mss = 1460, sackOK = true, ts = { 1, 99 }, wscale = 7 },
    }
    t.equal(syn.options.sackOK, nil, "SACK permitted in our SYN")
    t.equal(syn.options.wscale, nil, "window scale in our SYN")
    s:finish(LINE)
    s:succeeded()
  end)

t.test("C14 what the device refuses is sent again at each timeout, once (here: frames too long)",
  function()
    t.sim_only()
    -- A wire of 68 bytes refuses what is longer, as a full device queue does with ENOBUFS: the
    -- answer (64 bytes at least to a segment) finds no way until the peer asks for small pieces.
    local s = peer.new { pair = { mtu = 68 } }
    s:handshake()
    s:send { flags = "P.", seq = 1, ack = 1, data = LINE }
    s:expect { flags = ".", seq = 1, ack = NEXT, len = 0 }
    s:none(1)
    s:send { flags = ".", seq = NEXT, ack = 1, win = 28 }
    download(s, ANSWER, 1, { seq = NEXT, win = 28 })
    close(s)
    s:succeeded()
  end)

t.test("C14 a device that refuses to the end: no answer, and what the device said", function()
  t.sim_only()
  local s = peer.new { pair = { mtu = 68 } }
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE }
  s:failed("EHOSTUNREACH", "a frame of 104 bytes is too long")
end)

t.test("C15 a peer that delays every ACK by 10 s: the timeout adapts", function()
  t.sim_only()
  local data = text(30000)
  local s, conn = uploading(data, { timeout = 10000 })
  local due, at, segments = {}, 1, 0
  while at <= #data do
    local segment = s:recv(due[1] and math.max(0, due[1][1] - task.now()) or 60)
    if segment and #segment.data > 0 then
      segments = segments + 1
      local received = segment.seq + #segment.data
      due[#due + 1] = { task.now() + 10, received }
    end
    while due[1] and due[1][1] <= task.now() do
      local ack = table.remove(due, 1)[2]
      at = math.max(at, ack)
      s:send { flags = ".", seq = 1, ack = at }
    end
  end
  s:recv(0.01)
  local info = conn():info()
  t.within(info.rto, 10, 60, "RTO")
  t.within(info.srtt, 1, 11, "SRTT")
  t.within(segments, 30, 60, "segments for 30 of data")
  s:close(1, #data + 1)
  s:succeeded()
end)

t.test("C15 a path of 10 s: the handshake and 200 kB come through", function()
  t.sim_only()
  local began = task.now()
  local near, far = net.pair { delay = 5 }
  assert(net.attach(near, "192.0.2.1"))
  assert(net.attach(far, "192.0.2.66"))
  local data = text(200000)
  local listener <close> = assert(tcp.listen { addr = "192.0.2.66", port = 9000 })
  local server = task.spawn(function()
    local conn = assert(listener:accept())
    return conn:read_all(#data, 3000)
  end)
  local conn = assert(tcp.connect { src = "192.0.2.1", dst = "192.0.2.66", port = 9000 })
  assert(conn:send(data, 3000))
  conn:shutdown()
  t.equal(server:join(), data, "what arrived")
  t.within(conn:info().rto, 10, 60, "RTO")
  t.within(conn:info().retransmits, 0, 25, "retransmissions")
  t.within(task.now() - began, 0, 400, "seconds")
end)

t.done()
