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
