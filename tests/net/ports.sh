# Ports of an address of this host: taken by others, all in use, kept by the kernel's TIME-WAIT, and
# what the kernel does with segments for one after its owner has ended.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

# expect NAME STATUS WORDS COMMAND...: how it ends, and what it says.
expect() {
    name=$1
    wanted=$2
    words=$3
    shift 3
    status=0
    "$@" >"$folder/out" 2>"$folder/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$name: status $status: $(cat "$folder/out" "$folder/err")"
    grep -q -e "$words" "$folder/out" "$folder/err" ||
        fail "$name: no '$words' in: $(cat "$folder/out" "$folder/err")"
}

# Opens as many connections as there are arguments behind the port, each from the port that one
# names (0: any), and says the ports. With "hold" it stays.
cat >"$folder/open.lua" <<'END'
local tcp = require "tcplua.tcp"
local how, port = ...
local conns, ports = {}, {}
for i = 3, #arg do
  local sport = tonumber(arg[i])
  local conn = assert(tcp.connect { src = "192.168.56.2", dst = "192.168.56.1", port = port,
    sport = sport > 0 and sport or nil })
  conns[#conns + 1], ports[#ports + 1] = conn, conn:info().sport
end
print("ports", table.concat(ports, " "))
io.stdout:flush()
if how == "hold" then require "tcplua.task".sleep(60) end
for _, conn in ipairs(conns) do conn:abort() end
END
open="$TCPLUA $folder/open.lua"

# A kernel listener on near, another tcplua, and peers on far that take connections in.
serve far 192.168.56.1 8080 1000
far_server=$served
serve near 192.168.56.2 41000 1
# shellcheck disable=SC2086 # a command
expect "a kernel listener has the port" 4 "port 41000 of 192.168.56.2 is in use" \
    $open once 8080 41000
kill -KILL "$served" 2>/dev/null || true
# shellcheck disable=SC2086
$open hold 8080 41001 >"$folder/holds" 2>&1 &
holder=$!
until_true 10 grep -q ports "$folder/holds" || fail "it does not open: $(cat "$folder/holds")"
# shellcheck disable=SC2086
expect "another tcplua has the port" 4 "port 41001 of 192.168.56.2 is in use" \
    $open once 8080 41001
echo "ok: J12 a source port that is taken"

echo "41001 41004" >/proc/sys/net/ipv4/ip_local_port_range
# shellcheck disable=SC2086
expect "three of four ports are left" 0 "ports" $open once 8080 0 0 0
# shellcheck disable=SC2086
expect "no port is left" 4 "no port of 192.168.56.2 is free" $open once 8080 0 0 0 0
echo "ok: J13 no source port is left"

# The holder is killed: what the peer still sends draws the kernel's reset, and none came before.
[ "$(near_resets)" = 0 ] || fail "near's kernel sent a reset while ports were guarded"
kill -KILL "$holder"
wait "$holder" 2>/dev/null || true
[ "$(near_resets)" = 0 ] || fail "near's kernel sent a reset by itself"
kill -KILL "$far_server" # whose kernel closes the connection
until_true 5 sh -c "[ \"\$(awk -v wanted=OutRsts -f '$folder/count.awk' /proc/net/snmp)\" -ge 1 ]" ||
    fail "near's kernel did not free the peer"
until_true 5 sh -c "! $far ss -Htan | grep -q '192.168.56.2:41001'" ||
    fail "the peer's connection is still there: $($far ss -tan)"
echo "ok: N4, J15 after the end the kernel frees the peer, and not before"

# near's kernel closes a connection first and keeps TIME-WAIT for one of two ports.
echo "41010 41011" >/proc/sys/net/ipv4/ip_local_port_range
serve far 192.168.56.1 8081 1000 # which ends when its first client does not answer
cat >"$folder/close.sh" <<'END'
exec 3<>/dev/tcp/192.168.56.1/8081
read -r _ <&3
exec 3>&-
END
if command -v bash >/dev/null; then
    bash "$folder/close.sh" || fail "bash cannot connect"
    # The server has said its line and waits; the kernel that ends first keeps the port.
    until_true 5 sh -c "ss -Htan | grep -q 192.168.56.2:4101" || fail "no port: $(ss -tan)"
    serve far 192.168.56.1 8082 1000
    kill -STOP "$served" # its kernel takes connections in, which is enough
    kept=$(ss -Htan | sed -n 's/.*192.168.56.2:\(4101.\).*/\1/p')
    for _ in 1 2 3 4 5; do
        # shellcheck disable=SC2086
        expect "one of two ports is kept" 0 "ports" $open once 8082 0
        ! grep -q "ports.$kept" "$folder/out" || fail "the kernel's port $kept was taken"
    done
    # shellcheck disable=SC2086
    expect "the port that is kept" 4 "in use" $open once 8082 "$kept"
    echo "ok: N5 a port that the kernel keeps is not chosen"
fi
kill -KILL "$served" 2>/dev/null || true
