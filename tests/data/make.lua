--- Writes the captures of this folder that are made by hand: shapes of files and link types that
-- tcpdump does not write here. The same bytes each time.
local p = require "tcplua.packet"

local TIME = 1700000000

local function write(name, bytes)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(bytes))
end

-- A pcap file; `order` is "<" or ">", `magic` says what the fractions of times are.
local function pcap(order, magic, linktype, packets)
  local parts = { string.pack(order .. "I4I2I2I4I4I4I4", magic, 2, 4, 0, 0, 262144, linktype) }
  for i, bytes in ipairs(packets) do
    parts[#parts + 1] = string.pack(order .. "I4I4I4I4", TIME + i, 123456, #bytes, #bytes) .. bytes
  end
  return table.concat(parts)
end

local MICRO, NANO = 0xa1b2c3d4, 0xa1b23c4d

local function option(order, code, value)
  return string.pack(order .. "I2I2", code, #value) .. value .. ("\0"):rep(-#value % 4)
end

local function block(order, type, body)
  local length = 12 + #body
  return string.pack(order .. "I4I4", type, length) .. body .. string.pack(order .. "I4", length)
end

-- A pcapng file with one interface and times in nanoseconds; a comment on each packet.
local function pcapng(order, linktype, packets)
  local parts = {
    block(order, 0x0a0d0d0a, string.pack(order .. "I4I2I2i8", 0x1a2b3c4d, 1, 0, -1)),
    block(order, 1, string.pack(order .. "I2I2I4", linktype, 0, 0)
      .. option(order, 2, "wire0") .. option(order, 9, "\9") .. option(order, 0, "")),
  }
  for i, bytes in ipairs(packets) do
    local time = (TIME + i) * 1000000000 + 123456789
    parts[#parts + 1] = block(order, 6, string.pack(order .. "I4I4I4I4I4", 0, time >> 32,
      time & 0xffffffff, #bytes, #bytes) .. bytes .. ("\0"):rep(-#bytes % 4)
      .. option(order, 1, "packet " .. i) .. option(order, 0, ""))
  end
  return table.concat(parts)
end

local ip = { src = "192.0.2.1", dst = "192.0.2.2" }
local ip6 = { src = "2001:db8::1", dst = "2001:db8::2" }
local tcp = p.tcp { sport = 40000, dport = 80, flags = "S", seq = 100, options = { mss = 1460 } }
local udp = p.udp { sport = 40000, dport = 9 } / "payload"
local eth = p.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }

local four, six = p.ip(ip) / tcp, p.ip6(ip6) / udp
local both = { four:bytes(), six:bytes() }

-- The address families as the BSDs number them: 2 for IPv4, 30 for IPv6 on macOS.
local function with_family(order)
  return { string.pack(order .. "I4", 2) .. both[1], string.pack(order .. "I4", 30) .. both[2] }
end

local framed = {
  (eth / four):bytes(), (eth / six):bytes(),
  (eth / p.ip6(ip6) / p.ip6_hop {} / p.ip6_dest {} / udp):bytes(),
  (eth / p.ip6(ip6) / p.ip6_route {} / p.ip6_frag { id = 7 } / udp):bytes(),
}

write("own-raw.pcap", pcap("<", MICRO, 101, both))
write("own-raw-big-nano.pcap", pcap(">", NANO, 101, both))
write("own-ipv4.pcap", pcap("<", MICRO, 228, { both[1] }))
write("own-ipv6.pcap", pcap("<", MICRO, 229, { both[2] }))
write("own-null.pcap", pcap("<", MICRO, 0, with_family "<"))
write("own-loop.pcap", pcap("<", MICRO, 108, with_family ">"))
write("own-eth-big.pcap", pcap(">", MICRO, 1, framed))
write("own-eth.pcapng", pcapng("<", 1, framed))
write("own-eth-big.pcapng", pcapng(">", 1, framed))
write("own-unknown.pcap", pcap("<", MICRO, 147, { "no layer has this" }))

-- One packet at least of every protocol and of everything that has a shape of its own.
local quoted4 = (p.ip(ip) / udp):bytes():sub(1, 28)
local quoted6 = (p.ip6(ip6) / udp):bytes()
local back4, back6 = p.ip { src = ip.dst, dst = ip.src }, p.ip6 { src = ip6.dst, dst = ip6.src }
local mac = "02:00:00:00:00:01"
local server = p.udp { sport = 67, dport = 68 }
local question = { { name = "www.example.", type = "A" } }
local shapes = {
  p.qinq { vlan = 5 } / p.vlan { vlan = 7, p = 3 } / p.ip(ip) / udp,
  p.arp { sha = mac, spa = ip.src, tpa = ip.dst },
  p.ip { src = ip.src, dst = ip.dst, options = { RR = { pointer = 8, ip.src, "0.0.0.0" },
    TS = { flag = 0, data = ("\0"):rep(8) }, RA = 0 } } / udp,
  p.ip { src = ip.src, dst = ip.dst, options = { LSRR = { "192.0.2.7" } } } / udp,
  p.ip { src = ip.src, dst = ip.dst, options = { SSRR = { "192.0.2.7" },
    security = ("\0"):rep(9) } } / udp,
  p.ip6(ip6) / p.ip6_hop { data = "\5\2\0\0\1\0" } / udp,
  p.ip6(ip6) / p.ip6_dest { data = "\1\4\0\0\0\0" } / udp,
  p.ip6(ip6) / p.ip6_route { segleft = 1, data = "\0\0\0\0" .. p.ip6(ip6).ip6:raw "dst" } / udp,
  back4 / p.icmp { type = 3, code = 3 } / quoted4,
  back4 / p.icmp { type = 3, code = 4, mtu = 1400 } / quoted4,
  back4 / p.icmp { type = 5, code = 1, gateway = "192.0.2.7" } / quoted4,
  back4 / p.icmp { type = 11 } / quoted4,
  back4 / p.icmp { type = 12, pointer = 20 } / quoted4,
  back4 / p.icmp { type = 0, id = 7, seq = 1 } / "echo",
  p.ip(ip) / p.icmp { type = 13, id = 7 } / p.icmp_time { originate = 36000000 },
  p.ip(ip) / p.icmp { type = 17, id = 7 } / p.icmp_mask {},
  back6 / p.icmp6 { type = 1, code = 4 } / quoted6,
  back6 / p.icmp6 { type = 2, mtu = 1280 } / quoted6,
  back6 / p.icmp6 { type = 3 } / quoted6,
  back6 / p.icmp6 { type = 4, pointer = 40 } / quoted6,
  p.ip6(ip6) / p.icmp6() / p.rs { options = { sll = mac } },
  p.ip6(ip6) / p.icmp6 { hlim = 64, managed = 1, lifetime = 1800 } / p.ra { retrans = 1000,
    options = { sll = mac, mtu = { mtu = 1500 }, rdnss = { lifetime = 600, "2001:db8::53" },
      prefix = { onlink = 1, valid = 86400, prefix = "2001:db8::" },
      route = { length = 64, lifetime = 60, prefix = "\32\1\13\184\0\0\0\1" },
      dnssl = { lifetime = 600, domains = "\7example\0\0\0\0\0\0\0\0" } } },
  p.ip6(ip6) / p.icmp6() / p.ns { target = ip6.dst, options = { sll = mac, nonce = "123456" } },
  p.ip6(ip6) / p.icmp6 { solicited = 1 } / p.na { target = ip6.src, options = { tll = mac } },
  p.ip6(ip6) / p.icmp6() / p.redirect { target = ip6.src, dst = "2001:db8::7",
    options = { tll = mac } },
  p.ip(ip) / p.udp { sport = 40000 } / p.dns { id = 7, questions = question },
  back4 / p.udp { dport = 40000 } / p.dns { id = 7, qr = 1, questions = question,
    answers = { { name = "www.example.", ttl = 60, address = "192.0.2.80" } } },
  p.ip { src = "0.0.0.0", dst = "255.255.255.255" } / p.udp { sport = 68, dport = 67 }
    / p.dhcp { xid = 7, mac = mac, options = { type = 1, parameters = { 1, 3, 6 }, eol = true } },
  back4 / server / p.dhcp { op = 2, xid = 7, yiaddr = ip.src, mac = mac, options = { type = 2,
    server = ip.dst, lease = 3600, mask = "255.255.255.0", router = { ip.dst },
    dns = { ip.dst, "192.0.2.53" }, eol = true } },
  p.ip(ip) / p.tcp { sport = 40000, dport = 80, flags = "S", options = { mss = 1460, sackOK = true,
    ts = { 1, 0 }, wscale = 7, tfo = "" } },
  p.ip(ip) / p.tcp { sport = 40000, dport = 80, ack = 9, flags = ".", options = {
    sack = { { 20, 30 }, { 40, 50 } }, ts = { 2, 1 } } },
  p.ip6(ip6) / p.tcp { sport = 40000, dport = 80, flags = "P.", ack = 9, options = {
    md5 = ("m"):rep(16), uto = { granularity = 1, timeout = 5 } } } / "data",
  p.ip6(ip6) / p.tcp { sport = 40000, dport = 80, flags = ".", ack = 9, options = {
    ao = { keyid = 1, rnextkeyid = 2, mac = ("a"):rep(12) }, accecn0 = { 1, 2, 3 },
    [253] = "\249\137" } },
  p.ip(ip) / p.tcp { sport = 40000, dport = 80, flags = "SEWe", options = { mss = 1460,
    mptcp = "\1\0" .. ("k"):rep(8) } },
}
local all = {}
for i, packet in ipairs(shapes) do all[i] = (eth / packet):bytes() end
for _, whole in ipairs { p.ip(ip) / udp / ("x"):rep(60), p.ip6(ip6) / udp / ("x"):rep(60) } do
  for _, part in ipairs(whole:fragment(whole.ip and 60 or 88, 7)) do
    all[#all + 1] = (eth / part):bytes()
  end
end
all[#all + 1] = all[3] .. ("\0"):rep(9) -- padding of the frame

write("own-shapes.pcap", pcap("<", MICRO, 1, all))
write("own-shapes-big-nano.pcap", pcap(">", NANO, 1, all))
write("own-shapes.pcapng", pcapng("<", 1, all))
write("own-shapes-big.pcapng", pcapng(">", 1, all))
