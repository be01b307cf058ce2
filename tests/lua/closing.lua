--- How connections end, in order and by reset: rows D1 to D19.
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "a line to be hashed\n"
local ANSWER = peer.answer(LINE)
local NEXT = 1 + #LINE         -- the server's number after the line
local DONE = 1 + #ANSWER       -- the client's after its answer

-- The main job up to its answer, which is not acknowledged yet.
local function answered(o)
  local s = peer.new(o)
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = NEXT }
  s:expect { flags = "P.", seq = 1, ack = NEXT, data = ANSWER }
  return s
end

-- A client that runs f(conn) after the handshake, which is done; conn() is its connection.
local function client(f, o)
  local conn
  local s = peer.new {
    family = o and o.family,
    run = function(src, dst, port)
      local held <close> = assert(tcp.connect {
        src = src, dst = dst, port = port, time_wait = o and o.time_wait,
      })
      conn = held
      return f(held)
    end,
  }
  s:handshake()
  return s, function() return conn end
end

local function closes(conn) assert(conn:close(20)) end

-- The connection is alive: from here the main job goes through.
local function alive(s, line)
  s:finish(line or LINE)
  s:succeeded()
end

-- SM-14
t.test("D1 the main job: success only when our FIN is acknowledged", function()
  for _, family in ipairs { "ip", "ip6" } do
    local s = answered { family = family }
    s:send { flags = "F.", seq = NEXT, ack = DONE }
    s:expect { flags = ".", seq = DONE, ack = NEXT + 1, len = 0 }
    s:expect { flags = "F.", seq = DONE, ack = NEXT + 1, len = 0 }
    task.sleep(0.05)
    t.equal(s.client.done, false, "ended before the ACK of its FIN")
    s:send { flags = ".", seq = NEXT + 1, ack = DONE } -- of the answer, not of the FIN
    task.sleep(0.05)
    t.equal(s.client.done, false, "ended by an ACK that was not of its FIN")
    s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
    s:succeeded()
    t.fresh()
  end
end)

-- SM-14
t.test("D2 the ACK of our FIN is lost: the FIN is sent again", function()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1 }
  for _ = 1, 3 do s:expect { flags = "F.", seq = DONE, ack = NEXT + 1, len = 0 } end
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

-- SM-14
t.test("D2 no ACK of our FIN ever: timed out, though all was exchanged", function()
  t.sim_only()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1 }
  s:failed("ETIMEDOUT")
end)

-- SM-15
t.test("D3 the peer's FIN repeated before the end: acknowledged again", function()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1, len = 0 }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  for _ = 1, 3 do
    s:send { flags = "F.", seq = NEXT, ack = DONE }
    s:expect { flags = ".", seq = DONE + 1, ack = NEXT + 1, len = 0 }
  end
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

-- A passive closer has no TIME-WAIT: a peer whose FIN comes once more after it acknowledged ours
-- contradicts itself, and gets the reset that RFC 9293 3.10.7.1 has for no connection.
-- SM-16
t.test("D3 the peer's FIN repeated after the end: a reset", function()
  t.sim_only()
  local s = answered()
  s:close(NEXT, DONE)
  s:succeeded()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = "R", seq = DONE }
end)

-- MUST-12, SM-7
t.test("D4 an exact RST: reset, wherever the main job is", function()
  t.sim_only()
  local function fails(s, seq)
    s:send { flags = "R.", seq = seq, ack = 1 }
    t.equal(s:failed("ECONNRESET", "192.0.2.66:9000").kind, "network", "kind")
    s:none()
    t.fresh()
  end
  local s = peer.new()
  s:handshake()
  fails(s, 1)
  s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = "half a l" }
  s:expect { flags = ".", ack = 9 }
  fails(s, 9)
  fails(answered(), NEXT)
  s = peer.new() -- without ACK it counts as well
  s:handshake()
  s:send { flags = "R", seq = 1 }
  s:failed("ECONNRESET")
end)

-- SM-7
t.test("D5 a RST in the window, but not exact: a challenge ACK, and life goes on", function()
  t.sim_only()
  for _, seq in ipairs { 2, 100, 65534, 65535 } do
    for _, flags in ipairs { "R", "R." } do
      local s = peer.new()
      s:handshake()
      s:send { flags = flags, seq = seq, ack = flags == "R." and 1 or nil }
      s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
      alive(s)
      t.fresh()
    end
  end
end)

-- SM-7
t.test("D5 the exact RST that follows a challenge ACK counts", function()
  local s = peer.new()
  s:handshake()
  s:send { flags = "R", seq = 100 }
  local challenge = s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  s:send { flags = "R", seq = challenge.ack }
  s:failed("ECONNRESET")
end)

