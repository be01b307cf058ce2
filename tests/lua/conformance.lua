--- Rules of RFC 9293 and its companions that the tables of hostile peers do not come to, seen from
-- the other end of the wire. Each test names the ids that it shows (tests/conformance/page.lua).
local net = require "tcplua.net"
local p = require "tcplua.packet"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT <const>, LINE <const> = "192.0.2.1", "what the server has to say\n"
local FAMILIES <const> = { "ip", "ip6" }

-- A client that sends strings, one after the other, each in a segment of its own.
local function sender(pieces, fields)
  local o = { nagle = false }
  for k, v in pairs(fields or {}) do o[k] = v end
  return peer.dial(o, function(conn)
    for _, piece in ipairs(pieces) do
      assert(conn:send(piece))
      task.sleep(0.001)
    end
    assert(conn:passive_close())
  end)
end

-- MUST-2: `expect` looks at the checksums of all that comes.
t.test("segments of any length have right checksums", function()
  for _, family in ipairs(FAMILIES) do
    local pieces, at = {}, 1
    for length = 1, 70 do pieces[length] = string.char(length * 3 % 256):rep(length) end
    local s = peer.new { family = family, run = sender(pieces) }
    s:handshake()
    for length, piece in ipairs(pieces) do
      s:expect { flags = "P.", seq = at, data = piece }
      at = at + length
    end
    s:send { flags = ".", seq = 1, ack = at }
    s:close(1, at)
    s:succeeded()
    t.fresh()
  end
end)

-- MUST-5
t.test("options on data, ACK and FIN are stepped over, on a RST too", function()
  local options = { { "mss", 100 }, "sackOK", { 253, "ab" }, { "wscale", 3 }, "nop" }
  local function open()
    local s = peer.new()
    s:handshake()
    s:send { flags = "P.", seq = 1, ack = 1, data = LINE, options = options }
    local next_seq = 1 + #LINE
    s:expect { flags = ".", ack = next_seq }
    s:expect { flags = "P.", data = peer.answer(LINE) }
    return s, next_seq
  end
  local s, next_seq = open()
  s:send { flags = ".", seq = next_seq, ack = 66, options = options }
  s:send { flags = "F.", seq = next_seq, ack = 66, options = options }
  s:expect { flags = ".", ack = next_seq + 1 }
  s:expect { flags = "F.", seq = 66 }
  s:send { flags = ".", seq = next_seq + 1, ack = 67, options = options }
  s:succeeded()
  t.fresh()
  s, next_seq = open()
  s:send { flags = "R", seq = next_seq, options = options }
  s:failed "ECONNRESET"
end)

-- SYNs of a client without a server: `dial` opens a connection, `syn` gives its SYN.
local function callers()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  local function dial(fields)
    local o = { src = CLIENT, dst = "192.0.2.66", port = 9000, timeout = 0.01 }
    for k, v in pairs(fields or {}) do o[k] = v end
    return task.spawn(tcp.connect, o)
  end
  local function syn()
    while true do
      local packet = assert(far:recv(1))
      if packet.tcp.flags == "S" then return packet end
    end
  end
  return dial, syn
end

-- MUST-8
t.test("the initial sequence number of two same ends moves on by 250,000 a second", function()
  local dial, syn = callers()
  local first = dial { sport = 40000 }
  local before, began = syn().tcp.seq, task.now()
  for second = 1, 3 do
    first:join()
    task.sleep(began + second - task.now())
    first = dial { sport = 40000 }
    t.equal((syn().tcp.seq - before) & 0xffffffff, second * 250000, "ticks of 4 us")
  end
end)

-- MUST-9, RFC 6056
t.test("numbers and ports of many connections have no pattern", function()
  local dial, syn = callers()
  local count <const> = 2000
  for _ = 1, count do dial() end
  local steps, ports, number, port, ascending = {}, {}, 0, 0, 0
  for _ = 1, count do
    local layer = syn().tcp
    local step = (layer.seq - number) & 0xffffffff
    t.equal(steps[step], nil, "a difference that was there before")
    t.equal(ports[layer.sport], nil, "a port that was there before")
    steps[step], ports[layer.sport] = true, true
    if layer.sport > port then ascending = ascending + 1 end
    number, port = layer.seq, layer.sport
  end
  t.within(ascending, 900, 1100, "ports above the one before")
end)

-- RFC 7323 5.4
t.test("two hosts have one timestamp clock, others another", function()
  local dial, syn = callers()
  local function clock(dst, sport)
    dial { dst = dst, sport = sport }
    return syn().tcp.options.ts[1]
  end
  local first = clock("192.0.2.66", 40000)
  t.equal(clock("192.0.2.66", 40001), first, "another port, the same host")
  t.equal(clock("192.0.2.67", 40002) ~= first, true, "another host, another clock")
end)

