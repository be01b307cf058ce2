# The examples that need routers on the way: traceroute in all ways, and the MTU of a path, with a
# router that says what is too big and with one that does not.
#
#     near --- one --- two --- end        all but near: kernels that forward
#          10.1.0.0/24  10.2.0.0/24 (1400)  10.3.0.0/24
#          fd00:1::/64  fd00:2::/64 (1400)  fd00:3::/64
#
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

scripts=$PWD/scripts

# join A B NET MTU: a veth pair, A's end is .1 and is named as B, B's end is .2 and is named as A.
on() {
    if [ "$1" = near ]; then shift && "$@"; else ip netns exec "$@"; fi
}
join() {
    on "$1" ip link add "to$2" type veth peer name "to$1" netns "$2"
    for end in "$1 to$2 1" "$2 to$1 2"; do
        # shellcheck disable=SC2086 # three words
        set -- "$1" "$2" "$3" "$4" $end
        on "$5" ip link set "$6" addrgenmode none mtu "$4" up
        on "$5" ip address add "10.$3.0.$7/24" dev "$6"
        on "$5" ip address add "fd00:$3::$7/64" dev "$6" nodad
        on "$5" ip address add "fe80::$7/64" dev "$6" nodad # who forwards asks for neighbours so
    done
}

for host in one two end; do
    ip netns add "$host"
    on "$host" ip link set lo up
    on "$host" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
        echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
done
join near one 1 1500
join one two 2 1400
join two end 3 1500
on near ip route add 10.0.0.0/8 via 10.1.0.2
on near ip route add fd00:2::/31 via fd00:1::2
on one ip route add 10.3.0.0/24 via 10.2.0.2
on one ip route add fd00:3::/64 via fd00:2::2
on two ip route add 10.1.0.0/24 via 10.2.0.1
on two ip route add fd00:1::/64 via fd00:2::1
on end ip route add default via 10.3.0.1
on end ip route add default via fd00:3::1

reached() { "$TCPLUA" "$scripts/ping.lua" "$1" 1; }

reached 10.3.0.2 || reached 10.3.0.2 || fail "no way to the end"
reached fd00:3::2 || reached fd00:3::2 || fail "no way to the end by IPv6"

# run STATUS SCRIPT ARGS...: what it prints is in $folder/out.
run() {
    wanted=$1
    script=$2
    shift 2
    status=0
    "$TCPLUA" "$scripts/$script.lua" "$@" >"$folder/out" 2>"$folder/err" || status=$?
    [ "$status" = "$wanted" ] ||
        fail "$script $*: status $status: $(cat "$folder/out" "$folder/err")"
}

# The addresses of the hops, one a line.
hops() { awk '{ print $1, $2 }' "$folder/out" | tr '\n' ' '; }

for kind in icmp udp tcp; do
    run 0 traceroute "$kind" 10.3.0.2
    [ "$(hops)" = "1 10.1.0.2 2 10.2.0.2 3 10.3.0.2 " ] || fail "$kind: $(cat "$folder/out")"
    run 0 traceroute "$kind" fd00:3::2
    [ "$(hops)" = "1 fd00:1::2 2 fd00:2::2 3 fd00:3::2 " ] || fail "$kind: $(cat "$folder/out")"
    ! grep -q '\*' "$folder/out" || fail "$kind: silence: $(cat "$folder/out")"
    echo "ok: traceroute by $kind"
done

run 0 mtu_probe 10.3.0.2
grep -q "1500 is too big, says 10.1.0.2: 1400" "$folder/out" || fail "MTU: $(cat "$folder/out")"
grep -q "^1400 bytes reach" "$folder/out" || fail "MTU: $(cat "$folder/out")"
run 0 mtu_probe fd00:3::2
grep -q "1500 is too big, says fd00:1::2: 1400" "$folder/out" || fail "MTU: $(cat "$folder/out")"
grep -q "^1400 bytes reach" "$folder/out" || fail "MTU: $(cat "$folder/out")"
echo "ok: the MTU of a path, named by a router"

run 1 ping 10.3.0.9 1
grep -q "no answer\|unreachable" "$folder/out" || fail "ping: $(cat "$folder/out")"
echo "ok: ping to a host that is not there"
