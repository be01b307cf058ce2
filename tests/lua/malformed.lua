--- malformed: rows E1 to F13 of the table of hostile peers: headers, options, fragments that lie.
-- Each is sent into a connection, must be dropped and counted (or taken, where the row says so),
-- and must leave the connection as it was: the line still comes, and its hash is right.
--
-- Elsewhere: the reader of datagrams alone, byte by byte, in tests/unit/packet_segment.c; E4 in
-- receiving.lua and neighbour.lua; E15 in tests/unit/tcp_states.c; F1, F2 and F4 of a script's own
-- reassembly in packet_fragment.lua; F14 and F15 in command_line.lua.
local net = require "tcplua.net"
local p = require "tcplua.packet"
local peer = require "peer"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local LINE = "a line of twenty-nine bytes.\n"
local FAMILIES = { "ip", "ip6" }

-- A client in a connection; the peer's frames are sent as they are written here.
local function connected(family, run)
  local s = peer.new { family = family, run = run, wire = function(far) return far end }
  s:handshake()
  return s
end

-- The line in a segment that is good, for a row to spoil.
local function good(s, o)
  local segment = { flags = "P.", seq = 1, ack = 1, data = LINE }
  for k, v in pairs(o or {}) do segment[k] = v end
  return s:segment(segment)
end

local function finish(s)
  s:finish(LINE)
  s:succeeded()
  t.fresh()
end

