--- What ICMP errors do to a connection, forged ones above all: rows G1 to G10.
--
-- Anybody can send them, so (RFC 5927) only a quote of what is in flight counts, only a SYN can be
-- refused by one, and a path only ever becomes narrower.
local p = require "tcplua.packet"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "a line to be hashed\n"
local ROUTER, ROUTER6 = "198.51.100.1", "2001:db8:1::1"

-- The first `length` bytes of the client's packet, as a router quotes them.
local function quote(packet, length)
  return packet:bytes():sub(1, length or (packet.ip and 28 or 48))
end

-- An error from a router to the client; `fields` are those of icmp (icmp6).
local function icmp(s, fields, quoted)
  local packet
  if s.family == "ip" then
    packet = p.ip { src = ROUTER, dst = s.dst } / p.icmp(fields) / quoted
  else
    packet = p.ip6 { src = ROUTER6, dst = s.dst } / p.icmp6(fields) / quoted
  end
  assert(s.wire:send(packet))
end

-- The client has sent its SYN, and nobody has answered it. Returns the SYN too.
local function opening(o)
  t.sim_only()
  local s = peer.new(o)
  return s, s:expect { flags = "S" }
end

-- The client has `length` bytes in flight, in segments of at most `mss`. Returns the first of them,
-- and a function that gives the connection.
local function sending(length, mss, o)
  t.sim_only()
  local conn
  local s = peer.new {
    family = o and o.family,
    run = function(src, dst, port)
      local held <close> = assert(tcp.connect { src = src, dst = dst, port = port, nagle = false })
      conn = held
      assert(held:send(("x"):rep(length)))
      assert(held:passive_close())
    end,
  }
  s:handshake { options = { mss = mss } }
  local first = s:expect { seq = 1 }
  while s:recv(0.01) do end
  return s, first, function() return conn end
end

-- Everything from `seq` on comes in segments of `mss`.
local function resent(s, seq, length, mss)
  while seq <= length do
    s:expect({ seq = seq, len = math.min(mss, length + 1 - seq) }, 0.01)
    seq = seq + mss
  end
end

-- MUST-54, MUST-56
t.test("G1 soft errors for the SYN: it is tried again, and the answer may still come", function()
  for family, codes in pairs { ip = { 0, 1, 5, 6, 7, 8, 11, 12 }, ip6 = { 0, 2, 3 } } do
    for _, code in ipairs(codes) do
      local s, syn = opening { family = family }
      icmp(s, { type = family == "ip" and 3 or 1, code = code }, quote(syn.packet))
      s:handshake()
      s:finish(LINE)
      s:succeeded()
      t.fresh()
    end
  end
end)

-- MUST-47, SHLD-25
t.test("G1 soft errors and no answer: unreachable, in the words of the ICMP error", function()
  for code, words in pairs {
    [0] = "network unreachable", [1] = "host unreachable", [5] = "source route failed",
  } do
    local s, syn = opening()
    icmp(s, { type = 3, code = code }, quote(syn.packet))
    local err = s:failed("EHOSTUNREACH", words)
    t.contains(err.message, "192.0.2.66:9000", "message")
    t.contains(err.message, ROUTER, "message")
    t.fresh()
  end
end)

-- MUST-54, SHLD-26
t.test("G2 hard errors for the SYN: unreachable at once", function()
  for family, codes in pairs { ip = { 2, 3, 9, 10, 13 }, ip6 = { 1, 4, 5, 6 } } do
    for _, code in ipairs(codes) do
      local began = task.now()
      local s, syn = opening { family = family }
      icmp(s, { type = family == "ip" and 3 or 1, code = code }, quote(syn.packet))
      t.equal(s:failed("EHOSTUNREACH").kind, "network", "kind")
      t.within(task.now() - began, 0, 0.01, "seconds")
      t.fresh()
    end
  end
end)

-- A router that wants a SYN of 44 bytes in fragments makes no sense; a path is not dead for that.
t.test("G2 fragmentation needed for the SYN: it is tried again", function()
  local s, syn = opening()
  icmp(s, { type = 3, code = 4, mtu = 40 }, quote(syn.packet))
  s:handshake()
  s:finish(LINE)
  s:succeeded()
end)