-- MUST-14, MUST-67, SHLD-5
t.test("the MSS is the link's MTU less the headers, and the peer's is kept to", function()
  for _, family in ipairs(FAMILIES) do
    for _, mtu in ipairs { 576, 1280, 1500, 9000, 65535 } do
      local headers = family == "ip" and 40 or 60
      for _, mss in ipairs { 536, 1220, 65495 } do
        local s = peer.new { family = family, pair = { mtu = mtu },
          run = sender({ ("x"):rep(3000) }, { timestamps = false }) }
        local syn = s:handshake { options = { mss = mss } }
        t.equal(syn.options.mss, mtu - headers, "MSS offered, MTU " .. mtu)
        local got = 0
        while got < 3000 do
          local segment = s:expect { seq = 1 + got }
          t.equal(#segment.data, math.min(mss, mtu - headers, 3000 - got), "bytes in a segment")
          got = got + #segment.data
          s:send { flags = ".", seq = 1, ack = 1 + got }
        end
        s:close(1, 3001)
        s:succeeded()
        t.fresh()
      end
    end
  end
end)

-- MUST-41
t.test("listening again on a port is an error, and nothing to who is there", function()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  assert(net.attach(far, "192.0.2.66"))
  local listener = assert(tcp.listen { addr = CLIENT, port = 9000 })
  local first = assert(tcp.connect { src = "192.0.2.66", dst = CLIENT, port = 9000 })
  local conn = assert(listener:accept(1))
  local second, err = tcp.listen { addr = CLIENT, port = 9000 }
  t.equal(second, nil)
  t.equal(err.code, "EADDRINUSE")
  assert(first:send "still there\n")
  t.equal(conn:read_line(), "still there\n")
  assert(tcp.connect { src = "192.0.2.66", dst = CLIENT, port = 9000 })
  assert(listener:accept(1))
  t.equal(assert(tcp.listen { addr = CLIENT, port = 9001 }):port(), 9001)
end)

-- MUST-42: and in any other state.
t.test("a port from which connections are opened can be listened on", function()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  assert(net.attach(far, "192.0.2.66"))
  local opening = task.spawn(function()
    return tcp.connect { src = CLIENT, dst = "192.0.2.66", port = 9, sport = 9000, timeout = 30 }
  end)
  local wire = assert(net.open { src = "192.0.2.66", sport = 9 }) -- takes the SYN and is silent
  assert(wire:recv(1))
  local listener = assert(tcp.listen { addr = CLIENT, port = 9000 })
  local err = select(2, tcp.listen { addr = CLIENT, port = 9000 })
  t.equal(err.code, "EADDRINUSE", "but only once")
  local theirs = assert(tcp.connect { src = "192.0.2.66", dst = CLIENT, port = 9000 })
  local ours = assert(listener:accept(1))
  local syn = assert(wire:recv(2))
  assert(wire:send(p.ip { src = "192.0.2.66", dst = CLIENT }
    / p.tcp { sport = 9, dport = 9000, flags = "S.", seq = 7, ack = syn.tcp.seq + 1 }))
  assert(opening:join())
  listener:close()
  local closing = task.spawn(ours.close, ours) -- leaves TIME-WAIT behind
  assert(theirs:passive_close())
  closing:join()
  assert(tcp.listen { addr = CLIENT, port = 9000 }):close()
  local taken = assert(net.open { src = CLIENT, sport = 9001 })
  t.equal(select(2, tcp.listen { addr = CLIENT, port = taken:sport() }).code, "EADDRINUSE")
end)

-- RFC 6864
t.test("the identification of a datagram that is whole means nothing", function()
  local s = peer.new()
  s:handshake { ip = { id = 7 } }
  s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 5), ip = { id = 7 } }
  s:expect { flags = ".", ack = 6 }
  s:send { flags = "P.", seq = 6, ack = 1, data = LINE:sub(6), ip = { id = 7 } }
  local ack = s:expect { flags = ".", ack = 1 + #LINE }
  t.equal(ack.packet.ip.df, 1, "DF: ours is never a fragment")
  s:serve_close(LINE)
  s:succeeded()
end)

-- MUST-57
t.test("a SYN to a broadcast or multicast address opens nothing", function()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  local listener = assert(tcp.listen { addr = CLIENT, port = 9000 })
  local function syn(dst)
    assert(far:send(p.ip { src = "192.0.2.66", dst = dst }
      / p.tcp { sport = 40000, dport = 9000, flags = "S", seq = 5 }))
    return far:recv(0.01)
  end
  for _, dst in ipairs { "255.255.255.255", "224.0.0.1", "192.0.2.255" } do
    t.equal(syn(dst), nil, "an answer to a SYN to " .. dst)
  end
  t.equal(syn(CLIENT).tcp.flags, "S.", "an answer to one to us")
  listener:close()
end)

-- MUST-63
t.test("a SYN from an address that is nobody's opens nothing", function()
  local near, far = net.pair()
  assert(net.attach(near, CLIENT))
  assert(tcp.listen { addr = CLIENT, port = 9000 })
  for _, src in ipairs { "255.255.255.255", "224.0.0.1", "0.0.0.0", "239.1.2.3" } do
    assert(far:send(p.ip { src = src, dst = CLIENT }
      / p.tcp { sport = 40000, dport = 9000, flags = "S", seq = 5 }))
    t.equal(far:recv(0.01), nil, "an answer to a SYN from " .. src)
  end
  assert(far:send(p.ip { src = CLIENT, dst = CLIENT }
    / p.tcp { sport = 9000, dport = 9000, flags = "S", seq = 5 }))
  t.equal(far:recv(0.01), nil, "an answer to a SYN from itself")
end)

t.done()
