# Sniffing misses nothing: 200,000 frames in bursts of 64 from another namespace are all seen by a
# script that counts by a field, or said to be dropped; none vanishes. What is sent right after a
# sniffer is armed is seen, 1,000 times. Drops are said on standard error.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

frames=$(dirname "$server")/bench_frames
[ -x "$frames" ] || skip "the sender of the benchmark is not built"

cat >"$folder/count.lua" <<'END'
local net, task = require "tcplua.net", require "tcplua.task"
local how, buffer, frames, count = ...
count = math.tointeger(count)
local ports, seen = {}, 0
local sniffer = assert(net.sniffer {
  iface = "near0", filter = "udp src port 4000", buffer = math.tointeger(buffer),
  each = function(packet)
    local port = packet.udp.dport
    ports[port] = (ports[port] or 0) + 1
    seen = seen + 1
  end,
})
local pipe = io.popen("ip netns exec far " .. frames .. " far0 " .. count)
if how == "busy" then assert(pipe:read "a") end -- and nothing is read until all are sent
sniffer:start()
repeat
  local before = seen + sniffer:drops()
  task.sleep(0.5)
until seen + sniffer:drops() == before
if how ~= "busy" then assert(pipe:read "a") end
assert(pipe:close())
local _, report = assert(sniffer:stop())
local sum = 0
for port, n in pairs(ports) do
  assert(n <= (count + 65534) // 65535, "port " .. port .. " came too often")
  sum = sum + n
end
assert(sum == seen and seen == report.packets)
print(seen, report.dropped, count - seen - report.dropped)
END

counted() { # NAME HOW BUFFER COUNT
    "$TCPLUA" "$folder/count.lua" "$2" "$3" "$frames" "$4" >"$folder/out" 2>"$folder/err" ||
        fail "$1: status $?: $(cat "$folder/err")"
    read -r seen dropped vanished <"$folder/out"
    [ "$vanished" = 0 ] || fail "$1: $seen seen, $dropped dropped, $vanished vanished"
    if [ "$dropped" = 0 ]; then
        [ ! -s "$folder/err" ] || fail "$1: nothing dropped, but: $(cat "$folder/err")"
    else
        grep -q "^tcplua: sniffer on near0: $dropped packets were dropped" "$folder/err" ||
            fail "$1: $dropped dropped in silence: $(cat "$folder/err")"
    fi
    echo "ok: $1: $seen seen, $dropped dropped"
}

counted "200,000 frames in bursts" reading 33554432 200000
counted "200,000 while the script is busy" busy 134217728 200000 # room for a slow machine
[ "$dropped" = 0 ] || fail "the buffer does not hold 200,000 frames"
counted "more than a small buffer holds" busy 1048576 50000
[ "$dropped" -gt 0 ] || fail "a buffer of 1 MiB holds 50,000 frames?"

# 20 at a time: opening and closing a capture waits for the kernel.
cat >"$folder/armed.lua" <<'END'
local net, p = require "tcplua.net", require "tcplua.packet"
local mark = ...
local link = assert(net.link { iface = "near0", filter = "less 1" })
local eth = p.eth { dst = "ff:ff:ff:ff:ff:ff", src = "02:00:00:00:00:77", type = 0x88b5 }
local filter = "ether proto 0x88b5 and ether[14] = " .. mark
for i = 1, 50 do
  local frame = (eth / string.char(mark, i)):bytes()
  local sniffer <close> = assert(net.sniffer { iface = "near0", filter = filter, buffer = 1 << 20 })
  assert(link:send(frame))
  local packet = assert(sniffer:recv(10))
  assert(packet.payload:byte(2) == i, "another packet")
end
END
runs=
i=0
while [ "$i" -lt 20 ]; do
    i=$((i + 1))
    "$TCPLUA" "$folder/armed.lua" "$i" 2>"$folder/err.$i" &
    runs="$runs $!"
done
i=0
for run in $runs; do
    i=$((i + 1))
    wait "$run" || fail "armed, and yet not seen: $(cat "$folder/err.$i")"
done
echo "ok: what is sent right after a sniffer is armed is seen, 1,000 times"
