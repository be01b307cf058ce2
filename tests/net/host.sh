# What the host around us may be like: firewalls, connection tracking, forwarding and filters with
# an address that nobody has, file capabilities with a hostile environment; and a process that was
# stopped.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

own=192.168.56.2
nobody=192.168.56.77

before="$(near_resets) $(far_resets)"
no_reset() {
    [ "$(near_resets) $(far_resets)" = "$before" ] || fail "$1: a kernel sent a reset"
}

port=8080
# job NAME SRC [COMMAND...]: the main job, begun by the command.
job() {
    name=$1
    src=$2
    shift 2
    port=$((port + 1))
    serve far 192.168.56.1 "$port" 1
    "$@" "$TCPLUA" --timeout 20 "$client" "$src" 192.168.56.1 "$port" 2>"$folder/err" ||
        fail "$name: status $?: $(cat "$folder/err")"
    serve_end "$name"
    no_reset "$name"
}

# --- forwarding, reverse path filters, ARP settings

icmp_sent() { awk '/^Icmp:/ { n = $15 } END { print n + 0 }' /proc/net/snmp; }
set_all() { # SETTING VALUE
    for where in all near0; do
        echo "$2" >"/proc/sys/net/ipv4/conf/$where/$1"
    done
}
for forward in 0 1; do
    echo "$forward" >/proc/sys/net/ipv4/ip_forward
    for filter in 0 1 2; do
        set_all rp_filter "$filter"
        for ignore in 0 1 8; do
            set_all arp_ignore "$ignore"
            what="forwarding $forward, rp_filter $filter, arp_ignore $ignore"
            sent=$(icmp_sent)
            job "$what" "$nobody"
            [ "$(icmp_sent)" = "$sent" ] || fail "$what: near's kernel sent ICMP"
        done
        set_all arp_ignore 0
        job "forwarding $forward, rp_filter $filter, own address" "$own"
    done
    set_all rp_filter 0
done
echo 0 >/proc/sys/net/ipv4/ip_forward
echo "ok: J24 forwarding, rp_filter and arp_ignore, with an address that nobody has"

# --- firewalls

rules() {
    nft flush ruleset && printf '%s\n' "$@" | nft -f - 2>"$folder/nft"
}
base="type filter hook"
if ! command -v nft >/dev/null || ! rules "table inet t { chain i { $base input priority 0; }; }"; then
    echo "skipped: J22 firewalls, J23 NAT: there is no nft that this kernel lets us use"
else
    if rules "table inet t { chain i { $base input priority 0; ct state invalid drop; };
        chain o { $base output priority 0; ct state invalid drop; }; }"; then
        job "invalid is dropped, an address of nobody" "$nobody"
        job "invalid is dropped" "$own"
    fi
    rules "table inet t { chain i { $base input priority 0; policy drop; }; }"
    job "all input is dropped, an address of nobody" "$nobody"
    rules "table inet t { chain o { $base output priority 0; policy drop; }; }"
    job "all output is dropped, an address of nobody" "$nobody"
    status=0
    "$TCPLUA" --timeout 20 "$client" "$own" 192.168.56.1 8079 2>"$folder/err" || status=$?
    [ "$status" = 1 ] || [ "$status" = 4 ] || fail "all output is dropped: status $status"
    grep -q "a firewall of this host" "$folder/err" ||
        fail "all output is dropped: it says: $(cat "$folder/err")"
    echo "ok: J22 firewalls: packet sockets pass by them, raw sockets say what they met"
    if rules "table ip n { chain p { type nat hook postrouting priority 100; masquerade; }; }"; then
        job "NAT, an address of nobody" "$nobody"
        job "NAT, its own address" "$own"
        echo "ok: J23 NAT and connection tracking"
    else
        echo "no NAT here: $(cat "$folder/nft")"
    fi
    nft flush ruleset
fi

# --- a process that is stopped while much comes for it

