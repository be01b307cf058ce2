--- ARP and neighbour discovery, both ways, and frames that are none of ours: rows G11 to G17.
--
-- The client's end of a simulated Ethernet has a stack; the other end is read and written here,
-- frame by frame.
local core = require "tcplua.core"
local net = require "tcplua.net"
local p = require "tcplua.packet"
local t = require "harness"
local task = require "tcplua.task"
local tcp = require "tcplua.tcp"

local CLIENT, SERVER = "192.0.2.1", "192.0.2.66"
local CLIENT6, SERVER6 = "2001:db8::1", "2001:db8::66"
local GROUP6, GROUP_MAC = "ff02::1:ff00:66", "33:33:ff:00:00:66" -- solicited-node, of SERVER6
local MAC = "02:00:00:00:00:02"       -- our end
local CLIENT_MAC = "02:00:00:00:00:01"
local OTHER_MAC = "02:00:00:00:00:99"
local ANYBODY = "ff:ff:ff:ff:ff:ff"
local PORT = 9000

-- A wire with the client's stack at one end. Returns the other end.
local function ethernet(address)
  t.sim_only()
  local near, far = net.pair { medium = "eth" }
  t.equal(near:mac(), CLIENT_MAC, "the client's MAC address")
  t.equal(far:mac(), MAC, "our MAC address")
  assert(net.attach(near, address or CLIENT))
  return far
end

-- A connection to SERVER, or to SERVER6 from CLIENT6, as a task that returns conn or nil, error.
local function connecting(o)
  o = o or {}
  return task.spawn(function()
    return tcp.connect {
      src = o.src or CLIENT, dst = o.dst or SERVER, port = PORT, timeout = o.timeout,
    }
  end)
end

-- The next frame is a question for SERVER.
local function asked(far)
  local frame = assert(far:recv(10))
  t.equal(frame.eth.dst, ANYBODY, "to")
  t.equal(frame.eth.src, CLIENT_MAC, "from")
  local arp = frame.arp
  t.equal(arp.op, 1, "operation")
  t.equal(arp.sha, CLIENT_MAC, "sender's MAC address")
  t.equal(arp.spa, CLIENT, "sender's address")
  t.equal(arp.tpa, SERVER, "wanted address")
  return frame
end

local function asked6(far)
  local frame = assert(far:recv(10))
  t.equal(frame.eth.dst, GROUP_MAC, "to")
  t.equal(frame.ip6.dst, GROUP6, "group")
  t.equal(frame.ip6.hlim, 255, "hop limit")
  t.equal(frame.icmp6:checksum_ok(), true, "checksum")
  t.equal(frame.ns.target, SERVER6, "wanted address")
  t.equal(frame.ns.options.sll, CLIENT_MAC, "our address option")
  return frame
end

-- An ARP reply: SERVER is at `mac`; `arp` and `eth` change fields.
local function reply(mac, arp, eth)
  local e = { src = MAC, dst = CLIENT_MAC, type = 0x0806 }
  local a = { op = 2, sha = mac or MAC, spa = SERVER, tha = CLIENT_MAC, tpa = CLIENT }
  for k, v in pairs(eth or {}) do e[k] = v end
  for k, v in pairs(arp or {}) do a[k] = v end
  return p.eth(e) / p.arp(a)
end

local function advertisement(mac, o)
  o = o or {}
  return p.eth { src = MAC, dst = CLIENT_MAC } /
    p.ip6 { src = SERVER6, dst = CLIENT6, hlim = o.hlim or 255 } /
    p.icmp6 { type = 136, solicited = 1, override = 1, code = o.code, checksum = o.checksum } /
    p.na { target = o.target or SERVER6, options = mac and { tll = mac } or nil }
end

-- The next frame is a segment with `flags` to the MAC address `mac`.
local function segment(far, flags, mac)
  local frame = assert(far:recv(10))
  if not frame.tcp then error("wanted a segment, got " .. tostring(frame), 2) end
  t.equal(frame.tcp.flags, flags, "flags")
  t.equal(frame.eth.dst, mac or MAC, "to")
  t.equal(frame.eth.src, CLIENT_MAC, "from")
  return frame
end

local function none(far, seconds)
  local frame = far:recv(seconds or 0.1)
  if frame then error("nothing was expected, but this came: " .. tostring(frame), 2) end
end

