#!/bin/sh
# Makes the captures of this folder: tcpdump's are real packets of this kernel, in network namespaces
# of their own; the others are written by make.lua. As root. The files are kept in the tree, so
# nobody has to run this; here is where they come from. Wants tcpdump, nc, and the program in
# $TCPLUA (an absolute path), which sends what nc cannot.
set -eu
if [ "${1-}" != inside ]; then
    cd "$(dirname "$0")"
    "$TCPLUA" make.lua
    exec unshare -n sh make.sh inside
fi

# One end here, the other in a namespace of its own.
unshare -n sleep 60 &
far=$!
sleep 0.2
there() { nsenter -t "$far" -n "$@"; }
ip link set lo up
ip link add near address 02:00:00:00:00:01 type veth peer name far address 02:00:00:00:00:02 netns "$far"
ip link set near up
there ip link set lo up
there ip link set far up
ip addr add 192.0.2.1/24 dev near
ip addr add 2001:db8::1/64 dev near nodad
there ip addr add 192.0.2.2/24 dev far
there ip addr add 2001:db8::2/64 dev far nodad
sleep 2 # addresses settle, and the kernels say so to all

capture() { # FILE COUNT ARGUMENTS: starts tcpdump, which ends after so many packets
    file=$1 count=$2
    shift 2
    tcpdump -Z root -U -n -w "$file" -c "$count" "$@" 2>/dev/null &
    dump=$!
    sleep 0.5
}
finish() {
    sleep 1
    kill "$dump" 2>/dev/null || :
    wait "$dump" || :
}
ping() { # SRC DST [BYTES]
    "$TCPLUA" -e 'local net, p = require "tcplua.net", require "tcplua.packet"
        local src, dst, length = ...
        local echo = src:find ":" and p.ip6 { src = src, dst = dst } / p.icmp6 { type = 128, id = 7 }
            or p.ip { src = src, dst = dst } / p.icmp { type = 8, id = 7 }
        assert(net.send(echo / ("x"):rep(tonumber(length) or 20)))' "$@"
}
echo_service() { there nc -l -p 7 >/dev/null & sleep 0.2; }

capture tcpdump-eth.pcap 40 -i near
ip neigh flush dev near
ping 192.0.2.1 192.0.2.2
ping 2001:db8::1 2001:db8::2
echo_service
echo hello | nc -N 192.0.2.2 7
echo hello | nc -u -w 1 192.0.2.2 9 || : # the answer is ICMP: port unreachable
echo hello | nc -u -w 1 2001:db8::2 9 || :
finish

capture tcpdump-eth-nano.pcap 6 -i near --nano icmp
echo hello | nc -u -w 1 192.0.2.2 9 || :
finish

capture tcpdump-vlan.pcap 2 -i near vlan
"$TCPLUA" -e 'local net, p = require "tcplua.net", require "tcplua.packet"
    local eth = p.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
    local udp = p.ip { src = "192.0.2.1", dst = "192.0.2.2" } / p.udp { sport = 7, dport = 9 }
    assert(net.sendp(eth / p.vlan { vlan = 7 } / udp / "tagged", "near"))
    assert(net.sendp(eth / p.vlan { vlan = 3, type = 0x8100 } / p.vlan { vlan = 7 } / udp, "near"))'
finish

# The provider's tag outside the customer's; a router asked for as an interface comes up; fragments
# as the kernel cuts them, and the errors about what was in them.
capture tcpdump-qinq.pcap 1 -i near ether proto 0x88a8
"$TCPLUA" -e 'local net, p = require "tcplua.net", require "tcplua.packet"
    assert(net.sendp(p.eth { src = "02:00:00:00:00:01", dst = "02:00:00:00:00:02" }
      / p.qinq { vlan = 5 } / p.vlan { vlan = 7 } / p.ip { src = "192.0.2.1", dst = "192.0.2.2" }
      / p.udp { sport = 7, dport = 9 } / "tagged twice", "near"))'
finish

capture tcpdump-rs.pcap 1 -i near 'icmp6 and ip6[40] == 133'
ip link set near down
ip link set near up
sleep 2
finish
ip addr add 2001:db8::1/64 dev near nodad

capture tcpdump-fragments.pcap 8 -i near 'host 192.0.2.2 or host 2001:db8::2'
for dst in 192.0.2.2 2001:db8::2; do
    head -c 2000 /dev/zero | nc -u -w 1 "$dst" 9 || :
done
finish

for version in '' 2; do
    capture tcpdump-sll$version.pcap 12 -i any -y LINUX_SLL$version host 192.0.2.2 or ip6
    ping 192.0.2.1 192.0.2.2
    ping 2001:db8::1 2001:db8::2
    echo_service
    echo hello | nc -N 192.0.2.2 7
    finish
done
kill "$far"