-- MUST-47, MUST-56, SHLD-25
t.test("G3 no error ends a connection that is open", function()
  for family, types in pairs { ip = { 3, 11, 12 }, ip6 = { 1, 3, 4 } } do
    local s, first, conn = sending(3000, 1000, { family = family })
    for _, kind in ipairs(types) do
      for code = 0, 15 do
        if not (family == "ip" and kind == 3 and code == 4) then
          icmp(s, { type = kind, code = code }, quote(first.packet))
        end
      end
    end
    s:recv(0.001)
    t.equal(conn():state(), "ESTABLISHED", "state")
    t.contains(conn():trouble(), family == "ip" and ROUTER or ROUTER6, "what was noted")
    s:send { flags = ".", seq = 1, ack = 3001 }
    s:close(1, 3001)
    s:succeeded()
    t.fresh()
  end
end)

-- MUST-47, SHLD-25
t.test("G3 what was noted is named if the peer stays silent until R2", function()
  local s, first = sending(100, 1000)
  icmp(s, { type = 3, code = 1 }, quote(first.packet))
  while s:recv(100) do end
  s:failed("EHOSTUNREACH", "host unreachable (ICMP from 198.51.100.1)")
end)

-- MUST-56
t.test("G4 time exceeded and parameter problem for the SYN: soft", function()
  for family, types in pairs { ip = { 11, 12 }, ip6 = { 3, 4 } } do
    for _, kind in ipairs(types) do
      for code = 0, 1 do
        local s, syn = opening { family = family }
        icmp(s, { type = kind, code = code }, quote(syn.packet))
        s:handshake()
        s:finish(LINE)
        s:succeeded()
        t.fresh()
      end
    end
  end
end)