-- What answers `frame`: flags, seq and ack are absolute; eth, ip, data as given.
local function answer(frame, o)
  local tcp_fields = {
    sport = PORT, dport = frame.tcp.sport, flags = o.flags, seq = o.seq or 0, win = 65535,
    ack = o.ack or (frame.tcp.seq + 1) & 0xffffffff,
  }
  local ethernet_header = p.eth { src = o.from or MAC, dst = o.to or CLIENT_MAC }
  local ip = frame.ip and p.ip { src = SERVER, dst = CLIENT } or
    p.ip6 { src = SERVER6, dst = CLIENT6 }
  return ethernet_header / ip / p.tcp(tcp_fields) / (o.data or "")
end

-- Completes the handshake; returns the connection and the client's SYN.
local function opened(far, client, syn, mac)
  syn = syn or segment(far, "S", mac)
  assert(far:send(answer(syn, { flags = "S." })))
  segment(far, ".", mac)
  return assert(client:join(1)), syn
end

t.test("ARP: the question, then the SYN to the MAC address that was answered", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  none(far, 0.5)
  assert(far:send(reply()))
  opened(far, client)
end)

t.test("neighbour discovery: the question to the solicited-node group, then the SYN", function()
  local far = ethernet(CLIENT6)
  local client = connecting { src = CLIENT6, dst = SERVER6 }
  asked6(far)
  none(far, 0.5)
  assert(far:send(advertisement(OTHER_MAC)))
  opened(far, client, nil, OTHER_MAC)
end)

t.test("neighbour discovery: an answer without the option is from where the frame is", function()
  local far = ethernet(CLIENT6)
  local client = connecting { src = CLIENT6, dst = SERVER6 }
  asked6(far)
  assert(far:send(advertisement(nil)))
  opened(far, client)
end)

t.test("what waits for an answer is sent once it comes, at the second question too", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  asked(far)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  -- The SYN was due again after a second, while the question was out.
  segment(far, "S")
  opened(far, client, syn)
end)

t.test("the address once known is not asked for again", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  opened(far, client)
  local again = connecting()
  opened(far, again)
end)

t.test("an address is asked for again after a minute, and used meanwhile", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local conn, syn = opened(far, client)
  task.sleep(61)
  assert(conn:send "x")
  asked(far)
  segment(far, "P.")
  assert(far:send(reply(OTHER_MAC)))
  assert(far:send(answer(syn, { flags = "P.", seq = 1, from = OTHER_MAC, data = "hello\n" })))
  segment(far, ".", OTHER_MAC)
end)

t.test("G11 no answer to ARP: three questions, a second apart, then unreachable", function()
  local far = ethernet()
  local began = task.now()
  local client = connecting()
  for i = 0, 2 do
    asked(far)
    t.within(task.now() - began, i - 0.01, i + 0.01, "seconds")
  end
  local conn, err = client:join()
  t.within(task.now() - began, 2.99, 3.01, "seconds")
  t.equal(conn, nil, "connection")
  t.equal(err.code, "EHOSTUNREACH", "code")
  t.equal(err.kind, "network", "kind")
  t.equal(err.message, "192.0.2.66:9000: no answer to ARP for 192.0.2.66", "message")
  none(far, 10)
end)

t.test("G11 no answer to neighbour discovery: the same", function()
  local far = ethernet(CLIENT6)
  local client = connecting { src = CLIENT6, dst = SERVER6 }
  for _ = 1, 3 do asked6(far) end
  local conn, err = client:join()
  t.equal(conn, nil, "connection")
  t.equal(err.code, "EHOSTUNREACH", "code")
  t.contains(err.message, "no answer to neighbour discovery for 2001:db8::66")
  none(far, 10)
end)

t.test("G11 a neighbour that was silent is asked again by the next connection", function()
  local far = ethernet()
  t.equal(select(2, connecting():join()).code, "EHOSTUNREACH", "code")
  for _ = 1, 3 do asked(far) end
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  opened(far, client)
end)

t.test("ARP for our address is answered, for another one not", function()
  local far = ethernet()
  local function ask(tpa, spa)
    assert(far:send(p.eth { src = MAC, dst = ANYBODY } /
      p.arp { op = 1, sha = MAC, spa = spa or SERVER, tpa = tpa }))
  end
  ask(CLIENT)
  local frame = assert(far:recv(0.1))
  t.equal(frame.eth.dst, MAC, "to")
  t.equal(frame.eth.src, CLIENT_MAC, "from")
  t.equal(frame.arp.op, 2, "operation")
  t.equal(frame.arp.sha, CLIENT_MAC, "MAC address")
  t.equal(frame.arp.spa, CLIENT, "address")
  t.equal(frame.arp.tha, MAC, "to whom")
  t.equal(frame.arp.tpa, SERVER, "to whom")
  ask("192.0.2.3")
  ask(SERVER)
  none(far)
  ask(CLIENT, "0.0.0.0") -- a probe (RFC 5227): the address is taken
  t.equal(assert(far:recv(0.1)).arp.op, 2, "operation")
end)

