# A client that is ended in any state leaves nothing behind: after SIGINT and SIGTERM it frees the
# peer by a reset and ends by the same signal; sockets, rules, interfaces, namespaces and files are
# as before. After SIGKILL the capture can be read up to the last frame.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

env --default-signal=INT true 2>/dev/null || skip "no env --default-signal"
can_dump || skip "needs tcpdump, and root for it"
mkdir "$folder/tmp"
export TMPDIR="$folder/tmp"
mount -t tmpfs none /dev/shm 2>/dev/null || true

# Far takes packets for this network and says nothing.
ip route add 198.51.100.0/24 via 192.168.56.1
$far ip route add blackhole 198.51.100.0/24 2>/dev/null || true
$far sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'

residue() {
    ss -Htanp
    ss -Htlnp
    ss -Hwanp
    ss -H0anp
    ss -Huanp
    ip rule
    ip -6 rule
    ip route show table all | sort
    ip -o link
    ip -o address
    ip netns
    nft list ruleset 2>/dev/null || true
    ls -A "$TMPDIR" /dev/shm
    ps -eo comm= | awk '$1 == "tcplua"'
}

# --- the states: a script each, which says on standard error (-v) when it is there

cat >"$folder/connect.lua" <<'END'
local tcp = require "tcplua.tcp"
local what, src, dst, port = ...
local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port })
if what == "line" then assert(conn:read_line()) end
if what == "close-wait" then
  local hash = require "tcplua.hash"
  assert(conn:send(hash.sha256(assert(conn:read_line())):hex() .. "\n"))
  assert(conn:read_all())
end
if what == "close" then assert(conn:close()) end
io.stderr:write "here\n"
conn:read_line()
require "tcplua.task".sleep(60)
END
cat >"$folder/listen.lua" <<'END'
local listener <close> = assert(require "tcplua.tcp".listen { addr = (...), port = 9000 })
io.stderr:write "here\n"
listener:accept()
END
cat >"$folder/wire.lua" <<'END'
local wire <close> = assert(require "tcplua.net".open { src = (...), dst = "192.168.56.1" })
io.stderr:write "here\n"
wire:recv(60)
END
cat >"$folder/sniff.lua" <<'END'
local sniffer <close> = assert(require "tcplua.net".sniffer { iface = "near0" })
io.stderr:write "here\n"
while true do sniffer:recv(60) end
END
cat >"$folder/compute.lua" <<'END'
local conn <close> = assert(require "tcplua.tcp".connect { src = (...), dst = "192.168.56.1",
  port = 8080 })
assert(conn:read_line())
io.stderr:write "here\n"
while true do pcall(error) end
END

