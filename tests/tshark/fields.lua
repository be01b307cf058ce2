--- The names that tshark has for our fields, and where the two are known to differ.
--
-- A name is a string, or a table: one or more names (tshark has the value under one of them) and
--
--     make     a function of the layer: the value as tshark has it
--     only     a function of the layer: whether tshark has the field in it
--     with     another protocol, whose field of that name tshark has under the same name
--     sorted   tshark's names do not keep the order of several layers
--
-- A field that tshark has no name for is NONE.
local p = require "tcplua.packet"

local fields = {}

local NONE = {} -- tshark has no name for it

local function quoting(layer) return layer.type == 3 or layer.type == 11 or layer.type == 12 end
local function is_echo(layer)
  return layer.type == 0 or layer.type == 8 or layer.type >= 13 and layer.type <= 18
end
local function type_is(...)
  local types = {}
  for _, type in ipairs { ... } do types[type] = true end
  return function(layer) return types[layer.type] end
end

local function has_address(layer) return layer.halen > 0 end
local function hardware_address(layer)
  if layer.halen == 6 then return layer.src end
  local bytes = { layer.addr:byte(1, layer.halen) }
  return ("%02x"):rep(#bytes):format(table.unpack(bytes))
end
local function dotted(name)
  return function(layer) return ("%d.%d.%d.%d"):format((">I4"):pack(layer[name]):byte(1, 4)) end
end
local function is_response(layer) return layer.qr == 1 end

fields.names = {
  eth = { dst = "eth.dst", src = "eth.src",
    type = { "eth.type", "eth.len", "eth.invalid_lentype" } },
  vlan = { p = "vlan.priority", dei = "vlan.dei", vlan = "vlan.id",
    type = { "vlan.etype", "vlan.len" } },
  qinq = { p = "ieee8021ad.priority", dei = "ieee8021ad.dei", type = NONE,
    vlan = { "ieee8021ad.id", "ieee8021ad.svid", "ieee8021ad.cvid", sorted = true } },
  sll = { pkttype = "sll.pkttype", hatype = "sll.hatype", halen = "sll.halen",
    addr = { "sll.src.eth", "sll.src.other", make = hardware_address, only = has_address },
    protocol = { "sll.etype", "sll.ltype", "sll.gretype" }, src = NONE },
  null = { family = { "null.family", "null.type" } },
  loop = { family = { "null.family", "null.type" } },
  arp = { hrd = "arp.hw.type", pro = "arp.proto.type", hln = "arp.hw.size", pln = "arp.proto.size",
    op = "arp.opcode", sha = "arp.src.hw_mac", spa = "arp.src.proto_ipv4", tha = "arp.dst.hw_mac",
    tpa = "arp.dst.proto_ipv4" },
  ip = { version = { "ip.version", with = "ip6" },
    ihl = { "ip.hdr_len", make = function(layer) return layer.ihl * 4 end }, tos = "ip.dsfield",
    length = "ip.len", id = "ip.id", flags = "ip.flags",
    offset = "ip.frag_offset", ttl = "ip.ttl",
    proto = "ip.proto", checksum = "ip.checksum", src = "ip.src", dst = "ip.dst",
    dscp = "ip.dsfield.dscp", ecn = "ip.dsfield.ecn", df = "ip.flags.df", mf = "ip.flags.mf" },
  ip6 = { version = "ipv6.version", class = "ipv6.tclass", flowlabel = "ipv6.flow",
    length = "ipv6.plen", next = "ipv6.nxt", hlim = "ipv6.hlim", src = "ipv6.src", dst = "ipv6.dst",
    dscp = "ipv6.tclass.dscp", ecn = "ipv6.tclass.ecn", tos = NONE, proto = NONE, ttl = NONE },
  ip6_hop = { next = "ipv6.hopopts.nxt", length = "ipv6.hopopts.len", data = NONE },
  ip6_dest = { next = "ipv6.dstopts.nxt", length = "ipv6.dstopts.len", data = NONE },
  ip6_route = { next = "ipv6.routing.nxt", length = "ipv6.routing.len", type = "ipv6.routing.type",
    segleft = "ipv6.routing.segleft", data = NONE },
  ip6_frag = { next = "ipv6.fraghdr.nxt", reserved = "ipv6.fraghdr.reserved_octet",
    offset = "ipv6.fraghdr.offset", reserved2 = "ipv6.fraghdr.reserved_bits",
    mf = "ipv6.fraghdr.more", id = "ipv6.fraghdr.ident" },
  udp = { sport = "udp.srcport", dport = "udp.dstport", length = "udp.length",
    checksum = "udp.checksum" },
  tcp = { sport = "tcp.srcport", dport = "tcp.dstport", seq = "tcp.seq_raw", ack = "tcp.ack_raw",
    reserved = NONE,
    offset = { "tcp.hdr_len", make = function(layer) return layer.offset * 4 end },
    flags = { "tcp.flags", make = function(layer) -- the reserved bits are among them
      return string.unpack(">I2", layer:raw(), 13) & 0xfff
    end },
    win = "tcp.window_size_value", checksum = "tcp.checksum", urg = "tcp.urgent_pointer",
    ace = NONE },
  icmp = { type = "icmp.type", code = "icmp.code", checksum = "icmp.checksum",
    id = { "icmp.ident", only = is_echo }, seq = { "icmp.seq", only = is_echo },
    length = { "icmp.length",
      only = function(l) return quoting(l) and l.length > 0 end },
    mtu = { "icmp.mtu", only = function(l) return l.type == 3 and l.code == 4 end },
    gateway = { "icmp.redir_gw", only = type_is(5) },
    pointer = { "icmp.pointer", only = type_is(12) }, rest = NONE },
  icmp_time = { originate = "icmp.originate_timestamp", receive = "icmp.receive_timestamp",
    transmit = "icmp.transmit_timestamp" },
  icmp_mask = { mask = NONE },
  icmp6 = { type = "icmpv6.type", code = "icmpv6.code", checksum = "icmpv6.checksum",
    id = { "icmpv6.echo.identifier", only = type_is(128, 129) },
    seq = { "icmpv6.echo.sequence_number", only = type_is(128, 129) },
    length = NONE, mtu = { "icmpv6.mtu", only = type_is(2) },
    pointer = { "icmpv6.pointer", only = type_is(4) },
    hlim = { "icmpv6.nd.ra.cur_hop_limit", only = type_is(134) },
    managed = { "icmpv6.nd.ra.flag.m", only = type_is(134) },
    other = { "icmpv6.nd.ra.flag.o", only = type_is(134) },
    home = { "icmpv6.nd.ra.flag.h", only = type_is(134) },
    prf = { "icmpv6.nd.ra.flag.prf", only = type_is(134) },
    proxy = { "icmpv6.nd.ra.flag.p", only = type_is(134) },
    lifetime = { "icmpv6.nd.ra.router_lifetime", only = type_is(134) },
    router = { "icmpv6.nd.na.flag.r", only = type_is(136) },
    solicited = { "icmpv6.nd.na.flag.s", only = type_is(136) },
    override = { "icmpv6.nd.na.flag.o", only = type_is(136) }, rest = NONE },
  ra = { reachable = "icmpv6.nd.ra.reachable_time", retrans = "icmpv6.nd.ra.retrans_timer" },
  ns = { target = "icmpv6.nd.ns.target_address" },
  na = { target = "icmpv6.nd.na.target_address" },
  redirect = { target = "icmpv6.nd.rd.target_address", dst = "icmpv6.rd.na.destination_address" },
  rs = {},
  dns = { id = "dns.id", qr = "dns.flags.response", opcode = "dns.flags.opcode",
    aa = { "dns.flags.authoritative", only = is_response }, tc = "dns.flags.truncated",
    rd = "dns.flags.recdesired", ra = { "dns.flags.recavail", only = is_response },
    z = "dns.flags.z",
    ad = { "dns.flags.authenticated", only = function(l) return l.qr == 1 or l.ad == 1 end },
    cd = "dns.flags.checkdisable", rcode = { "dns.flags.rcode", only = is_response },
    qdcount = { "dns.count.queries", "dns.count.zones" },
    ancount = { "dns.count.answers", "dns.count.prerequisites" },
    nscount = { "dns.count.auth_rr", "dns.count.updates" }, arcount = "dns.count.add_rr" },
  dhcp = { op = "dhcp.type", htype = "dhcp.hw.type", hlen = "dhcp.hw.len", hops = "dhcp.hops",
    xid = "dhcp.id", secs = "dhcp.secs", broadcast = "dhcp.flags.bc", zero = "dhcp.flags.reserved",
    ciaddr = "dhcp.ip.client", yiaddr = "dhcp.ip.your", siaddr = "dhcp.ip.server",
    giaddr = "dhcp.ip.relay", chaddr = NONE, sname = NONE, file = NONE,
    magic = { "dhcp.cookie", make = dotted("magic"),
      only = function(l) return l.magic == 0x63825363 end },
    mac = { "dhcp.hw.mac_addr", only = function(l) return l.htype == 1 and l.hlen == 6 end } },
}
fields.names.sll2 = { protocol = fields.names.sll.protocol, reserved = NONE,
  ifindex = "sll.ifindex", hatype = "sll.hatype", pkttype = "sll.pkttype", halen = "sll.halen",
  addr = fields.names.sll.addr, src = NONE }

fields.NONE = NONE

--- Where tshark has the verdict on a checksum.
fields.sums = { ip = "ip.checksum.status", udp = "udp.checksum.status",
  tcp = "tcp.checksum.status", icmp = "icmp.checksum.status", icmp6 = "icmpv6.checksum.status" }


-- --- options -------------------------------------------------------------------------------------

local NEIGHBOUR <const> = {
  prefix = { keys = { "length", "onlink", "autonomous", "valid", "preferred", "prefix" },
    "icmpv6.opt.prefix.length", "icmpv6.opt.prefix.flag.l", "icmpv6.opt.prefix.flag.a",
    "icmpv6.opt.prefix.valid_lifetime", "icmpv6.opt.prefix.preferred_lifetime",
    "icmpv6.opt.prefix" },
  mtu = { keys = { "mtu" }, "icmpv6.opt.mtu" },
  sll = { text = true, "icmpv6.opt.src_linkaddr" },
  tll = { text = true, "icmpv6.opt.target_linkaddr" },
  nonce = { bytes = true, "icmpv6.opt.nonce" },
  rdnss = { keys = { "lifetime" }, "icmpv6.opt.rdnss.lifetime", "icmpv6.opt.rdnss" },
}

--- tshark's names for what is in options, in the order of our fields (`keys`), or of a `pair` or
-- `ranges`, and last the list; `bytes`: it is bytes, or the field of this name is.
fields.options = {
  tcp = {
    mss = { "tcp.options.mss_val" }, wscale = { "tcp.options.wscale.shift" },
    ts = { pair = true, "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr" },
    sack = { ranges = true, "tcp.options.sack_le", "tcp.options.sack_re" },
    md5 = { bytes = true, "tcp.options.md5.digest" },
    uto = { keys = { "granularity", "timeout" }, "tcp.options.user_to_granularity",
      "tcp.options.user_to_val" },
    ao = { keys = { "keyid", "rnextkeyid", "mac" }, bytes = "mac", "tcp.options.ao.keyid",
      "tcp.options.ao.rnextkeyid", "tcp.options.ao.mac" },
    tfo = { bytes = true, "tcp.options.tfo.cookie" },
  },
  ip = { RA = { "ip.opt.ra" } },
  rs = NEIGHBOUR, ra = NEIGHBOUR, ns = NEIGHBOUR, na = NEIGHBOUR, redirect = NEIGHBOUR,
  dhcp = {
    type = { "dhcp.option.dhcp" }, requested = { text = true, "dhcp.option.requested_ip_address" },
    server = { text = true, "dhcp.option.dhcp_server_id" },
    mask = { text = true, "dhcp.option.subnet_mask" },
    lease = { "dhcp.option.ip_address_lease_time" }, mtu = { "dhcp.option.interface_mtu" },
    t1 = { "dhcp.option.renewal_time_value" }, t2 = { "dhcp.option.rebinding_time_value" },
    router = { "dhcp.option.router" }, dns = { "dhcp.option.domain_name_server" },
    broadcast = { text = true, "dhcp.option.broadcast_address" },
    ntp = { "dhcp.option.ntp_server" }, parameters = { "dhcp.option.request_list_item" },
    maxsize = { "dhcp.option.dhcp_max_message_size" },
  },
}

-- --- where the two differ ------------------------------------------------------------------------

local function each(packet, name)
  local n = 0
  return function()
    n = n + 1
    return packet:layer(name, n)
  end
end

local function any(name, test)
  return function(packet)
    for layer in each(packet, name) do
      if test(layer) then return true end
    end
    return false
  end
end

local function either(a, b)
  return function(packet) return a(packet) or b(packet) end
end

local function is_quoting(packet)
  local layers = packet:layers()
  for i, name in ipairs(layers) do
    if name:find "^icmp" and (layers[i + 1] or ""):find "^ip" then return true end
  end
  return false
end

local function is_sound_route(layer)
  if layer.type ~= 4 then return layer.type > 4 end -- others that tshark knows
  return #layer.data >= 20 and (#layer.data - 4) % 16 == 0
    and layer.data:byte(1) == (#layer.data - 4) // 16 - 1 and layer.segleft <= layer.data:byte(1)
end

local function is_unsound(layer)
  local at, data = 1, layer.data or ""
  while at <= #data do
    at = data:byte(at) == 0 and at + 1 or at + 2 + (data:byte(at + 1) or #data)
  end
  return at ~= #data + 1
end

local function is_cut(layer)
  local name = layer:name()
  local length = name == "ip" and layer.ihl or name == "tcp" and layer.offset or 0
  return #layer:raw() < math.max(#p[name](), length * 4)
end

local function has_source_route(layer)
  return layer.options and (layer.options.LSRR or layer.options.SSRR)
end

-- Whether there is an option of neighbour discovery of that name.
local function neighbours_have(option)
  return function(packet)
    for _, name in ipairs { "rs", "ra", "ns", "na", "redirect" } do
      if any(name, function(l) return l.options and l.options[option] end)(packet) then
        return true
      end
    end
  end
end

local ip = p.ip { src = "192.0.2.1", dst = "192.0.2.2" }
local ip6 = p.ip6 { src = "2001:db8::1", dst = "2001:db8::2" }
local udp = p.udp { sport = 1024, dport = 1025 } / "12345678"
local tcp = p.tcp { sport = 1024, dport = 1025, seq = 7 }
local function error_about(packet, type)
  return ip / p.icmp { type = type or 3, code = 1 } / packet:bytes()
end

--- {what (a pattern of "layer.field", "layer layers", "layer verdict"), in which packets (given the
-- packet and the layer's name), why, a packet in which it is so}
fields.known = {
  { ".", either(any("ip", function(l) return l.version ~= 4 end),
      any("ip6", function(l) return l.version ~= 6 end)),
    "at a version that is neither 4 nor 6 tshark stops, or goes by it",
    p.eth() / p.ip { version = 5 } / udp },
  { "^arp%.[st][hp]a$", any("arp", function(l)
      return l.hrd ~= 1 or l.pro ~= 0x800 or l.hln ~= 6 or l.pln ~= 4 end),
    "tshark looks for addresses of other kinds and lengths; ours are where IPv4 and Ethernet "
      .. "have them", p.eth() / p.arp { hln = 8 } / "1234" },
  { ".", function(packet, name) return any(name, is_cut)(packet) end,
    "of a header that is cut off tshark shows less", p.ip { proto = 6 } / tcp:bytes():sub(1, 10) },
  { "^ip[. ]", any("ip", function(l) return l.ihl < 5 or l.length < l.ihl * 4 end),
    "at a length shorter than the header tshark stops", p.ip { length = 19 } / udp },
  { "^tcp[. ]", any("tcp", function(l) return l.offset < 5 end),
    "at a length shorter than the header tshark stops", ip / p.tcp { offset = 4 } },
  { "^udp[. ]", any("udp", function(l) return l.length < 8 end),
    "at a length shorter than the header tshark stops", ip / p.udp { length = 7, dport = 9 } },
  { "^null", any("null", function(l) return l.family > 0xffff end),
    "of a family that cannot be tshark shows two bytes", p.null { family = 0x12345678 } / ip },
  { "verdict$", function(packet) return packet:stopped() ~= nil end,
    "where bytes are missing we do not know; tshark judges those that are there",
    p.ip { length = 400 } / p.icmp { id = 7 } / "12345678" },
  { "^[tui][cdm]p6? verdict$", is_quoting,
    "of a packet that is quoted we do not know; tshark judges those that are whole",
    error_about(ip / udp) },
  { "^tcp%.seq$", is_quoting, "in a quote tshark has no raw sequence number",
    error_about(ip / tcp) },
  { "^icmp%.id$", any("icmp", function(l) return l.type == 42 or l.type == 43 end),
    "tshark knows the extended echo of RFC 8335", ip / p.icmp { type = 42 } },
  { "^icmp6%.id$", any("icmp6", function(l) return l.type == 160 or l.type == 161 end),
    "tshark knows the extended echo of RFC 8335", ip6 / p.icmp6 { type = 160 } },
  { "^ip%.dst$", any("ip", has_source_route),
    "tshark's destination is the end of a source route",
    p.ip { options = { LSRR = { "192.0.2.7" } } } / udp },
  { "^ip layers$", any("ip", has_source_route),
    "tshark's destination is the end of a source route, and it has the next hop twice",
    p.ip { options = "\131\3\230\137\7\4\192\0\2\7\1\1" } / udp },
  { "^ip6_hop", any("ip", function(l) return l.proto == 0 end),
    "tshark takes hop-by-hop options in IPv4 too",
    ip6 / p.ip6_hop { data = "\1\4\0\0\0\0" } / p.ip { proto = 0 } / ("\59\0\1\4\0\0\0\0") },
  { "verdict$", function(packet)
      local function more(layer) return layer.mf == 1 end
      return either(any("ip", more), any("ip6_frag", more))(packet) end,
    "what is in a packet that is in a fragment we do not judge",
    p.ip { mf = 1 } / p.ip() / udp },
  { ".", any("ip6_route", function(l) return l.data and not is_sound_route(l) end),
    "at segments that are none tshark stops", ip6 / p.ip6_route { type = 4 } / udp },
  { ".", either(any("ip6_hop", is_unsound), any("ip6_dest", is_unsound)),
    "at options of IPv6 that are none tshark stops",
    ip6 / p.ip6_dest { data = "\30\200abcd" } / udp },
  { "option prefix$", neighbours_have "route",
    "tshark has the prefix of a route under the name of a prefix",
    ip6 / p.icmp6() / p.ra { options = { route = { prefix = "12345678" } } } },
  { " option ", neighbours_have "dnssl", "at names of domains that are none tshark stops",
    ip6 / p.icmp6() / p.ra { options = { { "dnssl", { domains = ("\60"):rep(8) } },
      { "mtu", { mtu = 1500 } } } } },
  { " option ", function(packet, name) return any(name, function(l)
      return tostring(l.options):find("[bad opt]", 1, true) end)(packet) end,
    "of an option that is longer than there is room for tshark shows what is there",
    ip6 / p.icmp6() / p.ra { options = "\3\9" .. ("\0"):rep(30) } },
  { "^dhcp option ", any("dhcp", function(l) return l.magic ~= 0x63825363 end),
    "without RFC 2131's cookie tshark reads no options",
    ip / p.udp { sport = 68 } / p.dhcp { magic = 0, options = { lease = 7 } } },
  { "^dhcp option ", any("dhcp", function(l)
      return l.options and (l.options.routes or l.options.search or l.options.relay
        or l.options.client) end),
    "at routes, names and a relay's words that are none tshark stops",
    ip / p.udp { sport = 68 }
      / p.dhcp { options = { { "search", "\58\98" }, { "lease", 7 } } } },
  { "^dhcp[ .][lhm]", any("dhcp", function(l) return l.options and l.options.client end),
    "tshark has the hardware in a client's identifier under the names of the header's",
    ip / p.udp { sport = 68 } / p.dhcp { options = { client = "\1abcdef" } } },
  { ".", neighbours_have "redirected",
    "tshark dissects the packet in a redirected header option, for us it is bytes",
    ip6 / p.icmp6() / p.redirect { options = { redirected = {
      packet = (ip6 / udp):bytes() } } } },
  { "^dhcp ", any("dhcp", function(l) return l.hlen > 200 end),
    "at a hardware address of more bytes than there are tshark stops",
    ip / p.udp { sport = 68 } / p.dhcp { hlen = 255 } },
}

return fields