t.test("a question for us does not teach us who asks, unless we talk to it", function()
  local far = ethernet()
  assert(far:send(p.eth { src = MAC, dst = ANYBODY } /
    p.arp { op = 1, sha = MAC, spa = SERVER, tpa = CLIENT }))
  t.equal(assert(far:recv(0.1)).arp.op, 2, "operation")
  local client = connecting()
  asked(far) -- a flood of strangers must not fill the table
  assert(far:send(p.eth { src = MAC, dst = ANYBODY } /
    p.arp { op = 1, sha = MAC, spa = SERVER, tpa = CLIENT }))
  t.equal(assert(far:recv(0.1)).arp.op, 2, "operation")
  opened(far, client)
end)

t.test("neighbour solicitation for our address is answered, for another one not", function()
  local far = ethernet(CLIENT6)
  local function ask(target, o)
    o = o or {}
    assert(far:send(p.eth { src = MAC, dst = "33:33:ff:00:00:01" } /
      p.ip6 { src = SERVER6, dst = "ff02::1:ff00:1", hlim = o.hlim or 255 } /
      p.icmp6 { type = 135, checksum = o.checksum } /
      p.ns { target = target, options = { sll = MAC } }))
  end
  ask(CLIENT6)
  local frame = assert(far:recv(0.1))
  t.equal(frame.eth.dst, MAC, "to")
  t.equal(frame.ip6.src, CLIENT6, "source")
  t.equal(frame.ip6.dst, SERVER6, "destination")
  t.equal(frame.ip6.hlim, 255, "hop limit")
  t.equal(frame.icmp6.type, 136, "type")
  t.equal(frame.icmp6.solicited, 1, "solicited")
  t.equal(frame.icmp6:checksum_ok(), true, "checksum")
  t.equal(frame.na.target, CLIENT6, "target")
  t.equal(frame.na.options.tll, CLIENT_MAC, "MAC address")
  ask("2001:db8::3")
  ask(CLIENT6, { hlim = 64 })       -- has been forwarded
  ask(CLIENT6, { checksum = 0xbad })
  none(far)
end)

t.test("G12 two MAC addresses answer: the last one counts", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply(MAC)))
  assert(far:send(reply(OTHER_MAC)))
  local syn = segment(far, "S", MAC)
  assert(far:send(answer(syn, { flags = "S.", from = OTHER_MAC })))
  segment(far, ".", OTHER_MAC)
  assert(client:join(1))
end)

t.test("G12 the peer's MAC address changes in mid-flow: the connection goes on", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local conn, syn = opened(far, client)
  assert(far:send(p.eth { src = OTHER_MAC, dst = ANYBODY } / -- gratuitous
    p.arp { op = 1, sha = OTHER_MAC, spa = SERVER, tpa = SERVER }))
  assert(far:send(answer(syn, { flags = "P.", seq = 1, from = OTHER_MAC, data = "hello\n" })))
  segment(far, ".", OTHER_MAC)
  t.equal(conn:read_line(), "hello\n", "line")
end)

t.test("G13 replies with a MAC address that is none, a wrong length, or cut short: ignored",
  function()
    local far = ethernet()
    local client = connecting()
    asked(far)
    for name, frame in pairs {
      multicast = reply("01:00:5e:00:00:01"),
      broadcast = reply(ANYBODY),
      zero = reply("00:00:00:00:00:00"),
      hardware = reply(MAC, { hrd = 6 }),
      protocol = reply(MAC, { pro = 0x86dd }),
      ["hardware length"] = reply(MAC, { hln = 8 }),
      ["protocol length"] = reply(MAC, { pln = 16 }),
      operation = reply(MAC, { op = 3 }),
      ["another address"] = reply(MAC, { spa = "192.0.2.67" }),
    } do
      assert(far:send(frame))
      local came = far:recv(0.01)
      if came then error(("%s: %s"):format(name, tostring(came))) end
    end
    local whole = reply():bytes()
    for length = 0, #whole - 1 do assert(far:send(whole:sub(1, length))) end
    none(far, 0.01)
    assert(far:send(reply()))
    opened(far, client)
  end)

