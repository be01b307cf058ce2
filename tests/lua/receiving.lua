--- receiving: rows B1 to B24 of the table of hostile peers: the ways in which a line, or a stream,
-- may come. Numbers are relative: a SYN is 0, so byte i of the stream is number i.
local net = require "tcplua.net"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "a line\r with \0 and \xff and some words to be cut up\n"

-- Sends bytes first..last of `line`, which the stream begins with.
local function piece(s, line, first, last)
  s:send { flags = ".", seq = first, ack = 1, data = line:sub(first, last) }
end

-- From the answer on, whatever ACKs are in front of it.
local function finish_after(s, line)
  local answer = peer.answer(line)
  s:find({ flags = "P.", seq = 1, ack = 1 + #line, data = answer }, 1e6)
  s:send { flags = "F.", seq = 1 + #line, ack = 1 + #answer }
  s:find({ flags = "F.", seq = 1 + #answer, ack = 2 + #line }, 1e6)
  s:send { flags = ".", seq = 2 + #line, ack = 2 + #answer }
  s:succeeded()
end

-- A client that does nothing until told to.
local function gate()
  local open = false
  return function() open = true end, function()
    while not open do task.sleep(t.veth and 0.01 or 0.1) end
  end
end

-- How many segments come until none does for `seconds`; each is given to `look`.
local function drain(s, seconds, look)
  local count = 0
  while true do
    local segment = s:recv(seconds)
    if not segment then return count end
    count = count + 1
    if look then look(segment) end
  end
end

t.test("B1 the line cut in two at every byte", function()
  t.sim_only()
  for cut = 1, #LINE - 1 do
    local s = peer.new()
    s:handshake()
    piece(s, LINE, 1, cut)
    s:expect { flags = ".", seq = 1, ack = 1 + cut }
    piece(s, LINE, cut + 1, #LINE)
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:serve_close(LINE)
    s:succeeded()
    t.fresh()
  end
end)

t.test("B1 the line a byte at a time, each acknowledged, or all at once", function()
  t.sim_only()
  local s = peer.new { run = peer.dial({ delayed_ack = 0 }, peer.job) }
  s:handshake()
  for i = 1, #LINE do
    piece(s, LINE, i, i)
    s:expect { flags = ".", seq = 1, ack = 1 + i }
  end
  s:serve_close(LINE)
  s:succeeded()
  t.fresh()
  s = peer.new()
  s:handshake()
  for i = 1, #LINE do piece(s, LINE, i, i) end
  finish_after(s, LINE)
end)

-- SHLD-31
t.test("B2 all segments in reverse: a duplicate ACK for each, then one for all", function()
  local s = peer.new()
  s:handshake()
  for i = #LINE, 2, -1 do
    piece(s, LINE, i, i)
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  end
  piece(s, LINE, 1, 1)
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:serve_close(LINE)
  s:succeeded()
end)

t.test("B3 pieces that overlap in any way, with the same data", function()
  t.sim_only()
  for _ = 1, 100 do
    local s = peer.new()
    s:handshake()
    for _ = 1, math.random(30) do
      local first = math.random(#LINE - 1)
      piece(s, LINE, first, math.random(first, #LINE - 1))
    end
    piece(s, LINE, 1, #LINE)
    finish_after(s, LINE)
    t.fresh()
  end
end)

t.test("B4 pieces that overlap with other data: the first stays, and it is counted", function()
  -- Pieces in order of coming, what is read, and how many bytes came with another value.
  local cases = {
    { { 5, "abcd" }, { 1, "12345678\n" }, line = "1234abcd\n", overlaps = 4 },
    { { 5, "abcd" }, { 3, "xyXY" }, { 1, "12345678\n" }, line = "12xyabcd\n", overlaps = 8 },
    { { 3, "ab" }, { 2, "wxyz" }, { 1, "123456\n" }, line = "1wabz6\n", overlaps = 6 },
    { { 2, "abcdef" }, { 3, "xx" }, { 6, "YYY\n" }, { 1, "1" }, line = "1abcdefY\n",
      overlaps = 4 },
    { { 4, "a" }, { 6, "b" }, { 8, "\n" }, { 1, "1234567x" }, line = "123a5b7\n", overlaps = 3 },
  }
  for i, case in ipairs(cases) do
    local s = peer.new { run = peer.dial({}, function(conn)
      peer.job(conn)
      return conn:info().overlaps
    end) }
    s:handshake()
    for _, at in ipairs(case) do
      s:send { flags = "P.", seq = at[1], ack = 1, data = at[2] }
      s:expect { flags = ".", seq = 1 }
    end
    s:serve_close(case.line)
    local ok, overlaps = s:result()
    t.equal(ok, true, "success of case " .. i)
    t.equal(overlaps, case.overlaps, "overlapping bytes of case " .. i)
    t.fresh()
  end
end)

t.test("B5 a retransmission that goes further: only what is new is taken", function()
  t.sim_only()
  for _, old in ipairs { LINE:sub(1, 5), "?????" } do
    local s = peer.new()
    s:handshake()
    piece(s, LINE, 1, 5)
    s:expect { flags = ".", seq = 1, ack = 6 }
    s:send { flags = "P.", seq = 1, ack = 1, data = old .. LINE:sub(6) }
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:serve_close(LINE)
    s:succeeded()
    t.fresh()
  end
end)

t.test("B6 a segment that begins before RCV.NXT and ends after it is trimmed", function()
  t.sim_only()
  for before = 1, 10 do
    local s = peer.new()
    s:handshake()
    piece(s, LINE, 1, 5)
    s:expect { flags = ".", seq = 1, ack = 6 }
    s:send { flags = "P.", seq = 6 - before, ack = 1, data = ("?"):rep(before) .. LINE:sub(6) }
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:serve_close(LINE)
    s:succeeded()
    t.fresh()
  end
end)

-- SM-6
t.test("B7 a segment wholly left or right of the window is dropped and ACKed, 10 times a second",
  function()
    t.sim_only()
    local s = peer.new()
    s:handshake()
    piece(s, LINE, 1, 5)
    s:expect { flags = ".", seq = 1, ack = 6 }
    local edge = 1 + 65535
    for _, seq in ipairs { -100, 0x80000000, 2, edge, edge + 1, 0x7fffffff, -0x7fffffff } do
      s:send { flags = "P.", seq = seq, ack = 1, data = "bad\n" }
      s:expect { flags = ".", seq = 1, ack = 6, len = 0 }
      task.sleep(1)
    end
    local acks = 0
    for _ = 1, 3000 do
      s:send { flags = "P.", seq = edge + 9, ack = 1, data = "bad\n" }
      if s:recv(0.001) then acks = acks + 1 end
    end
    t.within(acks, 10, 40, "ACKs in three seconds")
    s:send { flags = "P.", seq = 6, ack = 1, data = LINE:sub(6) }
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:serve_close(LINE)
    s:succeeded()
  end)

t.test("B8 a segment across the right edge is trimmed; a FIN beyond the edge does not count",
  function()
    for _, first in ipairs { 150, 100 } do -- beyond the edge: data and FIN, or the FIN alone
      local open, wait = gate()
      local stream = ("x"):rep(149) .. "\n"
      local s = peer.new { run = peer.dial({ rcvbuf = 100 }, function(conn)
        wait()
        t.equal(conn:state(), "ESTABLISHED", "state with the FIN beyond the edge")
        local data = assert(conn:read_all())
        assert(conn:close())
        return data
      end) }
      local syn = s:handshake()
      t.equal(syn.win, 100, "the window in the SYN")
      s:send { flags = "FP.", seq = 1, ack = 1, data = stream:sub(1, first) }
      s:expect { flags = ".", seq = 1, ack = 101, win = 0 }
      s:none()
      open()
      s:expect { flags = ".", seq = 1, ack = 101, win = 100 }
      s:send { flags = "FP.", seq = 101, ack = 1, data = stream:sub(101) }
      s:expect { flags = ".", seq = 1, ack = 152 }
      s:expect { flags = "F.", seq = 1, ack = 152 }
      s:send { flags = ".", seq = 152, ack = 2 }
      local ok, data = s:result()
      t.equal(ok, true, tostring(data))
      t.equal(data, stream, "stream")
      t.fresh()
    end
  end)

t.test("B9 the peer's numbers wrap: ISN 2^32-1-k for k = 0 to 64", function()
  t.sim_only()
  for k = 0, 64 do
    local s = peer.new { irs = 0xffffffff - k }
    s:handshake()
    piece(s, LINE, 11, 30)
    s:expect { flags = ".", seq = 1, ack = 1 }
    piece(s, LINE, 1, 15)
    s:expect { flags = ".", seq = 1, ack = 31 }
    piece(s, LINE, 31, #LINE)
    s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
    s:serve_close(LINE)
    s:succeeded()
    t.fresh()
  end
end)

t.test("B10 our own numbers near 2^32 and 2^31", function()
  t.sim_only("waits hours for the ISN")
  local TICKS = 250000 -- a second, of the clock in an ISN (RFC 6528)
  local client = { run = peer.dial({ sport = 40000 }, peer.job) }
  local isn = peer.new(client):expect { flags = "S" }.packet.tcp.seq
  local began = (task.now() + 1e-9) * TICKS // 1
  for _, half in ipairs { 1 << 32, 1 << 31 } do
    for _, k in ipairs { 0, 1, 2, 33, 64, 65, 66, 67, 70 } do
      t.fresh()
      local tick = began + ((half - k - isn) & 0xffffffff)
      while tick <= task.now() * TICKS do tick = tick + (1 << 32) end
      task.sleep((tick + 0.5) / TICKS - task.now())
      local s = peer.new(client)
      local syn = s:handshake()
      t.equal(syn.packet.tcp.seq, (half - k) & 0xffffffff, "our ISN")
      s:finish(LINE)
      s:succeeded()
    end
  end
end)

t.test("B11 every segment a thousand times, in a burst", function()
  t.sim_only()
  local copies, acks = 1000, 0
  local s = peer.new()
  local answer = peer.answer(LINE)
  local function send(o)
    for _ = 1, copies do s:send(o) end
  end
  local recv = s.recv
  function s.recv(...)
    local segment = recv(...)
    if segment then acks = acks + 1 end
    return segment
  end
  s:find { flags = "S", seq = 0 }
  send { flags = "S.", seq = 0, ack = 1 }
  s:find { flags = ".", seq = 1, ack = 1 }
  send { flags = "P.", seq = 1, ack = 1, data = LINE }
  s:find { flags = "P.", seq = 1, ack = 1 + #LINE, data = answer }
  send { flags = "F.", seq = 1 + #LINE, ack = 1 + #answer }
  s:find { flags = "F.", seq = 1 + #answer, ack = 2 + #LINE }
  for _ = 1, copies do s:send { flags = ".", seq = 2 + #LINE, ack = 2 + #answer } end
  s:succeeded()
  t.within(acks, 6, 30, "segments from the client")
end)

t.test("B11 a segment a thousand times within three seconds: 10 ACKs a second", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  local acks = 0
  for _ = 1, 1000 do
    piece(s, LINE, 1, 9)
    if s:recv(0.003) then acks = acks + 1 end
  end
  t.within(acks, 10, 41, "ACKs")
  s:send { flags = "P.", seq = 10, ack = 1, data = LINE:sub(10) }
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:serve_close(LINE)
  s:succeeded()
end)

t.test("B12 islands of 1 byte, every second one across the window: 64 are kept, no more memory",
  function()
    t.sim_only()
    local length = t.full and 65535 or 20001
    local line = ("0123456789abcdef"):rep(5000):sub(1, length - 1) .. "\n"
    local s = peer.new { run = peer.dial({ delayed_ack = 0 }, function(conn)
      peer.job(conn)
      return conn:info().out_of_order
    end) }
    s:handshake()
    local rss = t.rss()
    for i = 2, length - 1, 2 do
      piece(s, line, i, i)
      if i % 200 == 0 then
        drain(s, 0.001, function(segment) t.equal(segment.ack, 1, "duplicate ACK") end)
      end
    end
    drain(s, 0.1)
    t.within(t.rss() - rss, -1e9, 2048, "KiB more")
    for i = 1, length, 1000 do
      local last = math.min(i + 999, length)
      piece(s, line, i, last)
      s:expect { flags = ".", ack = 1 + last }
    end
    s:serve_close(line)
    local ok, kept = s:result()
    t.equal(ok, true, tostring(kept))
    t.equal(kept, 64, "islands kept")
  end)

t.test("B13 a hole that is never filled: the read timeout of 300 s", function()
  t.sim_only("takes 300 s")
  local s = peer.new()
  s:handshake()
  local start = task.now()
  piece(s, LINE, 1, 5)
  s:expect { flags = ".", ack = 6 }
  for _ = 1, 10 do -- activity behind the hole does not prolong it
    piece(s, LINE, 8, #LINE)
    s:expect { flags = ".", ack = 6 }
    task.sleep(20)
  end
  local err = s:failed("ETIMEDOUT", ("timed out waiting for a line from %s:9000"):format(s.src))
  t.equal(err.kind, "network", "kind")
  t.within(task.now() - start, 300, 300.001, "seconds")
  s:expect { flags = "R.", seq = 1, ack = 6 }
end)

t.test("B14 a segment of 36,000 bytes though our MSS is 1460, as GRO makes them", function()
  t.sim_only()
  local line = ("x"):rep(35999) .. "\n"
  local s = peer.new { pair = { mtu = 65535 }, run = peer.dial({ mss = 1460 }, peer.job) }
  local syn = s:handshake()
  t.equal(syn.options.mss, 1460, "our MSS")
  piece(s, line, 1, #line)
  s:expect { flags = ".", seq = 1, ack = 1 + #line }
  finish_after(s, line)
end)

t.test("B15 a datagram of 65,535 bytes is taken as far as the window goes", function()
  t.sim_only()
  for _, window in ipairs { 65535, 65495, 65494, 40000 } do
    local line = ("x"):rep(65494) .. "\n"
    local s = peer.new { pair = { mtu = 65535 }, run = peer.dial({ rcvbuf = window }, peer.job) }
    s:handshake()
    local packet = s:segment { flags = "P.", seq = 1, ack = 1, data = line }
    t.equal(#packet, 65535, "length of the datagram")
    s:send { flags = "P.", seq = 1, ack = 1, data = line }
    local taken = math.min(window, #line)
    s:expect { flags = ".", seq = 1, ack = 1 + taken }
    if taken < #line then
      s:find { flags = ".", seq = 1, win = math.min(window, 65535) }
      piece(s, line, 1 + taken, #line)
    end
    finish_after(s, line)
    t.fresh()
  end
end)

-- What a snap length cuts off is known by its length on the wire. No link that carries connections
-- cuts (all read whole datagrams), so nobody is warned: it is dropped like a lost one.
t.test("B16 a frame that the capture cut is as if lost", function()
  t.sim_only()
  local cut
  local s = peer.new { wire = function(far)
    return {
      recv = function(_, timeout) return far:recv(timeout) end,
      send = function(_, packet)
        local bytes = packet:bytes()
        return far:raw_send(bytes:sub(1, cut), cut and #bytes + 6) -- 6 of padding
      end,
    }
  end }
  s:handshake()
  local before = net.verdicts()["cut short"] or 0
  for _, length in ipairs { 0, 1, 19, 20, 39, 40, 41, 40 + #LINE - 1, 40 + #LINE } do
    cut = length
    s:send { flags = "P.", seq = 1, ack = 1, data = LINE }
    s:none()
  end
  t.equal(net.verdicts()["cut short"] - before, 9, "datagrams that were cut short")
  cut = nil
  s:finish(LINE)
  s:succeeded()
end)

t.test("B17 pure ACKs in number: no answer, no cost", function()
  t.sim_only()
  local count = t.full and 100000 or 10000
  local s = peer.new()
  s:handshake()
  local packet = s:segment { flags = ".", seq = 1, ack = 1 }
  local rss, cpu = t.rss(), os.clock()
  for i = 1, count do
    packet.tcp.win = 65535 - i % 7
    assert(s.wire:send(packet))
    if i % 500 == 0 then s:none(0.001) end
  end
  s:none(10)
  t.within((os.clock() - cpu) / count, 0, 100e-6, "seconds for each, making and sending included")
  t.within(t.rss() - rss, -1e9, 2048, "KiB more")
  s:finish(LINE)
  s:succeeded()
end)

t.test("B18 keepalive probes, without and with a byte, are ACKed and deliver nothing", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, data in ipairs { "", "?" } do
    s:send { flags = ".", seq = 0, ack = 1, data = data }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  end
  piece(s, LINE, 1, 5)
  s:expect { flags = ".", seq = 1, ack = 6 }
  for _ = 1, 3 do
    for _, data in ipairs { "", "?" } do
      task.sleep(45)
      s:send { flags = ".", seq = 5, ack = 1, data = data }
      s:expect { flags = ".", seq = 1, ack = 6, len = 0 }
    end
  end
  s:send { flags = "P.", seq = 6, ack = 1, data = LINE:sub(6) }
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:serve_close(LINE)
  s:succeeded()
end)

-- MUST-30
t.test("B19 URG with any urgent pointer, without data, or a pointer without URG: data in line",
  function()
    t.sim_only()
    for _, flags in ipairs { "P.U", "P." } do
      for _, urg in ipairs { 0, 1, 5, #LINE, #LINE + 1, 0x7fff, 0xffff } do
        local s = peer.new()
        s:handshake()
        s:send { flags = "." .. flags:sub(3), seq = 1, ack = 1, tcp = { urg = urg } }
        s:none()
        s:send { flags = flags, seq = 1, ack = 1, data = LINE, tcp = { urg = urg } }
        s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
        s:serve_close(LINE)
        s:succeeded()
        t.fresh()
      end
    end
  end)

t.test("B20 PSH is never set, and the line is read all the same", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  piece(s, LINE, 1, #LINE)
  s:expect { flags = ".", seq = 1, ack = 1 + #LINE }
  s:serve_close(LINE)
  s:succeeded()
end)

t.test("B21 data behind a FIN is ignored", function()
  t.sim_only()
  local open, wait = gate()
  local s = peer.new { run = peer.dial({}, function(conn)
    local line = assert(conn:read_line())
    wait()
    t.equal(conn:state(), "CLOSE-WAIT", "state")
    t.equal(conn:eof(), true, "end of stream")
    t.equal(conn:readable(), 0, "bytes to read")
    assert(conn:send(peer.answer(line)))
    assert(conn:passive_close())
  end) }
  local answer, fin = peer.answer(LINE), 1 + #LINE
  s:handshake()
  s:send { flags = "FP.", seq = 1, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = fin + 1 }
  for _, seq in ipairs { fin + 1, fin + 100 } do
    s:send { flags = "P.", seq = seq, ack = 1, data = "more\n" }
  end
  s:none()
  s:send { flags = "P.", seq = fin - 2, ack = 1, data = "?????" } -- in the FIN's place, too
  drain(s, 0.1, function(segment) t.equal(segment.ack, fin + 1, "ack") end)
  open()
  s:expect { flags = "P.", seq = 1, ack = fin + 1, data = answer }
  s:expect { flags = "F.", seq = 1 + #answer, ack = fin + 1 }
  s:send { flags = ".", seq = fin + 1, ack = 2 + #answer }
  s:succeeded()
end)

-- A client that reads its 4000 bytes of buffer when told to, and then the rest of 8000.
local STREAM = ("0123456789"):rep(800)
local function slow_reader()
  local open, wait = gate()
  return open, peer.dial({ rcvbuf = 4000 }, function(conn)
    wait()
    local data = ""
    while #data < #STREAM do data = data .. assert(conn:read()) end
    assert(conn:passive_close())
    return data
  end)
end

-- Sends it the rest of the stream, from byte `at` on.
local function rest(s, at)
  local fin = 1 + #STREAM
  for i = at, #STREAM, 1000 do piece(s, STREAM, i, math.min(i + 999, #STREAM)) end
  s:find { flags = ".", seq = 1, ack = fin }
  drain(s, 1)
  s:send { flags = "F.", seq = fin, ack = 1 }
  s:find { flags = "F.", seq = 1, ack = fin + 1 }
  s:send { flags = ".", seq = fin + 1, ack = 2 }
  local ok, data = s:result()
  t.equal(ok, true, tostring(data))
  t.equal(data, STREAM, "stream")
end

-- SHLD-14
t.test("B22 a script that does not read: the window closes, its edge never goes back, and opens",
  function()
    t.sim_only()
    local open, run = slow_reader()
    local s = peer.new { run = run }
    local syn = s:handshake()
    local edge, at = 1 + syn.win, 1
    t.equal(edge, 4001, "the first edge")
    while at < 4001 do
      piece(s, STREAM, at, math.min(at + 299, 4000))
      at = math.min(at + 300, 4001)
      local ack = s:expect { flags = ".", seq = 1, ack = at }
      t.equal(ack.ack + ack.win, edge, "the right edge")
    end
    for _ = 1, 3 do -- full
      piece(s, STREAM, 4001, 4100)
      s:expect { flags = ".", seq = 1, ack = 4001, win = 0 }
    end
    open()
    local update = s:expect { flags = ".", seq = 1, ack = 4001 }
    t.equal(update.win, 4000, "the window after it was read")
    rest(s, 4001)
  end)

-- MUST-39
t.test("B22 reading a little does not open the window a little (silly window, RFC 9293 3.8.6.2.2)",
  function()
    t.sim_only()
    local open, wait = gate()
    local s = peer.new { run = peer.dial({ rcvbuf = 4000 }, function(conn)
      wait()
      conn:raw_read(100)
      task.sleep(5)
      conn:raw_read(1400)
      task.sleep(5)
      assert(conn:passive_close())
    end) }
    s:handshake()
    for i = 1, 4000, 1000 do piece(s, STREAM, i, i + 999) end
    s:expect { flags = ".", ack = 4001, win = 0 }
    open()
    s:none(1)
    piece(s, STREAM, 4001, 4001)
    s:expect { flags = ".", ack = 4001, win = 0 }
    s:expect { flags = ".", ack = 4001, win = 1500 }
  end)

t.test("B23 the window update is lost: the peer's probe is answered with the new window", function()
  t.sim_only()
  for _, way in ipairs { "a new byte", "an old byte", "no byte" } do
    local open, run = slow_reader()
    local s = peer.new { run = run }
    s:handshake()
    for i = 1, 4000, 1000 do piece(s, STREAM, i, i + 999) end
    s:find { flags = ".", ack = 4001, win = 0 }
    piece(s, STREAM, 4001, 4001) -- a probe while it is closed
    s:expect { flags = ".", seq = 1, ack = 4001, win = 0 }
    open()
    s:expect { flags = ".", seq = 1, ack = 4001, win = 4000 } -- lost
    s:none(1)
    local at = 4001
    if way == "a new byte" then
      piece(s, STREAM, at, at)
      at = at + 1
    elseif way == "an old byte" then
      piece(s, STREAM, at - 1, at - 1)
    else
      s:send { flags = ".", seq = at - 1, ack = 1 }
    end
    local answer = s:expect { flags = ".", seq = 1, ack = at }
    t.equal(answer.ack + answer.win, 8001, "the right edge")
    rest(s, at)
    t.fresh()
  end
end)

t.test("B24 a long stream through a buffer of 64 KiB: every byte, and no memory", function()
  t.sim_only()
  local length = t.full and 1 << 30 or 16 << 20
  local bytes = {}
  for i = 1, 65521 do bytes[i] = string.char(math.random(0, 255)) end -- a prime: no two alike
  local pattern = table.concat(bytes)
  local twice = pattern .. pattern
  local near, far = net.pair()
  assert(net.attach(near, "192.0.2.1"))
  assert(net.attach(far, "192.0.2.66"))
  local listener <close> = assert(tcp.listen { addr = "192.0.2.66", port = 9000 })
  task.spawn(function()
    local conn <close> = assert(listener:accept())
    local left = length
    while left > 0 do
      local chunk = left < #pattern and pattern:sub(1, left) or pattern
      assert(conn:send(chunk))
      left = left - #chunk
    end
  end)
  local conn <close> = assert(tcp.connect {
    src = "192.0.2.1", dst = "192.0.2.66", port = 9000, rcvbuf = 65536, time_wait = 1,
  })
  local at, rss = 0, nil
  while true do
    local data, err = conn:read()
    if not data then
      t.equal(err.code, "EOF")
      break
    end
    local phase = at % #pattern
    if data ~= twice:sub(phase + 1, phase + #data) then
      error(("the %d bytes from %d on are not those that were sent"):format(#data, at))
    end
    at = at + #data
    if not rss and at > length / 16 then rss = t.rss() end
  end
  t.equal(at, length, "bytes")
  t.within(t.rss() - rss, -1e9, 2048, "KiB more")
  t.equal(conn:info().retransmits, 0, "retransmits")
end)

t.test("E4 bytes behind the IP datagram (Ethernet padding) are no data (RFC 894)", function()
  t.sim_only()
  local s = peer.new()
  local wire = s.wire
  s.wire = {
    recv = function(_, timeout) return wire:recv(timeout) end,
    send = function(_, packet) return wire:send(packet:bytes() .. "PADDED") end,
  }
  s:handshake()
  s:finish(LINE)
  s:succeeded()
end)

t.done()
