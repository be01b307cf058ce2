# Rows G18 and G21 of the table of hostile peers: what happens to a connection when its interface
# goes down, vanishes, gets another name, address or MTU; and an address that is on another
# interface than the one the route takes.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

# Reads the line, runs the command, answers, and says how the exchange ended and whether the
# processor was idle meanwhile.
cat >"$folder/change.lua" <<'END'
local tcp, hash = require "tcplua.tcp", require "tcplua.hash"
local src, dst, port, command = ...
local conn = assert(tcp.connect { src = src, dst = dst, port = port, timeout = 3 })
local line = assert(conn:read_line())
assert(os.execute(command))
local cpu = os.clock()
local done, err = conn:send(hash.sha256(line):hex() .. "\n", 0.5)
if done then done, err = conn:passive_close(0.5) end
print(done and "done" or err.code)
print(os.clock() - cpu < 0.5 and "idle" or "busy")
if err then io.stderr:write(tostring(err), "\n") end
END

# change NAME SRC PORT COMMAND CODE WORDS: the exchange ends with the code, and the error, if it is
# one, says the words.
change() {
    serve far 192.168.56.1 "$3" 1
    "$TCPLUA" --timeout 20 "$folder/change.lua" "$2" 192.168.56.1 "$3" "$4" >"$folder/out" \
        2>"$folder/err" || fail "$1: status $?: $(cat "$folder/err")"
    kill "$served" 2>/dev/null || true
    wait "$served" 2>/dev/null || true
    [ "$(cat "$folder/out")" = "$5
idle" ] || fail "$1: $(cat "$folder/out" "$folder/err")"
    grep -q "$6" "$folder/err" || [ -z "$6" ] || fail "$1: it says: $(cat "$folder/err")"
    echo "ok: $1"
}
own=192.168.56.2
nobody=192.168.56.77
# 20,000 bytes after the MTU fell below the segments that both ends have agreed on.
cat >"$folder/big.lua" <<'END'
local tcp = require "tcplua.tcp"
local src, dst, port = ...
local conn <close> = assert(tcp.connect { src = src, dst = dst, port = port })
assert(os.execute "ip link set near0 mtu 600")
assert(conn:send(("x"):rep(20000), 10))
assert(conn:close(10))
END
cat >"$folder/sink.lua" <<'END'
local listener <close> = assert(require "tcplua.tcp".listen { addr = (...), port = 8110 })
io.stderr:write "listening\n"
local conn <close> = assert(listener:accept(10))
print(#assert(conn:read_all(1 << 20, 10)))
END
for src in $own $nobody; do
    : >"$folder/server"
    $far "$TCPLUA" --timeout 20 "$folder/sink.lua" 192.168.56.1 >"$folder/out" \
        2>"$folder/server" &
    until_true 5 grep -q listening "$folder/server" || fail "no server: $(cat "$folder/server")"
    "$TCPLUA" --timeout 20 "$folder/big.lua" "$src" 192.168.56.1 8110 2>"$folder/err" ||
        fail "G18 its MTU falls, from $src: status $?: $(cat "$folder/err")"
    wait $! || fail "G18 its MTU falls, from $src: $(cat "$folder/server")"
    [ "$(cat "$folder/out")" = 20000 ] || fail "G18 its MTU falls: $(cat "$folder/out")"
    echo "ok: G18 its MTU falls, from $src"
done

# Routed by the other interface, whose address it has not.
ip link add other0 type veth peer name other1
ip link set other0 up
ip link set other1 up
ip address add 10.56.0.1/24 dev other0
$far ip route add 10.56.0.0/24 via 192.168.56.2
serve far 192.168.56.1 8114 1
"$TCPLUA" "$client" 10.56.0.1 192.168.56.1 8114 2>"$folder/err" ||
    fail "G21: status $?: $(cat "$folder/err")"
serve_end G21
echo "ok: G21 an address of one interface, a route by another"

change "G18 is renamed" $own 8105 "ip link set near0 name near9" "done" ""
ip link set near9 name near0
change "G18 is renamed, packet socket" $nobody 8106 "ip link set near0 name near9" "done" ""
ip link set near9 name near0
change "G18 its address is removed" $own 8107 "ip address del 192.168.56.2/24 dev near0" \
    EHOSTUNREACH "cannot send from 192.168.56.2"
ip address add 192.168.56.2/24 dev near0
change "G18 goes down" $own 8101 "ip link set near0 down" EHOSTUNREACH "Network is unreachable"

for src in $own $nobody; do
    status=0
    "$TCPLUA" "$client" "$src" 192.168.56.1 8113 2>"$folder/err" || status=$?
    [ "$status" = 1 ] || fail "G18 is down, from $src: status $status"
    grep -q "no route to 192.168.56.1" "$folder/err" ||
        fail "G18 is down, from $src: it says: $(cat "$folder/err")"
    echo "ok: G18 is down, from $src"
done

up() {
    ip link set near0 up
    until_true 5 carrier || fail "the veth pair does not come up again"
}
up
change "G18 goes down, packet socket" $nobody 8102 "ip link set near0 down" ENETDOWN \
    "near0 went down"
up
change "G18 is removed, packet socket" $nobody 8104 "ip link del near0" ENODEV "near0 is gone"
ip link add near0 type veth peer name far0 netns far
ip address add 192.168.56.2/24 dev near0
$far ip link set far0 up
$far ip address add 192.168.56.1/24 dev far0
up
change "G18 is removed" $own 8103 "ip link del near0" EHOSTUNREACH "Network is unreachable"
