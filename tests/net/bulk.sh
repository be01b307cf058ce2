# Much data with a kernel socket as the other end: we connect and we listen, we send and we receive,
# on raw sockets and, a quarter of it, on a packet socket; then with 1 % of the frames lost each way.
# Both ends hash what they saw. TCPLUA_MIB says how much (64; the target "bulk" takes 1024),
# TCPLUA_CONGESTION what the kernel's end uses.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

bulk=$(dirname "$TCPLUA")/tests/bench/bench_bulk
[ -x "$bulk" ] || skip "the kernel's end is not built"
bytes=$((${TCPLUA_MIB:-64} << 20))

# Our end: as bench_bulk, but with the source address after the role, and no listener kept.
cat >"$folder/bulk.lua" <<'LUA'
local core, hash, tcp = require "tcplua.core", require "tcplua.hash", require "tcplua.tcp"
local role, src, dst, port, way, bytes = ...
bytes = math.tointeger(tonumber(bytes))

-- Resets that our kernel has sent. They are counted here, while our guard stands: what a peer sends
-- twice may come when the process, and its TIME-WAIT, have ended, and is refused with reason.
local function resets()
  local names, values = io.input("/proc/net/snmp"):read("a"):match("Tcp: (%a[^\n]*)\nTcp: ([^\n]*)")
  local value = values:gmatch("%S+")
  for name in names:gmatch("%S+") do
    local number = value()
    if name == "OutRsts" then return tonumber(number) end
  end
end

local function open()
  if role == "connect" then return assert(tcp.connect { src = src, dst = dst, port = port }) end
  local listener = assert(tcp.listen { addr = src, port = port })
  print "listening"
  io.stdout:flush()
  return assert(listener:accept(20))
end

local function send(conn, seen)
  local words = {}
  for i = 1, 8192 do words[i] = string.pack("j", math.random(0)) end
  local piece, total = table.concat(words), 0
  while total < bytes do
    local some = piece:sub(1, bytes - total)
    seen:update(some)
    assert(conn:send(some))
    total = total + #some
  end
  assert(conn:close())
  return total
end

local function receive(conn, seen)
  local total = 0
  while true do
    local some, err = conn:read()
    if not some then
      assert(err.code == "EOF", err)
      break
    end
    seen:update(some)
    total = total + #some
  end
  assert(conn:passive_close())
  return total
end

local before = resets()
local conn, seen = open(), hash.new()
collectgarbage()
local begin = core.now()
local total = (way == "send" and send or receive)(conn, seen)
local seconds = core.now() - begin
assert(resets() == before, "our kernel sent a reset")
print(("%d %s %.3f"):format(total, seen:finish():hex(), seconds))
LUA

# same NAME: whether both ends told of the same bytes, and all of them.
same() {
    ours=$(grep -v listening "$folder/ours") || fail "$1: we: $(cat "$folder/ours.err")"
    theirs=$(grep -v listening "$folder/theirs") || fail "$1: the kernel's end says nothing"
    [ "${ours% *}" = "${theirs% *}" ] || fail "$1: ours '$ours', the kernel's end '$theirs'"
    [ "${ours%% *}" = "$bytes" ] || fail "$1: ${ours%% *} of $bytes bytes"
    [ "$(far_resets)" = "$far_before" ] || fail "$1: far's kernel sent a reset"
    echo "$ours" | awk -v name="$1" '{ printf "ok: %s: %.0f MB/s\n", name, $1 / 1e6 / $3 }'
}

