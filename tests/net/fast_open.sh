# Fast Open (RFC 7413) with a kernel socket as the other end: the first connection fetches a cookie,
# the second has data in its SYN. We connect and we listen, over IPv4 and IPv6. Then the kernel
# changes its key, and then Fast Open is turned off at the other end: nothing is lost by it.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

keyed=$(dirname "$TCPLUA")/tests/keyed_end
[ -x "$keyed" ] || skip "the kernel's end is not built"
$far sh -c 'echo 3 >/proc/sys/net/ipv4/tcp_fastopen' 2>/dev/null ||
    skip "no net.ipv4.tcp_fastopen"
set_key() { $far sh -c "echo $1 >/proc/sys/net/ipv4/tcp_fastopen_key"; }

# Three connections to the kernel, each with a request as data; says how each went.
cat >"$folder/connect.lua" <<'LUA'
local tcp, task = require "tcplua.tcp", require "tcplua.task"
local src, dst, first, last, step = ...
for port = tonumber(first), tonumber(last) do
  if step then -- a line for the script to do something in between
    print "next"
    io.stdout:flush()
    io.read()
  end
  local conn <close> = assert(tcp.connect {
    src = src, dst = dst, port = port, fast_open = true, data = "a request\n", timeout = 10,
  })
  assert(conn:read_line { timeout = 10 } == "a request\n")
  local info = conn:info()
  assert(conn:close(10))
  print(info.syn_data and "syn data" or "no", info.cookie and #info.cookie, info.retransmits)
  task.sleep(0)
end
LUA

# As many as it says, and how each went.
cat >"$folder/listen.lua" <<'LUA'
local tcp = require "tcplua.tcp"
local addr, port, count, on = ...
local listener <close> = assert(tcp.listen {
  addr = addr, port = port, fast_open = on ~= "off",
})
print "listening"
io.stdout:flush()
for _ = 1, count do
  local conn <close> = assert(listener:accept(10))
  local state = conn:state()
  while true do
    local some, err = conn:read()
    if not some then
      assert(err.code == "EOF", err)
      break
    end
    assert(conn:send(some))
  end
  print(conn:info().syn_data and "syn data" or "no", state)
  io.stdout:flush()
  assert(conn:passive_close(10))
end
LUA

# kernel_listens ADDRESS FIRST LAST HOW: one kernel socket a port.
kernel_listens() {
    for number in $(seq "$2" "$3"); do
        : >"$folder/far.$number"
        $far "$keyed" listen "$1" "$number" "$4" >"$folder/far.$number" 2>&1 &
        until_true 5 grep -q listening "$folder/far.$number" ||
            fail "the kernel does not listen: $(cat "$folder/far.$number")"
    done
}

tab=$(printf '\t')
port=7200
for family in 4 6; do
    near=192.168.56.2 there=192.168.56.1
    [ $family = 4 ] || near=fd00:56::2 there=fd00:56::1
    kernel_listens $there $port $((port + 2)) tfo
    out=$("$TCPLUA" "$folder/connect.lua" $near $there $port $((port + 2)) 2>&1) ||
        fail "IPv$family, we connect: $out"
    [ "$out" = "no${tab}8${tab}0
syn data${tab}8${tab}0
syn data${tab}8${tab}0" ] || fail "IPv$family, we connect: $out"
    for number in $((port + 1)) $((port + 2)); do
        until_true 5 grep -q "done" "$folder/far.$number"
        grep -q "syn data" "$folder/far.$number" || fail "IPv$family: the kernel saw no data in the SYN"
    done
    echo "ok: IPv$family, we connect"
    port=$((port + 10))

    : >"$folder/near"
    "$TCPLUA" "$folder/listen.lua" $near $port 3 >"$folder/near" 2>&1 &
    end=$!
    until_true 5 grep -q listening "$folder/near" || fail "no listener: $(cat "$folder/near")"
    for round in 1 2 3; do
        out=$($far "$keyed" connect $near $port tfo 2>&1) ||
            fail "IPv$family, the kernel connects: $out; we: $(cat "$folder/near")"
        [ $round = 1 ] || [ "$out" = "syn data
done" ] || fail "IPv$family, the kernel connects, $round: $out; we: $(cat "$folder/near")"
    done
    wait "$end" || fail "IPv$family, we listen: $(cat "$folder/near")"
    [ "$(sed 1d "$folder/near" | cut -f 1)" = "no
syn data
syn data" ] || fail "IPv$family, we listen: $(cat "$folder/near")"
    echo "ok: IPv$family, we listen"
    port=$((port + 10))
done

# The cookie is wrong all of a sudden: the data comes once more, and another cookie with it; and
# then there is none.
set_key 00000001-00000002-00000003-00000004
kernel_listens 192.168.56.1 7301 7303 tfo
kernel_listens 192.168.56.1 7304 7305 plain
mkfifo "$folder/steps"
: >"$folder/near"
"$TCPLUA" "$folder/connect.lua" 192.168.56.2 192.168.56.1 7301 7305 step \
    <"$folder/steps" >"$folder/near" 2>&1 &
end=$!
exec 8>"$folder/steps"
lines() { [ "$(grep -c "$1" "$folder/near")" = "$2" ]; }
until_true 5 lines next 1 || fail "$(cat "$folder/near")"
echo >&8
until_true 5 lines next 2 || fail "$(cat "$folder/near")"
set_key 00000005-00000006-00000007-00000008
echo >&8
for n in 3 4 5; do
    until_true 5 lines next $n || fail "$(cat "$folder/near")"
    echo >&8
done
exec 8>&-
wait "$end" || fail "other keys: $(cat "$folder/near")"
[ "$(grep -v next "$folder/near")" = "no${tab}8${tab}0
no${tab}8${tab}0
syn data${tab}8${tab}0
no${tab}nil${tab}0
no${tab}nil${tab}0" ] || fail "other keys: $(cat "$folder/near")"
echo "ok: another key, and none"

# A listener of ours without: text in a SYN is taken, as from anybody, but waits for the handshake.
: >"$folder/near"
"$TCPLUA" "$folder/listen.lua" 192.168.56.2 7310 1 off >"$folder/near" 2>&1 &
end=$!
until_true 5 grep -q listening "$folder/near" || fail "no listener: $(cat "$folder/near")"
out=$($far "$keyed" connect 192.168.56.2 7310 tfo 2>&1) || fail "off: $out; $(cat "$folder/near")"
wait "$end" || fail "off: $(cat "$folder/near")"
[ "$(sed 1d "$folder/near")" = "no${tab}ESTABLISHED" ] || fail "off: $(cat "$folder/near")"
echo "ok: off"
