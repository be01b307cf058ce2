# Any field arrives as the script wrote it: what the kernel's raw socket would mend, what routers
# would drop, what is a lie. Sent from near, compared byte by byte with what far's interface sees. To
# this host itself, where frames made by hand do not lead, the field is named.
. "$(dirname "$0")/hosts.inc"

cat >"$folder/near.lua" <<'LUA'
local net, p = require "tcplua.net", require "tcplua.packet"
local SRC, DST <const> = "192.168.56.2", "192.168.56.1"
local SRC6, DST6 <const> = "fd00:56::2", "fd00:56::1"

local function ip(fields)
  fields.src, fields.dst = fields.src or SRC, fields.dst or DST
  return p.ip(fields)
end
local function ip6(fields)
  fields.src, fields.dst = SRC6, DST6
  return p.ip6(fields)
end
local udp = p.udp { sport = 4000, dport = 4001 }
local cases = {
  { "an ordinary one", ip {} / udp / "0" },
  { "header checksum", ip { checksum = 0x1234 } / udp / "1" },
  { "header checksum 0", ip { checksum = 0 } / udp / "2" },
  { "UDP checksum", ip {} / p.udp { checksum = 0xbeef } / "3" },
  { "length too long", ip { length = 4000 } / udp / "4" },
  { "length too short", ip { length = 22 } / udp / "5" },
  { "length 0", ip { length = 0 } / udp / "6" },
  { "id 0", ip { id = 0 } / udp / "7" },
  { "id 0, DF", ip { id = 0, flags = "DF" } / udp / "8" },
  { "IHL too long", ip { ihl = 15 } / udp / "9" },
  { "IHL 0", ip { ihl = 0 } / udp / "a" },
  { "IHL 4", ip { ihl = 4 } / udp / "b" },
  { "IHL past its options", ip { ihl = 6 } / udp / "c" },
  { "TTL 0", ip { ttl = 0 } / udp / "d" },
  { "a first fragment", ip { flags = "+" } / udp / ("e"):rep(24) },
  { "a last fragment", ip { offset = 4 } / ("f"):rep(9) },
  { "the evil bit", ip { flags = "rsvd", tos = 0xff } / udp / "g" },
  { "protocol 255", ip { proto = 255 } / "h" },
  { "source 0.0.0.0", ip { src = "0.0.0.0" } / udp / "i" },
  { "a loopback source", ip { src = "127.0.0.1", checksum = 7 } / udp / "j" },
  { "a foreign source", ip { src = "192.168.56.77" } / udp / "k" },
  { "a source that is a group", ip { src = "224.0.0.9" } / udp / "l" },
  { "no payload at all", ip {} },
  { "a header and a byte", ip { proto = 17 } / "m" },
  { "options", ip { options = "\1\7\7\4\0\0\0\0" } / udp / "n" },
  { "the limited broadcast", p.ip { src = SRC, dst = "255.255.255.255", id = 0 } / udp / "o" },
  { "the network's broadcast", p.ip { src = SRC, dst = "192.168.56.255", id = 0 } / udp / "p" },
  { "a group", p.ip { src = SRC, dst = "239.1.2.3", checksum = 3 } / udp / "q" },
  { "IPv6", ip6 {} / udp / "r" },
  { "IPv6 payload length too long", ip6 { length = 4000 } / udp / "s" },
  { "IPv6 payload length too short", ip6 { length = 3 } / udp / "t" },
  { "IPv6 hop limit 0", ip6 { hlim = 0, class = 0xab, flowlabel = 0xfffff } / udp / "u" },
  { "IPv6 next header 59", ip6 { next = 59 } / udp / "v" },
  { "IPv6 without its payload", ip6 { next = 17, length = 8 } },
}
local sent = assert(io.open(arg[1], "w"))
for _, case in ipairs(cases) do
  local name, packet = case[1], case[2]
  local ok, err = net.send(packet)
  if not ok then print("not sent: " .. name .. ": " .. tostring(err)) end
  sent:write((packet:bytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end)), "\n")