-- SM-7
t.test("D6 a RST outside the window: silence, and life goes on", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, seq in ipairs { 0, -1, -65535, 65536, 70000, 0x7fffffff, 0x80000001 } do
    s:send { flags = "R", seq = seq }
    s:send { flags = "R.", seq = seq, ack = 1 }
    s:none(0.01)
  end
  alive(s)
end)

-- SM-8
t.test("D7 a SYN in ESTABLISHED, wherever it lies: a challenge ACK, and life goes on", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, seq in ipairs { 0, 1, 2, 65535, 65536, -1, 0x7fffffff, 0x80000000 } do
    s:send { flags = "S", seq = seq, options = { mss = 1460 } }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  end
  s:send { flags = "SP.", seq = 1, ack = 1, data = "not the line\n" }
  s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
  alive(s)
end)

-- SM-10
t.test("D7 challenge ACKs are limited: ten a second (RFC 5961 7)", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  local answers = 0
  for i = 1, 100 do
    s:send { flags = i % 2 == 0 and "S" or "R", seq = 100 + i }
    if s:recv(0.001) then answers = answers + 1 end
  end
  t.equal(answers, 10, "challenge ACKs")
  alive(s)
end)

t.test("D8 a FIN with the last data: the data, then the end (scripting.md 2b 3)", function()
  local s = peer.new()
  s:handshake()
  s:send { flags = "FP.", seq = 1, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = NEXT + 1, len = 0 } -- data and FIN
  s:find { flags = "P.", seq = 1, ack = NEXT + 1, data = ANSWER }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1, len = 0 }
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

t.test("D9 a FIN before data that is missing: held until the data is in (scripting.md 2b 6)",
  function()
    local s = peer.new()
    s:handshake()
    s:send { flags = "F.", seq = NEXT, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
    s:send { flags = "FP.", seq = 9, ack = 1, data = LINE:sub(9) }
    s:expect { flags = ".", seq = 1, ack = 1, len = 0 }
    s:none()
    t.equal(s.client.done, false, "ended")
    s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 8) }
    s:expect { flags = ".", seq = 1, ack = NEXT + 1, len = 0 }
    s:expect { flags = "P.", seq = 1, ack = NEXT + 1, data = ANSWER }
    s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
    s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
    s:succeeded()
  end)

t.test("D10 data where a FIN was accepted, and beyond: the FIN stays where it was", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "F.", seq = NEXT, ack = 1 } -- out of order, but it is known now
  s:expect { flags = ".", ack = 1 }
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE .. "another line\n" }
  s:expect { flags = ".", seq = 1, ack = NEXT + 1, len = 0 }
  s:expect { flags = "P.", seq = 1, ack = NEXT + 1, data = ANSWER }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

t.test("D10 a second FIN further on, before the first was reached: the first counts", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  for _, seq in ipairs { NEXT, NEXT + 5 } do
    s:send { flags = "F.", seq = seq, ack = 1 }
    s:expect { flags = ".", ack = 1 }
  end
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE }
  s:expect { flags = ".", seq = 1, ack = NEXT + 1, len = 0 }
  s:expect { flags = "P.", seq = 1, ack = NEXT + 1, data = ANSWER }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

t.test("D10 a FIN before data that is already in does not count", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 9, ack = 1, data = LINE:sub(9) }
  s:expect { flags = ".", ack = 1 }
  s:send { flags = "F.", seq = 5, ack = 1 }
  s:expect { flags = ".", ack = 1 }
  s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 8) }
  s:expect { flags = ".", seq = 1, ack = NEXT, len = 0 }
  s:serve_close(LINE)
  s:succeeded()
end)

-- In TIME-WAIT the peer's FIN is still answered; a connection that is gone would reset it.
local function in_time_wait(s, fin, ack)
  s:send { flags = "F.", seq = fin, ack = ack }
  s:expect { flags = ".", seq = ack, ack = fin + 1, len = 0 }
end

t.test("D11 FINs that cross: CLOSING, then TIME-WAIT", function()
  local s, conn = client(closes, { time_wait = 5 })
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "F.", seq = 1, ack = 1 } -- it has not seen ours
  s:expect { flags = ".", seq = 2, ack = 2, len = 0 }
  t.equal(conn():state(), "CLOSING", "state")
  s:send { flags = ".", seq = 2, ack = 2 }
  s:succeeded()
  in_time_wait(s, 1, 2)
end)

t.test("D11 FIN and ACK in one segment: from FIN-WAIT-1 to TIME-WAIT", function()
  t.sim_only()
  local s = client(closes)
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = ".", seq = 2, ack = 2, len = 0 }
  s:succeeded()
  in_time_wait(s, 1, 2)
end)