# ended SIGNAL NAME RESET MARK SCRIPT ARGUMENT...: RESET is yes where a reset must have been sent.
# The client is started by a Lua script, which unlike a shell can tell an end by a signal from an
# exit with the same number.
cat >"$folder/start.lua" <<'END'
local ok, how, number = os.execute(table.concat({ ... }, " "))
print(ok, how, number)
END
ended() {
    signal=$1
    name="$2, SIG$1"
    reset=$3
    mark=$4
    shift 4
    rm -f "$folder/err" "$folder/x.pcap"
    env --default-signal=INT "$TCPLUA" "$folder/start.lua" \
        "echo \$\$ >$folder/pid; exec env --default-signal=INT" \
        "$TCPLUA" -v -w "$folder/x.pcap" "$@" ">$folder/out 2>$folder/err" >"$folder/how" &
    starter=$!
    until_true 10 grep -q "$mark" "$folder/err" ||
        fail "$name: never there: $(cat "$folder/out" "$folder/err")"
    # Not between a segment's line and its frame: it waits for what comes next.
    [ "$signal" != KILL ] ||
        until_true 5 grep -q '^State:.*S' "/proc/$(cat "$folder/pid")/status" ||
        fail "$name: it does not wait"
    begin=$(awk '{ printf "%d", $1 * 100 }' /proc/uptime)
    kill "-$signal" "$(cat "$folder/pid")"
    wait "$starter" || fail "$name: $(cat "$folder/how")"
    took=$(($(awk '{ printf "%d", $1 * 100 }' /proc/uptime) - begin))
    case $signal in
    INT) number=2 ;;
    TERM) number=15 ;;
    KILL) number=9 ;;
    esac
    [ "$(cat "$folder/how")" = "nil	signal	$number" ] ||
        fail "$name: it ended by '$(cat "$folder/how")': $(cat "$folder/err")"
    [ "$took" -lt 100 ] || fail "$name: it took $took hundredths of a second to end"
    if [ "$signal" != KILL ] && [ "$reset" = yes ]; then
        grep -q '^> .*Flags \[R' "$folder/err" || fail "$name: no reset: $(cat "$folder/err")"
    fi
    segments=$(grep -c '^[<>!] .* IP' "$folder/err" || true)
    captured=$(tcpdump -nr "$folder/x.pcap" 'ip or ip6' 2>"$folder/tcpdump" | wc -l)
    # Without a frame there is no link type, and so no header yet.
    if [ -s "$folder/x.pcap" ] && grep -qi truncated "$folder/tcpdump"; then
        fail "$name: the capture ends within a frame"
    fi
    [ "$captured" = "$segments" ] ||
        fail "$name: $segments segments, $captured of them captured: $(cat "$folder/err")"
    residue >"$folder/after"
    cmp -s "$folder/before" "$folder/after" ||
        fail "$name: left behind: $(diff "$folder/before" "$folder/after")"
}

# A stopped server at port 8081: the kernel takes connections in for it, and nobody serves them.
serve far 192.168.56.1 8081 1000
silent=$served
kill -STOP "$silent"

# The same with a server at port 8080 that has not seen anybody yet.
served_and_ended() {
    serve far 192.168.56.1 8080 1
    ended "$@"
    kill "$served" 2>/dev/null || true
    wait "$served" 2>/dev/null || true
}

residue >"$folder/before"

for signal in INT TERM KILL; do
    ended "$signal" "SYN-SENT" any 'Flags \[S\]' "$folder/connect.lua" line \
        192.168.56.2 198.51.100.1 80
    ended "$signal" "SYN-SENT, no neighbour" any 'ARP, Request' "$folder/connect.lua" line \
        192.168.56.77 192.168.56.99 80
    ended "$signal" "waiting for the line" yes 'ESTABLISHED' "$folder/connect.lua" line \
        192.168.56.2 192.168.56.1 8081
    ended "$signal" "waiting for the line, IPv4 of nobody" yes 'ESTABLISHED' "$folder/connect.lua" \
        line 192.168.56.77 192.168.56.1 8081
    served_and_ended "$signal" "after the line" yes '^here' "$folder/connect.lua" line \
        192.168.56.2 192.168.56.1 8080
    served_and_ended "$signal" "CLOSE-WAIT" yes '^here' "$folder/connect.lua" close-wait \
        192.168.56.2 192.168.56.1 8080
    ended "$signal" "FIN-WAIT-2" yes 'FIN-WAIT-2' "$folder/connect.lua" close \
        192.168.56.2 192.168.56.1 8081
    ended "$signal" "LISTEN" no '^here' "$folder/listen.lua" 192.168.56.2
    ended "$signal" "a wire" no '^here' "$folder/wire.lua" 192.168.56.2
    ended "$signal" "a sniffer" no '^here' "$folder/sniff.lua"
    [ "$signal" = KILL ] ||
        served_and_ended "$signal" "a script that computes" yes '^here' "$folder/compute.lua" \
            192.168.56.2
    ended "$signal" "the lab" any '^here' --lab "$folder/listen.lua" 192.0.2.1
    case $signal in
    KILL) echo "ok: J15, L3 SIGKILL in every state" ;;
    *) echo "ok: J14 SIG$signal in every state" ;;
    esac
done
kill -KILL "$silent"