end
sent:close()
print(#cases)
LUA
cat >"$folder/far.lua" <<'LUA'
local net = require "tcplua.net"
local capture <close> = assert(net.link { iface = "far0", filter = "ip or (ip6 and not icmp6 and ip6[6] != 0)" })
print "armed"
io.stdout:flush()
local count, list = 0, {}
while true do
  local packet = capture:recv(count == 0 and 20 or 1)
  if not packet then break end
  local bytes = packet:bytes()
  local type = bytes:sub(13, 14)
  if packet.direction == "in" and (type == "\8\0" or type == "\x86\xdd") then
    count = count + 1
    print((bytes:sub(15):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
  end
end
LUA

$far "$TCPLUA" "$folder/far.lua" >"$folder/seen" &
listener=$!
until_true 20 grep -q armed "$folder/seen" || fail "far does not listen"
"$TCPLUA" "$folder/near.lua" "$folder/sent" || fail "near"
wait "$listener"
sort "$folder/sent" >"$folder/a"
grep -v armed "$folder/seen" | sort >"$folder/b"
diff "$folder/a" "$folder/b" || fail "what arrived (>) is not what was sent (<)"

cat >"$folder/self.lua" <<'LUA'
local net, p = require "tcplua.net", require "tcplua.packet"
local udp = p.udp { sport = 4000, dport = 4001 }
for _, host in ipairs { "127.0.0.1", "192.168.56.2" } do
  local capture <close> = assert(net.sniffer { iface = "lo", filter = "udp port 4001" })
  for field, packet in pairs {
    length = p.ip { length = 4000, dst = host, src = host } / udp,
    checksum = p.ip { checksum = 1, dst = host, src = host } / udp,
    id = p.ip { id = 0, dst = host, src = host } / udp,
    ihl = p.ip { ihl = 15, dst = host, src = host } / udp,
    src = p.ip { src = "0.0.0.0", dst = host } / udp,
  } do
    local ok, err = net.send(packet)
    assert(not ok, field)
    assert(err.code == "EOPNOTSUPP", tostring(err))
    assert(err.message:find("ip." .. field, 1, true), tostring(err))
    assert(err.message:find(host, 1, true), tostring(err))
  end
  for _, packet in ipairs { p.ip { dst = host, src = host } / udp / "1",
    p.ip { dst = host, src = host, ttl = 0, tos = 0xff, flags = "DF", id = 0 } / udp / "2",
    p.ip { dst = host, src = host, flags = "+", offset = 0 } / udp / "3",
    p.ip { dst = host, src = host } / p.udp { sport = 1, dport = 4001, checksum = 9 } / "4" } do
    assert(net.send(packet))
    local seen = assert(capture:recv(2))
    assert(seen:bytes():sub(15) == packet:bytes(), tostring(seen))
  end
  assert(net.send(p.ip { dst = host } / udp / "5"))
  assert(assert(capture:recv(2)).ip.src == host, "a source that was left out")
end
LUA
"$TCPLUA" "$folder/self.lua" || fail "to this host"

# A burst over addresses and ports, by each way there is, counted by the interface that gets it.
cat >"$folder/burst.lua" <<'LUA'
local net, p = require "tcplua.net", require "tcplua.packet"
local what = p.ip { dst = p.list { "192.168.56.1", "192.168.56.1" } }
  / p.udp { sport = p.random(), dport = p.range(1000, 1099) }
local report, err = net.send(what, { via = arg[1] ~= "raw" and arg[1] or nil, rate = 20000,
  count = 1000 })
if not report and arg[1] == "xdp" and err.kind == "environment" then
  print("skipped: " .. tostring(err))
  os.exit(77)
end
assert(report, err)
assert(report.sent == 1000 and report.refused == 0 and report.bytes == 28000, report.sent)
assert(report.seconds >= 0.0499, report.seconds)
LUA
for way in raw packet xdp; do
    before=$($far awk '/far0/ { print $3 }' /proc/net/dev)
    status=0
    "$TCPLUA" "$folder/burst.lua" $way || status=$?
    [ $status = 77 ] && continue
    [ $status = 0 ] || fail "a burst by $way"
    after=$($far awk '/far0/ { print $3 }' /proc/net/dev)
    [ $((after - before)) -ge 1000 ] && [ $((after - before)) -lt 1010 ] ||
        fail "$((after - before)) of 1000 packets arrived by $way"
done