-- MUST-13
t.test("D11 ACK, then FIN: FIN-WAIT-2, then TIME-WAIT, which ends after 240 s", function()
  t.sim_only()
  local s, conn = client(closes)
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = ".", seq = 1, ack = 2 }
  s:none(0.01)
  t.equal(conn():state(), "FIN-WAIT-2", "state")
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = ".", seq = 2, ack = 2, len = 0 }
  s:succeeded()
  task.sleep(239)
  in_time_wait(s, 1, 2) -- which begins its time anew
  task.sleep(239)
  in_time_wait(s, 1, 2)
  task.sleep(241)
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = "R", seq = 2 }
end)

t.test("D11 data on its way while we shut down is still read", function()
  t.sim_only()
  local got
  local s = client(function(conn)
    conn:shutdown()
    got = assert(conn:read_all())
    assert(conn:close())
  end)
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "P.", seq = 1, ack = 1, data = "sent before " }
  s:expect { flags = ".", seq = 2, ack = 13, len = 0 }
  s:send { flags = "FP.", seq = 13, ack = 2, data = "and after" }
  s:expect { flags = ".", seq = 2, ack = 23, len = 0 }
  s:succeeded()
  t.equal(got, "sent before and after", "data")
end)

-- close() is the end of reading too: what comes then would be lost without a word, so the peer is
-- told by a reset (RFC 2525 2.17), and it is not the closer's failure.
t.test("D11 data on its way while we close: a reset", function()
  t.sim_only()
  local s, conn = client(closes)
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "P.", seq = 1, ack = 1, data = "too late" }
  s:find { flags = "R.", seq = 2, ack = 9 }
  s:succeeded()
  t.equal(conn():closed(), true, "closed")
end)

-- SM-13
t.test("D12 data after the FIN is not read", function()
  t.sim_only()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = 1 }
  s:send { flags = "P.", seq = NEXT + 1, ack = 1, data = "more\n" }
  s:expect { flags = ".", ack = NEXT + 1 }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = "P.", seq = NEXT + 1, ack = DONE, data = "and more\n" }
  local again = s:recv(0.1)
  if again then t.equal(again.ack, NEXT + 1, "ack") end
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

-- SM-13
t.test("D13 a second FIN at a higher number: acknowledged as before, not taken", function()
  t.sim_only()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1 }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  for _, seq in ipairs { NEXT + 1, NEXT + 100 } do
    s:send { flags = "F.", seq = seq, ack = DONE }
    s:expect({ seq = DONE + 1, flags = ".", ack = NEXT + 1, len = 0 }, 0.1)
  end
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

t.test("D14 the peer never closes: timed out after 300 s, and it is freed by a reset", function()
  t.sim_only()
  local s = answered()
  local began = task.now()
  s:send { flags = ".", seq = NEXT, ack = DONE }
  s:expect({ flags = "R.", seq = DONE, ack = NEXT, len = 0 }, 400)
  t.within(task.now() - began, 299, 301, "seconds")
  s:failed("ETIMEDOUT", "192.0.2.66:9000 to close")
end)

t.test("D14 a close that does not come about frees the peer, the script notwithstanding", function()
  t.sim_only()
  for _, how in ipairs { "passive_close", "close" } do
    local err
    local s = client(function(conn)
      err = select(2, conn[how](conn, 5))
      task.sleep(100)
    end)
    local began = task.now()
    if how == "close" then
      s:expect { flags = "F.", seq = 1 }
      s:send { flags = ".", seq = 1, ack = 2 }
    end
    s:expect { flags = "R.", seq = how == "close" and 2 or 1, ack = 1 }
    t.within(task.now() - began, 4.99, 5.01, "seconds")
    t.equal(err.code, "ETIMEDOUT", "code")
    t.fresh()
  end
end)

t.test("D15 a RST in LAST-ACK: success if the answer was acknowledged", function()
  t.sim_only()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = DONE }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1 }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = "R", seq = NEXT + 1 }
  s:succeeded()
end)

t.test("D15 a RST in LAST-ACK: failure if the answer was not acknowledged", function()
  t.sim_only()
  local s = answered()
  s:send { flags = "F.", seq = NEXT, ack = 1 }
  s:expect { flags = ".", seq = DONE, ack = NEXT + 1 }
  s:expect { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = "R", seq = NEXT + 1 }
  s:failed("ECONNRESET")
end)

t.test("D15 a RST in TIME-WAIT is ignored (RFC 1337)", function()
  t.sim_only()
  local s = client(closes)
  s:expect { flags = "F.", seq = 1, ack = 1 }
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = ".", seq = 2, ack = 2 }
  s:succeeded()
  for _, flags in ipairs { "R", "R." } do
    s:send { flags = flags, seq = 2, ack = flags == "R." and 2 or nil }
    s:none()
  end
  in_time_wait(s, 1, 2)