# job NAME connect|listen SRC DST PORT send|receive [OPTIONS...]: ours is from near, SRC is our
# address, DST the kernel's.
job() {
    name=$1 role=$2 src=$3 dst=$4 port=$5 way=$6
    shift 6
    far_before=$(far_resets)
    if [ "$way" = send ]; then back=receive; else back=send; fi
    : >"$folder/theirs" # or the last job's "listening" would be read there
    : >"$folder/ours"
    # shellcheck disable=SC2086 # no word where there is no congestion control
    if [ "$role" = connect ]; then
        $far "$bulk" listen "$dst" "$port" $back "$bytes" ${TCPLUA_CONGESTION:-} \
            >"$folder/theirs" 2>&1 &
        other=$!
        until_true 5 grep -q listening "$folder/theirs" || fail "$name: $(cat "$folder/theirs")"
        "$TCPLUA" "$@" "$folder/bulk.lua" connect "$src" "$dst" "$port" "$way" "$bytes" \
            >"$folder/ours" 2>"$folder/ours.err" || fail "$name: we: $(cat "$folder/ours.err")"
        wait "$other" || fail "$name: the kernel's end: $(cat "$folder/theirs")"
    else
        "$TCPLUA" "$@" "$folder/bulk.lua" listen "$src" - "$port" "$way" "$bytes" \
            >"$folder/ours" 2>"$folder/ours.err" &
        other=$!
        until_true 5 grep -q listening "$folder/ours" || fail "$name: $(cat "$folder/ours.err")"
        $far "$bulk" connect "$src" "$port" $back "$bytes" ${TCPLUA_CONGESTION:-} \
            >"$folder/theirs" 2>&1 || fail "$name: the kernel's end: $(cat "$folder/theirs")"
        wait "$other" || fail "$name: we: $(cat "$folder/ours.err")"
    fi
    same "$name"
}

job "we connect and send" connect 192.168.56.2 192.168.56.1 9001 send
job "we connect and receive" connect 192.168.56.2 192.168.56.1 9002 receive
job "we listen and send" listen 192.168.56.2 192.168.56.1 9003 send
job "we listen and receive" listen 192.168.56.2 192.168.56.1 9004 receive

all=$bytes
bytes=$((all / 4))
job "we send over IPv6" connect fd00:56::2 fd00:56::1 9005 send
job "from an address that nobody has, we send" connect 192.168.56.77 192.168.56.1 9006 send
job "from an address that nobody has, we receive" connect 192.168.56.77 192.168.56.1 9007 receive
job "at an address that nobody has, we listen and send" \
    listen 192.168.56.78 192.168.56.1 9008 send -i near0
job "at an address that nobody has, we listen and receive" \
    listen 192.168.56.78 192.168.56.1 9009 receive -i near0

bytes=$all
# A host between the two, which loses frames:  near1 .2 ---- mid1 mid2 ---- far1 .1
cat >"$folder/lossy.lua" <<'LUA'
local net, task = require "tcplua.net", require "tcplua.task"
local one = assert(net.link { iface = "mid1", incoming = true })
local two = assert(net.link { iface = "mid2", incoming = true })
local function carry(from, to)
  while true do
    local frame = assert(from:recv(math.huge))
    if frame.tcp then frame.tcp.checksum = nil end -- a veth leaves it to the card there is not
    if not frame.tcp or math.random() >= 0.01 then to:send(frame) end
  end
end
math.randomseed(arg[1])
task.spawn(carry, one, two)
print "ready"
io.stdout:flush()
carry(two, one)
LUA
ip netns add mid
mid="ip netns exec mid"
ip link add near1 type veth peer name mid1 netns mid
ip link add far1 netns far type veth peer name mid2 netns mid
for interface in mid1 mid2; do
    $mid ip link set "$interface" addrgenmode none
    $mid ip link set "$interface" up
done
ip link set near1 addrgenmode none
$far ip link set far1 addrgenmode none
ip link set near1 up
$far ip link set far1 up gso_max_segs 1 # frames as they are on a wire
ip address add 192.168.57.2/24 dev near1
$far ip address add 192.168.57.1/24 dev far1
$mid "$TCPLUA" "$folder/lossy.lua" 1 >"$folder/lossy" 2>&1 &
lossy=$!
until_true 5 grep -q ready "$folder/lossy" || fail "no lossy host: $(cat "$folder/lossy")"

job "at 1 % loss, we send" connect 192.168.57.2 192.168.57.1 9010 send
job "at 1 % loss, we receive" connect 192.168.57.2 192.168.57.1 9011 receive
kill "$lossy"
