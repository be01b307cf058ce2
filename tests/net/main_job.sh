# The main job against kernel sockets: between two hosts, within one, over IPv6, from an address
# that nobody has; 200 times, 20 at once; from one source port again and again. No kernel sends a
# reset.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

# Nobody but the two ends of the job may end it: compared at every check.
near_before=$(near_resets)
far_before=$(far_resets)
no_reset() {
    [ "$(near_resets)" = "$near_before" ] || fail "$1: near's kernel sent a reset"
    [ "$(far_resets)" = "$far_before" ] || fail "$1: far's kernel sent a reset"
}

# The close as RFC 9293 3.6 has it: their FIN, our ACK of it, and our FIN in a segment of its own.
close_in_order() { # FILE NAME
    awk '/^< .*Flags \[F\.\]/ { fin = 1; next }
        fin == 1 && /^> .*Flags \[\.\]/ { fin = 2; next }
        fin == 2 && /^> .*Flags \[F\.\]/ { fin = 3; next }
        fin == 3 && /^< .*Flags \[\.\]/ { fin = 4 }
        /Flags \[[^]]*R/ { exit 1 }
        END { exit fin != 4 }' "$1" || fail "$2: the close is not FIN, ACK, FIN, ACK: $(cat "$1")"
}

# The same in the capture, read by tcpdump.
captured_in_order() { # FILE PORT NAME
    can_dump || return 0
    tcpdump -nr "$1" tcp 2>/dev/null |
        awk -v to="[.]$2:\$" '{ print ($5 ~ to ? "> " : "< ") $0 }' >"$folder/dump"
    close_in_order "$folder/dump" "$3, as captured"
}

job() { # NAME WHERE SRC DST PORT
    serve "$2" "$4" "$5" 1
    "$TCPLUA" -v --force -w "$folder/job.pcapng" \
        "$client" "$3" "$4" "$5" >"$folder/out" 2>"$folder/err" ||
        fail "$1: status $?: $(cat "$folder/err")"
    serve_end "$1"
    [ ! -s "$folder/out" ] || fail "$1: it prints: $(cat "$folder/out")"
    close_in_order "$folder/err" "$1"
    captured_in_order "$folder/job.pcapng" "$5" "$1"
    no_reset "$1"
    echo "ok: $1"
}

job "two hosts" far 192.168.56.2 192.168.56.1 8080
job "two hosts, IPv6" far fd00:56::2 fd00:56::1 8080
job "G20 loopback" near 127.0.0.1 127.0.0.1 8080
job "G20 two addresses of loopback" near 127.0.0.2 127.0.0.1 8081
job "G20 loopback, IPv6" near ::1 ::1 8082
job "two addresses of one host" near 192.168.56.2 192.168.56.3 8083
job "one address of one host" near 192.168.56.2 192.168.56.2 8084
job "from an address that nobody has" far 192.168.56.77 192.168.56.1 8081
job "from an address that nobody has, IPv6" far fd00:56::77 fd00:56::1 8081

serve far 192.168.56.1 8085 200
i=0
while [ "$i" -lt 200 ]; do
    i=$((i + 1))
    "$TCPLUA" "$client" 192.168.56.2 192.168.56.1 8085 2>"$folder/err" ||
        fail "run $i of 200: status $?: $(cat "$folder/err")"
done
serve_end "200 runs"
no_reset "200 runs"
echo "ok: 200 of 200"

again_before=$(far_again)
many=200
! grep -q __asan_init "$TCPLUA" || many=20
serve far 192.168.56.1 8086 "$many"
clients=
i=0
while [ "$i" -lt "$many" ]; do
    i=$((i + 1))
    "$TCPLUA" "$client" 192.168.56.2 192.168.56.1 8086 2>"$folder/err$i" &
    clients="$clients $!"
done
i=0
for process in $clients; do
    i=$((i + 1))
    wait "$process" || fail "$many at once, client $i: status $?: $(cat "$folder/err$i")"
done
serve_end "$many at once"
# Where 200 want the processor, a server may repeat a FIN whose answer is late; that copy comes when
# the process, and with it the guard, may be gone.
resets=$(($(near_resets) - near_before))
[ "$resets" -le $(($(far_again) - again_before)) ] ||
    fail "$many at once: near's kernel sent $resets resets"
near_before=$(near_resets)
no_reset "$many at once"
echo "ok: J11 $many at once"

# The server closes first and keeps TIME-WAIT; a client that comes again from the same port is let
# in only if its sequence numbers have moved on (RFC 9293 3.10.7.4), across processes too.
cat >"$folder/port.lua" <<'END'
local tcp, hash = require "tcplua.tcp", require "tcplua.hash"
local src, dst, port, sport = ...
local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port, sport = sport })
local line = assert(conn:read_line())
assert(conn:send(hash.sha256(line):hex() .. "\n"))
assert(conn:passive_close())
END
again() { # NAME SRC DST PORT
    serve far "$3" "$4" 5
    for i in 1 2 3 4 5; do
        if [ "$i" -gt 1 ]; then
            until_true 2 sh -c "$far ss -Htan state time-wait | grep -q ':50000 *$'" ||
                fail "$1: the server keeps no TIME-WAIT: $($far ss -tan)"
        fi
        "$TCPLUA" --timeout 900ms -v "$folder/port.lua" "$2" "$3" "$4" 50000 2>"$folder/err" ||
            fail "$1, run $i: status $?: $(cat "$folder/err")"
        if grep -q 'Flags \[[^]]*R' "$folder/err"; then
            fail "$1, run $i: a reset: $(cat "$folder/err")"
        fi
    done
    serve_end "$1"
    no_reset "$1"
    echo "ok: $1"
}
again "the same port five times" 192.168.56.2 192.168.56.1 8087
again "the same port five times, IPv6" fd00:56::2 fd00:56::1 8087
again "the same port five times, from an address that nobody has" 192.168.56.78 192.168.56.1 8088