-- MUST-54, RFC 1191
t.test("G5 fragmentation needed for what is in flight, MTU 1400: sent again in 1360", function()
  local s, first, conn = sending(4000, 1460)
  t.equal(#first.data, 1460, "bytes in a segment")
  icmp(s, { type = 3, code = 4, mtu = 1400 }, quote(first.packet))
  resent(s, 1, 4000, 1360)
  icmp(s, { type = 3, code = 4, mtu = 1500 }, quote(first.packet)) -- a path does not grow from it
  s:none(0.01)
  t.equal(conn():info().snd_mss, 1360, "MSS")
  s:send { flags = ".", seq = 1, ack = 4001 }
  s:close(1, 4001)
  s:succeeded()
end)

t.test("G6 fragmentation needed with an MTU of 0: the next plateau below (RFC 1191)", function()
  local s, first = sending(4000, 1460)
  icmp(s, { type = 3, code = 4, mtu = 0 }, quote(first.packet))
  resent(s, 1, 4000, 1492 - 40)
end)

-- RFC 1191
t.test("G6 an MTU below 552 counts as 552, one that is no smaller as nothing", function()
  for _, mtu in ipairs { 1, 67, 68, 296, 551, 552 } do
    local s, first = sending(3000, 1460)
    icmp(s, { type = 3, code = 4, mtu = mtu }, quote(first.packet))
    resent(s, 1, 3000, 512)
    t.fresh()
  end
  for _, mtu in ipairs { 1500, 1501, 65535 } do
    local s, first, conn = sending(3000, 1460)
    icmp(s, { type = 3, code = 4, mtu = mtu }, quote(first.packet))
    s:none(0.1)
    t.equal(conn():info().snd_mss, 1460, "MSS")
    t.fresh()
  end
end)

-- RFC 8201
t.test("G7 packet too big: 1400, and never below 1280", function()
  for mtu, mss in pairs {
    [1400] = 1340, [1280] = 1220, [1279] = 1220, [68] = 1220, [1] = 1220,
  } do
    local s, first = sending(4000, 1440, { family = "ip6" })
    t.equal(#first.data, 1440, "bytes in a segment")
    icmp(s, { type = 2, mtu = mtu }, quote(first.packet))
    resent(s, 1, 4000, mss)
    t.fresh()
  end
end)

-- Changes of a quote that make it one of something else, or of nothing. Offsets are from 0, in the
-- IPv4 header (20 bytes) and the TCP header behind it.
local function changed(bytes, offset, with)
  return bytes:sub(1, offset) .. with .. bytes:sub(offset + #with + 1)
end

local function bad_quotes(packet, s)
  local whole = packet:bytes()
  local good = whole:sub(1, 28)
  local list = {
    ["an IHL of 4"] = changed(good, 0, "\x44"),
    ["an IHL beyond its end"] = changed(good, 0, "\x4f"),
    ["version 6"] = changed(good, 0, "\x65"),
    ["UDP"] = changed(good, 9, "\17"),
    ["a later fragment"] = changed(good, 6, "\0\1"),
    ["another source"] = changed(good, 15, "\77"),
    ["another destination"] = changed(good, 19, "\77"),
    ["another source port"] = changed(good, 20, "\0\1"),
    ["another destination port"] = changed(good, 22, "\0\1"),
    ["a number before the flight"] = changed(good, 24, (">I4"):pack((s.irs - 1) & 0xffffffff)),
    ["a number far behind it"] = changed(good, 24, (">I4"):pack((s.irs + 99999) & 0xffffffff)),
  }
  for length = 0, 27 do list[length .. " bytes"] = whole:sub(1, length) end
  return list
end

-- RFC 5927
t.test("G8 a quote too short, of another flow or of what is not in flight: ignored", function()
  local s, syn = opening()
  for name, bytes in pairs(bad_quotes(syn.packet, s)) do
    icmp(s, { type = 3, code = 3 }, bytes)
    s:none(0.001)
    if s.client.done then error(name .. " ended the connection") end
  end
  s:handshake()
  s:finish(LINE)
  s:succeeded()
end)

-- RFC 5927
t.test("G8 the same for the MTU of an open connection", function()
  local s, first, conn = sending(4000, 1460)
  for _, bytes in pairs(bad_quotes(first.packet, s)) do
    icmp(s, { type = 3, code = 4, mtu = 600 }, bytes)
  end
  icmp(s, { type = 3, code = 4, mtu = 600 },
    changed(quote(first.packet), 24, (">I4"):pack((s.irs + 4001) & 0xffffffff))) -- SND.NXT
  s:none(0.01)
  t.equal(conn():info().snd_mss, 1460, "MSS")
  t.equal(conn():info().retransmits, 0, "retransmissions")
end)

-- RFC 5927
t.test("G8 an error that is not whole, or sent to somebody else: ignored", function()
  local s, syn = opening()
  local quoted = quote(syn.packet)
  icmp(s, { type = 3, code = 3, checksum = 0x1234 }, quoted)
  for _, fields in ipairs {
    { mf = 1 }, { offset = 1 }, { length = 200 }, { length = 27 }, { length = 0 }, { ihl = 4 },
    { ihl = 15 }, { checksum = 0x1234 }, { dst = "192.0.2.3" }, { dst = "224.0.0.1" },
  } do
    fields.src, fields.dst = ROUTER, fields.dst or s.dst
    assert(s.wire:send(p.ip(fields) / p.icmp { type = 3, code = 3 } / quoted))
    s:none(0.001)
    t.equal(s.client.done, false, "ended")
  end
  s:handshake()
  s:finish(LINE)
  s:succeeded()
end)

t.test("G9 a flood of errors for an open connection changes nothing", function()
  local s, first, conn = sending(3000, 1000)
  local error_bytes = p.ip { src = ROUTER, dst = s.dst } / p.icmp { type = 3, code = 1 } /
    quote(first.packet)
  for _ = 1, 20000 do assert(s.wire:send(error_bytes)) end
  s:none(0.001)
  t.equal(conn():info().segs_out, 5, "segments sent")
  s:send { flags = ".", seq = 1, ack = 3001 }
  s:close(1, 3001)
  s:succeeded()
end)

-- MUST-55
t.test("G10 source quench, redirect, router advertisement, echo, unknown types: ignored", function()
  local s, syn = opening()
  for _, kind in ipairs { 0, 4, 5, 8, 9, 10, 13, 17, 40, 255 } do
    icmp(s, { type = kind, code = 0 }, quote(syn.packet))
    s:none(0.001)
  end
  s:handshake()
  s:finish(LINE)
  s:succeeded()
  t.fresh()
  s, syn = opening { family = "ip6" }
  for _, kind in ipairs { 0, 5, 100, 127, 128, 129, 133, 134, 137, 200, 255 } do
    icmp(s, { type = kind, code = 0 }, quote(syn.packet))
    s:none(0.001)
  end
  s:handshake()
  s:finish(LINE)
  s:succeeded()
end)

t.done()
