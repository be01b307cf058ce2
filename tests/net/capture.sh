# A capture of two link types: on the loopback device requests are seen as raw IP and answers as
# Ethernet. A .pcapng file has both, in order, for us and for tshark; a .pcap file has all packets
# as raw IP, and a frame of another link type that is not in it is said to be missing.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

ping=$PWD/scripts/ping.lua
cat >"$folder/both.lua" <<'END'
local net, p = require "tcplua.net", require "tcplua.packet"
local echo = p.ip { dst = "127.0.0.1" } / p.icmp { type = 8, id = 7, seq = 1 }
assert(net.sr1(echo), "no reply")
assert(net.srp1(p.arp { tpa = "192.168.56.1" }, { iface = "near0" }), "nobody has the address")
END

for file in one.pcap two.pcapng; do
    "$TCPLUA" -w "$folder/$file" "$ping" 127.0.0.1 >"$folder/out" 2>"$folder/err" ||
        fail "$file: status $?: $(cat "$folder/err")"
    grep -q "4 sent, 4 answered" "$folder/out" || fail "$file: $(cat "$folder/out")"
    [ ! -s "$folder/err" ] || fail "$file: $(cat "$folder/err")"
    "$TCPLUA" dump "$folder/$file" >"$folder/dump" || fail "dump $file: $(cat "$folder/dump")"
    for seq in 1 2 3 4; do
        grep "echo request.* seq $seq," "$folder/dump" >/dev/null || fail "$file: no request $seq"
        grep "echo reply.* seq $seq," "$folder/dump" >/dev/null || fail "$file: no reply $seq"
    done
    cut -d ' ' -f 1 "$folder/dump" | sort -c || fail "$file: not in order"
    "$TCPLUA" dump - 'icmp[icmptype] = icmp-echoreply' <"$folder/$file" >"$folder/replies" ||
        fail "dump - of $file"
    [ "$(wc -l <"$folder/replies")" = 4 ] || fail "$file: $(cat "$folder/replies")"
    if command -v tshark >/dev/null; then
        tshark -nr "$folder/$file" -Y icmp.type==0 >"$folder/tshark" 2>/dev/null
        [ "$(wc -l <"$folder/tshark")" = 4 ] || fail "tshark, $file: $(cat "$folder/tshark")"
    fi
    echo "ok: $file"
done
if ! command -v tcpdump >/dev/null; then
    echo "tcpdump is not installed"
elif tcpdump -n -r - icmp <"$folder/one.pcap" >"$folder/tcpdump" 2>"$folder/err"; then
    [ "$(grep -c "echo reply" "$folder/tcpdump")" = 4 ] || fail "tcpdump: $(cat "$folder/tcpdump")"
else # which wants to become another user, whom a namespace of our own does not have
    grep -q "Couldn't change to" "$folder/err" || fail "tcpdump: $(cat "$folder/err")"
fi

"$TCPLUA" -w "$folder/both.pcap" "$folder/both.lua" 2>"$folder/err" ||
    fail "two media into a pcap: status $?: $(cat "$folder/err")"
grep -q "frames of another link type are not in .*both.pcap: a pcap holds one" "$folder/err" ||
    fail "frames are missing in silence: $(cat "$folder/err")"
[ "$(wc -l <"$folder/err")" = 1 ] || fail "said more than once: $(cat "$folder/err")"
echo "ok: frames of another link type"