-- Sends each of `list`, packets or strings: all are dropped as `verdict`, and nothing is answered.
local function dropped(s, verdict, list)
  local before = net.verdicts()
  for i, bytes in ipairs(list) do
    assert(s.wire:send(bytes))
    if i % 64 == 0 then s:none(1e-6) end
  end
  s:none(1e-6)
  local after = net.verdicts()
  t.equal((after[verdict] or 0) - (before[verdict] or 0), #list, verdict)
  t.equal(after.fine, before.fine, "segments that were taken")
end

-- Sends the line, split so that each of make(segment) carries a piece: all are taken.
local function taken(s, makers)
  local at = 1
  for i, make in ipairs(makers) do
    local last = i == #makers and #LINE or at
    local segment = good(s, { seq = at, data = LINE:sub(at, last) })
    assert(s.wire:send(make(segment)))
    s:expect { flags = ".", ack = last + 1 }
    at = last + 1
  end
  s:serve_close(LINE)
  s:succeeded()
  t.fresh()
end

-- The bytes with those from `at` (1 is the first) on replaced.
local function patch(packet, at, bytes)
  local all = type(packet) == "string" and packet or packet:bytes()
  return all:sub(1, at - 1) .. bytes .. all:sub(at + #bytes)
end

-- The same for an IPv4 header, with its checksum mended.
local function patch4(packet, at, bytes)
  local parsed = p.parse(patch(packet, at, bytes), "ip")
  parsed.ip.checksum = nil
  return parsed:bytes()
end

-- Ethernet: a connection over frames, with the MAC addresses of both ends known.
local MACS <const> = { server = "02:00:00:00:00:02", client = "02:00:00:00:00:01" }

local function connected_by_frames()
  local s = peer.new {
    pair = { medium = "eth" },
    wire = function(far)
      return {
        recv = function(_, timeout)
          while true do
            local frame, time = far:recv(timeout)
            if not frame then return nil, time end
            if frame.tcp then return p.parse(frame:bytes():sub(15), "ip"), time end
            local arp = frame.arp
            assert(far:send(p.eth { src = MACS.server, dst = MACS.client } / p.arp { op = 2,
              sha = MACS.server, spa = arp.tpa, tha = arp.sha, tpa = arp.spa }))
          end
        end,
        send = function(_, packet)
          local bytes = type(packet) == "string" and packet or
            (p.eth { src = MACS.server, dst = MACS.client, type = 0x0800 } / packet:bytes()):bytes()
          return far:send(bytes)
        end,
      }
    end,
  }
  s:handshake()
  return s
end

local function framed(packet, ethertype)
  return (p.eth { src = MACS.server, dst = MACS.client, type = ethertype } / packet:bytes()):bytes()
end

t.test("E1 datagrams and frames of 0 to 60 bytes", function()
  for _, family in ipairs(FAMILIES) do
    local s, list = connected(family), {}
    local whole = good(s):bytes()
    for length = 0, 60 do list[#list + 1] = whole:sub(1, length) end
    dropped(s, "cut short", list)
    finish(s)
  end
  local s, list = connected_by_frames(), {}
  local whole = framed(good(s), 0x0800)
  for length = 0, 60 do list[#list + 1] = whole:sub(1, length) end
  dropped(s, "cut short", list)
  finish(s)
end)

t.test("E2 a header length of 0 to 4 words, above the total length, above what came", function()
  local s, list = connected(), {}
  for words = 0, 4 do list[#list + 1] = patch(good(s), 1, string.char(0x40 | words)) end
  local short = patch(good(s), 3, "\0\x18") -- a total length of 24
  list[#list + 1] = patch(short, 1, "\x47")
  dropped(s, "bad IP header", list)
  dropped(s, "cut short", { patch(good(s):bytes():sub(1, 40), 1, "\x4f") })
  finish(s)
end)

t.test("E3 a total length of 0, below the header's, above what came", function()
  local s, lies, far = connected(), {}, {}
  for total = 0, 19 do lies[#lies + 1] = patch4(good(s), 3, string.pack(">I2", total)) end
  dropped(s, "bad IP header", lies)
  local whole = #good(s):bytes()
  for _, total in ipairs { whole + 1, 1500, 0x8000, 0xffff } do
    far[#far + 1] = patch4(good(s), 3, string.pack(">I2", total))
  end
  dropped(s, "cut short", far)
  finish(s)
end)

t.test("E5 IP versions that are none, and that of the other EtherType", function()
  local s, list = connected(), {}
  for version = 0, 15 do
    if version ~= 4 and version ~= 6 then
      list[#list + 1] = patch(good(s), 1, string.char(version << 4 | 5))
    end
  end
  dropped(s, "bad IP header", list)
  finish(s)
  s = connected_by_frames()
  dropped(s, "bad IP header", { framed(good(s), 0x86dd) })
  finish(s)
end)

t.test("E6 a wrong IP header checksum", function()
  local s, list = connected(), {}
  local whole = good(s):bytes()
  local right = string.unpack(">I2", whole, 11)
  for _, sum in ipairs { 0, 1, 0xffff, right ~ 1, right ~ 0x8000, ~right & 0xffff } do
    list[#list + 1] = patch(whole, 11, string.pack(">I2", sum))
  end
  dropped(s, "bad IP header", list)
  finish(s)
end)

t.test("E7 a data offset of 0 to 4 words, and past the end of the segment", function()
  for _, family in ipairs(FAMILIES) do
    local s, list = connected(family), {}
    for words = 0, 4 do list[#list + 1] = good(s, { tcp = { offset = words } }) end
    for words = 6, 15 do list[#list + 1] = good(s, { data = "x\n", tcp = { offset = words } }) end
    dropped(s, "bad data offset", list)
    finish(s)
  end
end)

-- MUST-3
t.test("E8 a wrong TCP checksum; in memory, without hardware, an unfinished one too", function()
  for _, family in ipairs(FAMILIES) do
    local s, list = connected(family), {}
    local right = good(s).tcp.checksum
    for _, sum in ipairs { 0, 0xffff, right ~ 1, right ~ 0x8000, ~right & 0xffff } do
      list[#list + 1] = good(s, { tcp = { checksum = sum } })
    end
    -- The sum of the pseudo-header alone: what is left of the whole without the TCP part.
    local segment = good(s)
    local zeroed = patch(segment.tcp:raw() .. segment.payload, 17, "\0\0")
    local function sum(text, start)
      text = #text % 2 == 0 and text or text .. "\0"
      for at = 1, #text, 2 do start = start + string.unpack(">I2", text, at) end
      while start > 0xffff do start = (start & 0xffff) + (start >> 16) end
      return start
    end
    local pseudo = sum(string.pack(">I2", ~segment.tcp.checksum & 0xffff), 0)
    segment.tcp.checksum = sum(string.pack(">I2", ~sum(zeroed, 0) & 0xffff), pseudo)
    list[#list + 1] = segment
    dropped(s, "bad checksum", list)
    finish(s)
  end
end)

-- MUST-7
-- MUST-3
t.test("E8 every bit of a segment turned over, alone: not taken, no answer, no change", function()
  for _, family in ipairs(FAMILIES) do
    local conn
    local s = connected(family, function(src, dst, port)
      conn = assert(tcp.connect { src = src, dst = dst, port = port })
      return peer.job(conn)
    end)
    local bytes = good(s):bytes()
    local header = family == "ip" and 20 or 40
    local before = conn:info()
    for bit = 0, 8 * (#bytes - header) - 1 do
      local at = header + 1 + bit // 8
      local byte = bytes:byte(at) ~ 1 << bit % 8
      assert(s.wire:send(bytes:sub(1, at - 1) .. string.char(byte) .. bytes:sub(at + 1)))
      s:none(1e-6)
    end
    t.equal(conn:readable(), 0, "bytes taken")
    for name, value in pairs(conn:info()) do
      t.equal(value, before[name], name)
    end
    finish(s)
  end
end)

t.test("E9 every pair of option kind and length, in a parsed packet", function()
  local head = p.tcp { sport = 1, dport = 2, offset = 8 }:bytes()
  for kind = 0, 255 do
    for length = 0, 255 do
      local bytes = head .. string.char(kind, length) .. "\3\3\7\1\1\1\2\4\5\xb4"
      local packet = p.parse(bytes, "tcp")
      local seen = 0
      for _ in pairs(packet.tcp.options) do seen = seen + 1 end
      if seen > 12 or packet:bytes() ~= bytes or not tostring(packet):find("^[ -~]+$") then
        error(("kind %d, length %d: %d options in %s"):format(kind, length, seen,
          tostring(packet)))
      end
    end
  end
end)

-- What the client makes of the options of a SYN-ACK.
local function info_with(options)
  local s = peer.new { wire = function(far) return far end, run = peer.dial({}, function(conn)
    local info = conn:info()
    peer.job(conn)
    return info
  end) }
  s:handshake { options = options }
  s:finish(LINE)
  local ok, info = s:result()
  t.equal(ok, true, tostring(info))
  t.fresh()
  return info
end

-- MUST-7
t.test("E10 options that are cut short are ignored", function()
  for _, options in ipairs {
    "\1\2\4\5", "\2\3\5\1", "\1\1\1\2", "\1\1\3\3", "\3\2\1\1", "\1\1\1\4", "\4\1\1\1",
    "\5\x0a\0\0\0\1\0\0", "\1\1\1\5", "\8\x0a\0\0\0\1\0\0", "\8\9\0\0\0\1\0\0\0\1\1\1",
  } do
    t.equal(info_with(options).snd_mss, 536, ("MSS after %q"):format(options))
  end
end)

t.test("E11 of two options of a kind the first counts", function()
  t.equal(info_with("\2\4\3\xe8\2\4\5\xb4").snd_mss, 1000, "MSS")
  t.equal(info_with("\2\3\3\2\4\3\xe8\1").snd_mss, 1000, "MSS behind one of a wrong length")
end)

t.test("E12 an MSS outside of the handshake is ignored", function()
  local s = peer.new { wire = function(far) return far end, run = peer.dial({}, function(conn)
    peer.job(conn)
    return conn:info()
  end) }
  s:handshake { options = { mss = 1000 } }
  s:send { flags = ".", seq = 1, ack = 1, data = LINE:sub(1, 5), options = { mss = 100 } }
  s:expect { flags = ".", ack = 6 }
  s:send { flags = "P.", seq = 6, ack = 1, data = LINE:sub(6), options = { mss = 4000 } }
  s:expect { flags = ".", ack = 1 + #LINE }
  s:serve_close(LINE)
  local ok, info = s:result()
  t.equal(ok, true, tostring(info))
  t.equal(info.snd_mss, 1000, "MSS")
end)

t.test("E13 a window scale of 15 to 255", function()
  for _, scale in ipairs { 15, 16, 127, 255 } do
    local info = info_with("\2\4\3\xe8\3\3" .. string.char(scale) .. "\1")
    t.equal(info.snd_mss, 1000, "MSS")
    -- Our SYN has asked for no scale, so none counts (RFC 7323 2.2).
    t.equal(info.snd_wnd, 65535, "window")
  end
end)

-- MUST-4
t.test("E14 forty bytes of NOP; garbage behind the end of the list", function()
  t.equal(info_with(("\1"):rep(40)).snd_mss, 536, "MSS")
  t.equal(info_with(("\1"):rep(36) .. "\2\4\3\xe8").snd_mss, 1000, "MSS behind 36 NOPs")
  t.equal(info_with("\2\4\3\xe8\0\2\4\1\0\xff\xff\xff").snd_mss, 1000, "MSS before the end")
  t.equal(info_with("\0\2\4\3\xe8\1\1\1").snd_mss, 536, "MSS behind the end")
end)

t.test("E16 Christmas tree, null, SYN+FIN, SYN+RST, FIN+RST before it is open", function()
  -- Without an ACK of our SYN nothing of this ends or opens it; SYN+FIN is a simultaneous open.
  for _, flags in ipairs { "FSRPU", "", "SR", "FR", "F", "FPU" } do
    local s = peer.new { wire = function(far) return far end }
    s:expect { flags = "S", seq = 0 }
    s:send { flags = flags, seq = 0 }
    s:none()
    s:send { flags = "S.", seq = 0, ack = 1 }
    s:expect { flags = ".", seq = 1, ack = 1 }
    finish(s)
  end
  local s = peer.new { wire = function(far) return far end }
  s:expect { flags = "S", seq = 0 }
  s:send { flags = "SF", seq = 0 }
  s:expect { flags = "S.", seq = 0, ack = 1 }
  t.fresh()
end)

t.test("E16 the same in an open connection", function()
  local cases = { -- flags, what is answered; a RST in its place ends it
    { "", false }, { "FPU", false }, { "SF", "." }, { "S", "." }, { "SF.", "." },
    { "FSPU", "." }, { "SR", "R" }, { "FR", "R" }, { "FSRPU.", "R" },
  }
  for _, case in ipairs(cases) do
    local s = connected()
    s:send { flags = case[1], seq = 1, ack = 1 }
    if case[2] == "R" then
      s:failed("ECONNRESET")
      t.fresh()
    else
      if case[2] then s:expect { flags = case[2], seq = 1, ack = 1 } else s:none() end
      finish(s)
    end
  end
end)

t.test("E17 a segment from its own destination (land)", function()
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    dropped(s, "source is destination", {
      good(s, { flags = "S", ip = { src = s.dst }, tcp = { sport = s.port } }),
      good(s, { ip = { src = s.dst }, tcp = { sport = s.port } }),
    })
    finish(s)
  end
end)

t.test("E18 ports of 0", function()
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    dropped(s, "port is zero", {
      good(s, { tcp = { sport = 0 } }), good(s, { tcp = { dport = 0 } }),
      good(s, { flags = "S", tcp = { dport = 0 } }),
    })
    finish(s)
  end
end)

t.test("E19 noise changes nothing in an open connection", function()
  local count = t.full and 1000000 or 20000
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    local whole = good(s):bytes()
    local first, sum = 1, 37
    if family == "ip6" then first, sum = 5, 57 end
    for i = 1, count // 2 do
      local bytes
      if i % 2 == 0 then
        -- A segment with noise in one word that a checksum covers, and that is not the checksum: by
        -- that the sum cannot come out right.
        local at
        repeat at = 2 * math.random(first, #whole // 2) - 1 until at ~= sum
        local noise = string.unpack(">I2", whole, at) ~ math.random(0xfffe)
        bytes = patch(whole, at, string.pack(">I2", noise))
      else -- nothing but noise, under a version that is one
        local noise = {}
        for at = 1, math.random(80) do noise[at] = string.char(math.random(0, 255)) end
        bytes = (family == "ip" and "\x45" or "\x60") .. table.concat(noise)
      end
      assert(s.wire:send(bytes))
      if i % 100 == 0 then while s:recv(1e-6) do end end
    end
    finish(s)
  end
end)

-- What is needed for a segment to be cut: IPv4 fragments need an ID, and leave to be made.
local function may_be_cut(family) return family == "ip" and { id = 7, df = 0 } or nil end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

-- A line in `count` fragments of 24 bytes of data each.
local function fragments(s, family, count)
  local header = family == "ip" and 20 or 48
  local line = ("x"):rep(24 * count - 20 - 1) .. "\n"
  local list = good(s, { data = line, ip = may_be_cut(family) }):fragment(header + 24, 7)
  t.equal(#list, count, "fragments")
  return list, line
end

-- The whole line is read, the answer comes, and the end.
local function read_whole(s, line)
  s:expect { flags = ".", seq = 1, ack = 1 + #line }
  s:serve_close(line)
  s:succeeded()
  t.fresh()
end

local function send_all(s, list)
  for _, packet in ipairs(list) do assert(s.wire:send(packet)) end
end

-- Nothing comes of these: no answer, and no segment that is taken.
local function spoilt(s, list)
  local before = net.verdicts().fine
  send_all(s, list)
  s:none(1e-6)
  t.equal(net.verdicts().fine, before, "segments that were taken")
end

t.test("F1 fragments, 2 to 64, in any order, each once or twice: the datagram is read", function()
  for _, family in ipairs(FAMILIES) do
    for _, count in ipairs { 2, 5, 64 } do
      local s = connected(family)
      local list, line = fragments(s, family, count)
      for i = 1, #list, 3 do list[#list + 1] = list[i] end
      send_all(s, shuffle(list))
      read_whole(s, line)
    end
  end
end)

t.test("F1 fragments are refused where the script says so; the whole segment counts", function()
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    net.fragments "refuse"
    dropped(s, "fragment", shuffle((fragments(s, family, 5))))
    finish(s)
  end
end)

t.test("F2 fragments that overlap: nothing comes of the datagram, whatever follows", function()
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    local list = fragments(s, family, 3)
    local other = list[2]:copy()
    other.payload = ("X"):rep(#other.payload)
    spoilt(s, { list[1], list[2], other, list[3], list[2], list[1] })
    finish(s)
    s = connected(family)
    list = fragments(s, family, 4)
    local wide = good(s, { data = ("y"):rep(200), ip = may_be_cut(family) })
      :fragment((family == "ip" and 20 or 48) + 48, 7)
    spoilt(s, { list[1], wide[2], list[2], list[4], list[3] })
    finish(s)
  end
end)

t.test("F2 two ends, or something behind the end", function()
  local s = connected()
  local list = fragments(s, "ip", 3)
  local short = list[2]:copy()
  short.ip.mf = 0
  short.ip.checksum = nil
  spoilt(s, { list[3], short, list[1], list[2] })
  spoilt(s, { short, list[3], list[1] })
  finish(s)
end)

t.test("F3 a first fragment shorter than the TCP header", function()
  for _, family in ipairs(FAMILIES) do
    local s = connected(family)
    local list = good(s, { ip = may_be_cut(family) }):fragment(family == "ip" and 36 or 64)
    spoilt(s, list)
    finish(s)
  end
end)

t.test("F4 a last fragment that makes more than 65,535 bytes", function()
  local s = connected()
  dropped(s, "fragment", {
    good(s, { data = ("x"):rep(600), ip = { id = 7, df = 0, offset = 8191 } }),
  })
  finish(s)
end)

t.test("F5 ten thousand incomplete datagrams: little memory, the oldest go, a whole one is read",
  function()
    for _, family in ipairs(FAMILIES) do
      local s = connected(family)
      local list, line = fragments(s, family, 2)
      local rss
      for id = 1, 10000 do
        local one
        if family == "ip" then
          one = good(s, { ip = { id = 7 + id, df = 0, mf = 1 }, data = ("x"):rep(44) })
        else
          one = p.parse(list[1]:bytes(), "ip6")
          one.ip6_frag.id = id
        end
        assert(s.wire:send(one))
        if id % 500 == 0 then
          s:none(1e-6)
          rss = rss or t.rss()
        end
        if id == 9900 then assert(s.wire:send(list[1])) end
      end
      t.within(t.rss() - rss, -1e9, 512, "KiB more")
      assert(s.wire:send(list[2]))
      read_whole(s, line)
    end
  end)

t.test("F5 what is not whole after 30 s is forgotten", function()
  local s = connected()
  local list = fragments(s, "ip", 2)
  send_all(s, { list[1] })
  task.sleep(31)
  spoilt(s, { list[2] })
  finish(s)
end)

-- An IPv6 segment with these extension headers: {layer, fields} each.
local function extended(s, segment, headers)
  local packet = p.ip6 { src = s.src, dst = s.dst }
  for _, header in ipairs(headers) do packet = packet / p[header[1]](header[2] or {}) end
  return packet / p.parse(segment:bytes():sub(41), "tcp")
end

t.test("F6 an IPv6 fragment that is whole (RFC 6946)", function()
  local s = connected "ip6"
  taken(s, { function(segment) return extended(s, segment, { { "ip6_frag", { id = 7 } } }) end })
end)

t.test("F7 extension headers: eight are skipped, more are dropped", function()
  local kinds = { { "ip6_hop" }, { "ip6_dest" }, { "ip6_route", { type = 0 } },
    { "ip6_route", { type = 4 } }, { "ip6_frag" } }
  local s, makers = connected "ip6", {}
  for count = 1, 8 do
    makers[count] = function(segment)
      local headers = {}
      for i = 1, count do headers[i] = kinds[(i + count) % #kinds + 1] end
      return extended(s, segment, headers)
    end
  end
  taken(s, makers)
  s = connected "ip6"
  local list = {}
  for _, count in ipairs { 9, 10, 50, 100 } do -- destination options of padding
    local headers = ("\x3c\0\1\4\0\0\0\0"):rep(count - 1) .. "\6\0\1\4\0\0\0\0"
    list[#list + 1] = p.ip6 { src = s.src, dst = s.dst, next = 60 } /
      (headers .. good(s):bytes():sub(41))
  end
  dropped(s, "not TCP", list)
  finish(s)
end)

t.test("F8 an extension header that goes past the end", function()
  local s, list = connected "ip6", {}
  for _, kind in ipairs { "ip6_hop", "ip6_dest", "ip6_route" } do
    for _, length in ipairs { 7, 8, 100, 255 } do
      list[#list + 1] = extended(s, good(s), { { kind, { length = length } } })
    end
  end
  dropped(s, "cut short", list)
  finish(s)
end)

t.test("F9 a jumbogram", function()
  local s = connected "ip6"
  local jumbo = extended(s, good(s), { { "ip6_hop", { data = "\xc2\4\0\1\0\0" } } })
  jumbo.ip6.length = 0
  dropped(s, "cut short", { jumbo })
  finish(s)
end)

t.test("F10 no next header, ESP, AH, what nobody knows", function()
  for _, family in ipairs(FAMILIES) do
    local s, list = connected(family), {}
    for _, number in ipairs { 59, 50, 51, 253, 255, 17, 132 } do
      list[#list + 1] = good(s, { ip = { [family == "ip" and "proto" or "next"] = number } })
    end
    dropped(s, "not TCP", list)
    finish(s)
  end
end)

-- MUST-50
t.test("F11 IPv4 options of any kind, wrong ones too, are stepped over", function()
  local s, makers = connected(), {}
  for i, options in ipairs { "\7\7\4\0\0\0\0\0", "\x83\7\8\xc0\0\2\x42\0", "\x44\8\5\0\0\0\0\0",
    "\x94\4\0\0", "\xff\xff\xff\xff", "\1\1\1\x83", "\x83\0\0\0", ("\1"):rep(40) } do
    makers[i] = function(segment)
      segment.ip.options = options
      return segment
    end
  end
  taken(s, makers)
end)

t.test("F12 our segment within IP-in-IP, GRE or IPv6 is ignored", function()
  local s = connected()
  local inner = good(s):bytes()
  local list = {}
  for _, outer in ipairs { { 4, "" }, { 47, "\0\0\8\0" }, { 41, "" } } do
    list[#list + 1] = p.ip { src = s.src, dst = s.dst, proto = outer[1] } / (outer[2] .. inner)
  end
  dropped(s, "not TCP", list)
  finish(s)
end)

t.test("F13 any TTL, DSCP and ECN are taken", function()
  for _, family in ipairs(FAMILIES) do
    local s, makers = connected(family), {}
    for i, o in ipairs { { 0, 0 }, { 1, 0 }, { 255, 0xff }, { 64, 1 }, { 64, 3 }, { 64, 0xb8 } } do
      makers[i] = function(segment)
        if family == "ip" then
          segment.ip.ttl, segment.ip.tos = o[1], o[2]
        else
          segment.ip6.hlim, segment.ip6.class = o[1], o[2]
        end
        return segment
      end
    end
    taken(s, makers)
  end
end)

t.done()