end)

t.test("D16 close with data that nobody has read: a reset (SHLD-3)", function()
  t.sim_only()
  local s = client(function(conn)
    while conn:readable() < 5 do task.sleep(0.01) end
    assert(conn:close())
  end)
  s:send { flags = "P.", seq = 1, ack = 1, data = "12345" }
  s:expect { flags = ".", seq = 1, ack = 6 }
  s:expect { flags = "R.", seq = 1, ack = 6, len = 0 }
  s:succeeded()
  s:none()
end)

-- SHLD-2
t.test("D17 a RST with a text: it counts, and its text is nowhere printed", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "R.", seq = 1, ack = 1, data = "\27]0;pwned\7 go away" }
  local err = s:failed("ECONNRESET")
  t.equal(tostring(err):find("go away", 1, true), nil, "the peer's text in the message")
  t.equal(tostring(err):find("\27", 1, true), nil, "an escape in the message")
end)

t.test("D18 the peer closes its side before the answer and still reads", function()
  t.sim_only()
  local s = peer.new()
  s:handshake()
  s:send { flags = "P.", seq = 1, ack = 1, data = LINE, win = 10 } -- the answer takes some time
  s:send { flags = "F.", seq = NEXT, ack = 1, win = 10 }
  local at = 1
  while at < DONE do
    local segment = s:recv()
    if #segment.data > 0 then
      t.equal(segment.data, ANSWER:sub(at, at + #segment.data - 1), "data")
      at = at + #segment.data
      s:send { flags = ".", seq = NEXT + 1, ack = at, win = 10 }
    end
  end
  s:find { flags = "F.", seq = DONE, ack = NEXT + 1 }
  s:send { flags = ".", seq = NEXT + 1, ack = DONE + 1 }
  s:succeeded()
end)

t.test("D19 abort: a reset with our next number, once; what follows is the script's", function()
  t.sim_only()
  local s = client(function(conn)
    assert(conn:send("some data"))
    task.sleep(0.05)
    assert(conn:abort())
    assert(conn:abort())
    assert(conn:close())
    error("the script's own end", 0)
  end)
  s:expect { flags = "P.", seq = 1, data = "some data" }
  s:expect { flags = "R.", seq = 10, ack = 1, len = 0 }
  s:none()
  local ok, err = s:result()
  t.equal(ok, false, "the client's end")
  t.equal(err, "the script's own end", "its error")
end)

t.test("D19 a block left by an error resets; one that ends in order closes", function()
  t.sim_only()
  local s = client(function() error("left", 0) end)
  s:expect { flags = "R.", seq = 1, ack = 1, len = 0 }
  t.equal(select(2, s:result()), "left", "error")
  t.fresh()
  s = client(function() return true end)
  s:expect { flags = "F.", seq = 1, ack = 1, len = 0 }
  s:send { flags = "F.", seq = 1, ack = 2 }
  s:expect { flags = ".", seq = 2, ack = 2 }
  s:succeeded()
end)

t.test("a connection that is over is none, though its script still holds it: a reset", function()
  local net, p = require "tcplua.net", require "tcplua.packet"
  local near, far = net.pair()
  assert(net.attach(near, "192.0.2.1"))
  assert(net.attach(far, "192.0.2.66"))
  local wire <close> = assert(net.open { src = "192.0.2.1", dst = "192.0.2.66", sport = 4000 })
  local listener <close> = assert(tcp.listen { addr = "192.0.2.66", port = 9000 })
  local function send(fields)
    fields.sport, fields.dport = 4000, 9000
    assert(wire:send(p.ip { src = "192.0.2.1", dst = "192.0.2.66" } / p.tcp(fields)))
    return wire:recv(0.1)
  end
  t.equal(send { flags = "S.", seq = 7, ack = 70 }.tcp.seq, 70, "the answer in LISTEN to a SYN-ACK")
  for _, flags in ipairs { "", "F", "P", "FPU" } do
    t.equal(send { flags = flags, seq = 7 }, nil, "the answer in LISTEN to " .. flags)
  end
  local synack = send { flags = "S", seq = 99 }
  send { flags = ".", seq = 100, ack = synack.tcp.seq + 1 }
  local conn = assert(listener:accept(1))
  send { flags = "R", seq = 100 }
  t.equal(conn:state(), "CLOSED", "state")
  t.equal(send { flags = ".", seq = 100, ack = synack.tcp.seq + 1 }.tcp.flags, "R", "flags")
  t.equal(send { flags = "S", seq = 99 }.tcp.flags, "S.", "flags of the next one's answer")
end)

t.done()