cat >"$folder/much.lua" <<'END'
local tcp = require "tcplua.tcp"
local how, addr = ...
local SIZE <const> = 8 << 20
if how == "send" then
  local listener <close> = assert(tcp.listen { addr = addr, port = 8200 })
  io.stderr:write "listening\n"
  local conn <close> = assert(listener:accept(10))
  assert(conn:send(("0123456789abcdef"):rep(SIZE // 16)))
  assert(conn:close())
else
  local conn <close> = assert(tcp.connect { src = addr, dst = "192.168.56.1", port = 8200 })
  io.stderr:write "here\n"
  local data = assert(conn:read_all(SIZE))
  assert(data == ("0123456789abcdef"):rep(SIZE // 16), "other data")
  assert(conn:passive_close())
  print "whole"
end
END
for src in "$own" "$nobody"; do
    : >"$folder/server"
    : >"$folder/err"
    $far "$TCPLUA" --timeout 30 "$folder/much.lua" send 192.168.56.1 2>"$folder/server" &
    sender=$!
    until_true 5 grep -q listening "$folder/server" || fail "no sender: $(cat "$folder/server")"
    "$TCPLUA" --timeout 30 "$folder/much.lua" take "$src" >"$folder/out" 2>"$folder/err" &
    taker=$!
    until_true 5 grep -q here "$folder/err" || fail "no taker: $(cat "$folder/err")"
    kill -STOP "$taker"
    sleep 1 # for the sender to fill what there is, and to send again
    kill -CONT "$taker"
    wait "$taker" || fail "stopped, from $src: $(cat "$folder/err")"
    wait "$sender" || fail "stopped, from $src: the sender: $(cat "$folder/server")"
    [ "$(cat "$folder/out")" = whole ] || fail "stopped, from $src: $(cat "$folder/out")"
    # The sender's kernel may: what was sent twice is acknowledged twice, and once the sender has
    # ended nobody holds its port.
    [ "$(near_resets)" = "${before%% *}" ] || fail "stopped, from $src: our kernel sent a reset"
done
echo "ok: J16, H8 a process that was stopped catches up, whatever its buffers had no room for"

# --- a sandbox that refuses system calls

sandbox=$(dirname "$TCPLUA")/tests/sandbox
# refused CALL ERRNO STATUS WORDS ARGUMENT...: tcplua ends with the status, in one line with the
# words.
refused() {
    call=$1
    cause=$2
    wanted=$3
    words=$4
    shift 4
    status=0
    "$sandbox" "$cause" "$call" -- "$TCPLUA" --timeout 20 "$@" >"$folder/out" 2>"$folder/err" ||
        status=$?
    [ "$status" = "$wanted" ] || fail "$call refused: status $status: $(cat "$folder/err")"
    grep -q "$words" "$folder/err" || fail "$call refused: it says: $(cat "$folder/err")"
    [ "$(wc -l <"$folder/err")" = 1 ] || fail "$call refused: $(cat "$folder/err")"
}
if [ -x "$sandbox" ] && "$sandbox" 1 packet -- true; then
    for cause in 1 38 97; do # EPERM, ENOSYS, EAFNOSUPPORT
        refused raw "$cause" 4 "tcplua: " "$client" "$own" 192.168.56.1 8079
        refused packet "$cause" 4 "tcplua: " "$client" "$nobody" 192.168.56.1 8079
        refused setsockopt "$cause" 4 "tcplua: " "$client" "$own" 192.168.56.1 8079
        refused unshare "$cause" 0 "the lab is simulated" --lab "$client"
    done
    no_reset "a sandbox"
    echo "ok: J26 a sandbox that refuses system calls: the cause is named"
fi

# --- file capabilities

if ! command -v setcap >/dev/null || [ "$(awk '{ print $3 }' /proc/self/uid_map)" -lt 65536 ]; then
    echo "skipped: J5 file capabilities: it takes setcap, and root with all users"
else
    mkdir "$folder/caps" "$folder/evil"
    mount -t tmpfs none "$folder/caps"
    cp "$TCPLUA" "$folder/caps/tcplua"
    echo "print 'evil' os.exit(7)" >"$folder/evil/evil.lua"
    chmod -R a+rX "$folder/caps" "$folder/evil"
    evil() {
        # shellcheck disable=SC2068
        env LUA_INIT="print 'evil' os.exit(7)" LUA_INIT_5_4="print 'evil' os.exit(7)" \
            LUA_PATH="$folder/evil/?.lua" LUA_PATH_5_4="$folder/evil/?.lua" \
            LUA_CPATH="$folder/evil/?.so" LUA_CPATH_5_4="$folder/evil/?.so" \
            ASAN_OPTIONS=detect_leaks=0 \
            setpriv --reuid 65534 --regid 65534 --clear-groups "$folder/caps/tcplua" -e "$1"
    }
    find='print(pcall(require, "evil"))'
    if ! setcap cap_net_raw+ep "$folder/caps/tcplua" 2>"$folder/err" ||
        ! evil "print 'good'" >"$folder/out" 2>"$folder/err"; then
        echo "skipped: J5 file capabilities: $(cat "$folder/err")"
    else
        [ "$(cat "$folder/out")" = good ] || fail "LUA_INIT was run: $(cat "$folder/out")"
        evil "$find" >"$folder/out" 2>&1 || fail "LUA_PATH was used: $(cat "$folder/out")"
        grep -q "^false" "$folder/out" || fail "LUA_PATH was used: $(cat "$folder/out")"
        ! grep -q "$folder/evil" "$folder/out" || fail "LUA_PATH is known: $(cat "$folder/out")"
        setcap -r "$folder/caps/tcplua"
        status=0
        evil "$find" >"$folder/out" 2>&1 || status=$?
        [ "$status" = 7 ] || fail "the test shows nothing: $status: $(cat "$folder/out")"
        echo "ok: J5 with file capabilities the environment chooses no code"
    fi
    umount "$folder/caps"
fi