t.test("G13 advertisements that are wrong in any way: ignored", function()
  local far = ethernet(CLIENT6)
  local client = connecting { src = CLIENT6, dst = SERVER6 }
  asked6(far)
  for name, frame in pairs {
    multicast = advertisement("33:33:00:00:00:01"),
    zero = advertisement("00:00:00:00:00:00"),
    ["hop limit"] = advertisement(MAC, { hlim = 254 }),
    code = advertisement(MAC, { code = 1 }),
    checksum = advertisement(MAC, { checksum = 1 }),
    target = advertisement(MAC, { target = "2001:db8::67" }),
  } do
    assert(far:send(frame))
    local came = far:recv(0.01)
    if came then error(("%s: %s"):format(name, tostring(came))) end
  end
  local whole = advertisement(MAC):bytes()
  for length = 0, #whole - 1 do assert(far:send(whole:sub(1, length))) end
  none(far, 0.01)
  assert(far:send(advertisement(MAC)))
  opened(far, client)
end)

t.test("G14 frames with a VLAN tag, one or two, are not for us", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  local good = answer(syn, { flags = "S." }):bytes()
  for _, tags in ipairs { "\x81\0\0\5", "\x88\xa8\0\5\x81\0\0\7", "\x81\0\0\0" } do
    assert(far:send(good:sub(1, 12) .. tags .. good:sub(13)))
  end
  none(far)
  opened(far, client, syn)
end)

t.test("G15 LLC, SNAP, lengths in place of types, loopback tests: ignored", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  local good = answer(syn, { flags = "S." }):bytes()
  local addresses, body = good:sub(1, 12), good:sub(15)
  for _, frame in ipairs {
    addresses .. "\0\0" .. body,
    addresses .. (">I2"):pack(#body + 8) .. "\xaa\xaa\3\0\0\0\8\0" .. body, -- SNAP: IPv4
    addresses .. (">I2"):pack(#body + 3) .. "\6\6\3" .. body,               -- LLC: IP
    addresses .. "\x90\0" .. body,
    addresses .. "\xff\xff" .. body,
  } do
    assert(far:send(frame))
  end
  none(far)
  opened(far, client, syn)
end)

t.test("G16 a frame to another MAC address is not for us, whatever its IP address", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply(OTHER_MAC, nil, { dst = OTHER_MAC }))) -- overheard: not learned either
  none(far, 0.01)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  assert(far:send(answer(syn, { flags = "S.", to = OTHER_MAC })))
  assert(far:send(answer(syn, { flags = "R.", to = OTHER_MAC })))
  none(far)
  opened(far, client, syn)
end)

t.test("G17 our own frames that come back are no input", function()
  local far = ethernet()
  local client = connecting()
  assert(far:send(asked(far)))
  none(far, 0.01)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  for _ = 1, 3 do assert(far:send(syn)) end
  local back = syn:copy() -- from us, to us by MAC address: still not to our IP address
  back.eth.dst = CLIENT_MAC
  assert(far:send(back))
  none(far)
  local conn = opened(far, client, syn)
  assert(conn:send("data"))
  local data = segment(far, "P.")
  data.eth.dst = CLIENT_MAC
  assert(far:send(data))
  none(far)
  t.equal(conn:readable(), 0, "bytes to read")
end)

t.test("A15 a SYN-ACK from another MAC address is taken: the way back may be another", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local syn = segment(far, "S")
  assert(far:send(answer(syn, { flags = "S.", from = OTHER_MAC })))
  segment(far, ".", MAC) -- and not learned from
  assert(client:join(1))
end)

t.test("E4 Ethernet padding behind a short datagram is no data (scripting.md 2b 1)", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply():bytes() .. ("\0"):rep(18)))
  local syn = segment(far, "S")
  assert(far:send(answer(syn, { flags = "S." }):bytes() .. "PADDED"))
  segment(far, ".")
  local conn = assert(client:join(1))
  assert(far:send(answer(syn, { flags = ".", seq = 1 }):bytes() .. "PADDED"))
  none(far)
  assert(far:send(answer(syn, { flags = "P.", seq = 1, data = "x\n" }):bytes() .. "PADD"))
  t.equal(segment(far, ".").tcp.ack, 3, "ack")
  t.equal(conn:read_line(), "x\n", "line")
  t.equal(conn:readable(), 0, "bytes to read")
end)

t.test("a thousand strangers do not push the peer out of the table", function()
  local far = ethernet()
  local client = connecting()
  asked(far)
  assert(far:send(reply()))
  local conn = opened(far, client)
  for i = 0, 999 do
    assert(far:send(reply(OTHER_MAC, { spa = ("198.51.%d.%d"):format(i // 256, i % 256) })))
  end
  core.work()
  assert(conn:send("data"))
  segment(far, "P.")
end)

t.done()
