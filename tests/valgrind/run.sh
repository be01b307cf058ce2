#!/bin/sh
# run.sh TCPLUA: twenty and some scenarios under valgrind's memcheck with a full leak check: the main
# job, scripts, listeners, captures, errors and signals. Each must end with the status it has
# without valgrind, and without a word from it. Run by the target "valgrind".
set -eu
program=$1
command -v valgrind >/dev/null || { echo "skipped: no program valgrind"; exit 77; }
"$program" --lab -e 'os.exit(0)' 2>/dev/null || { echo "skipped: no lab here"; exit 77; }
LUA_PATH_5_4="$PWD/tests/lua/?.lua"
export LUA_PATH_5_4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM HUP

# scenario NAME STATUS ARGUMENTS...: runs tcplua with them. Processes that it forks are looked at
# too, programs that they become are not.
runs=0 failed=0
scenario() {
    name=$1 wanted=$2
    shift 2
    status=0
    rm -f "$folder"/log.*
    env --default-signal=INT valgrind -q --leak-check=full --num-callers=30 \
        --log-file="$folder/log.%p" "$program" "$@" >"$folder/out" 2>&1 </dev/null || status=$?
    runs=$((runs + 1))
    cat "$folder"/log.* >"$folder/log"
    if [ "$status" != "$wanted" ] || [ -s "$folder/log" ]; then
        echo "not ok: $name: status $status, wanted $wanted"
        tail -5 "$folder/out"
        head -60 "$folder/log"
        failed=1
    else
        echo "ok: $name"
    fi
}

job=scripts/sha_client.lua
v6="2001:db8::1 2001:db8::2 9000"
connect="assert(require('tcplua.tcp').connect { src = '192.0.2.1', dst = '192.0.2.2', port = 9000 })"

scenario "the main job, its ladder" 0 demo
scenario "the main job, IPv4, a capture as pcap" 0 --lab -v -w "$folder/a.pcap" $job
# shellcheck disable=SC2086 # three arguments
scenario "the main job, IPv6, a capture as pcapng" 0 --lab -v -w "$folder/b.pcapng" $job $v6
scenario "the main job by hand" 0 --lab scripts/sha_by_hand.lua
scenario "a wrong answer" 1 --lab -e "local c <close> = $connect c:read_line() c:send('no\n') c:read()"
scenario "a port that nobody has" 1 --lab -e "assert(require('tcplua.tcp').connect {
    dst = '192.0.2.2', port = 1 })"
scenario "a connection that the script forgets" 0 --lab --seed 1 -e "c = $connect c:read(5)"
scenario "an exit in the middle" 3 --lab -e "c = $connect os.exit(3)"
scenario "an error in a task" 1 --lab -e "local t = require 'tcplua.task'
    t.spawn(function() local c <close> = $connect error 'no more' end) t.sleep(5)"
scenario "Ctrl-C while it waits" 130 --lab -e "os.execute '(sleep 1; kill -INT \$PPID) &'
    require('tcplua.tcp').listen { addr = '192.0.2.1', port = 80 }:accept()"
scenario "the end of the time" 124 --lab --timeout 2s -e "require('tcplua.tcp').listen {
    addr = '192.0.2.1', port = 80 }:accept()"
scenario "a listener and clients of the kernel's" 0 --lab tests/lab/listener.lua veth
scenario "sniffing" 0 --lab tests/lab/sniffing.lua veth named filter
scenario "questions and answers" 0 --lab tests/lab/sr.lua veth
scenario "the host's interfaces and routes" 0 --lab tests/lab/host.lua veth
scenario "two hosts in simulation, the scripts" 0 tests/lua/scripts.lua
scenario "opening" 0 tests/lua/opening.lua "A[1-9] "
scenario "receiving" 0 tests/lua/receiving.lua "B[1-9] "
for name in closing icmp line packet_declare packet_fragment packet_set; do
    scenario "tests/lua/$name.lua" 0 "tests/lua/$name.lua"
done
scenario "a pcap, with a filter" 0 dump "$folder/a.pcap" tcp
scenario "a pcapng" 0 dump tests/data/own-shapes-big.pcapng
head -c 700 "$folder/b.pcapng" >"$folder/cut.pcapng"
scenario "a capture that is cut off" 1 dump "$folder/cut.pcapng"
scenario "the reference" 0 reference
scenario "the doctor" 0 doctor
scenario "wrong use" 2 --what
scenario "a script that is not there" 2 "$folder/none.lua"
scenario "a script that is none" 2 -e "for"
echo "$runs scenarios"
exit $failed
