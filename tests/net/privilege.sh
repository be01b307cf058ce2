# Rights: what is left of root's after sudo, what is said without them, what CAP_NET_RAW alone is
# enough for, and what happens where namespaces are refused.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

read -r inside outside _ </proc/self/uid_map
if [ "$inside$outside" != 00 ] || [ "$(awk '{ print $3 }' /proc/self/uid_map)" -lt 65536 ]; then
    skip "needs root, not a namespace where it only looks so"
fi
command -v setpriv >/dev/null || skip "no program setpriv"
export HOME=/
# A sanitizer's leak checker cannot look into processes whose rights have changed.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
quick=10 # hundredths of a second
! grep -q __asan_init "$TCPLUA" || quick=100

nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
$nobody test -x "$TCPLUA" || skip "nobody cannot start $TCPLUA"
cp "$client" "$folder/client.lua"
client=$folder/client.lua
chmod 644 "$client"

expect() { # NAME STATUS COMMAND...: stdout in $folder/out, stderr in $folder/err
    name=$1
    wanted=$2
    shift 2
    status=0
    "$@" >"$folder/out" 2>"$folder/err" || status=$?
    [ "$status" = "$wanted" ] ||
        fail "$name: status $status, wanted $wanted: $(cat "$folder/out" "$folder/err")"
}

said() { # NAME FILE WORD...
    name=$1
    file=$2
    shift 2
    for word in "$@"; do
        grep -qF -e "$word" "$folder/$file" || fail "$name: no '$word' in: $(cat "$folder/$file")"
    done
}

# --- through sudo

cat >"$folder/rights.lua" <<'END'
local function show(file)
  for line in file:lines() do
    if line:find "^[UG]id" or line:find "^Groups" or line:find "^Cap" then print(line) end
  end
end
print "own"
show(io.open "/proc/self/status")
print "child"
show(io.popen "cat /proc/self/status")
io.open(..., "w"):close()
END
mkdir "$folder/open"
chmod 777 "$folder/open"
expect sudo 0 env SUDO_UID=65534 SUDO_GID=65533 SUDO_USER=nobody \
    "$TCPLUA" -w "$folder/open/x.pcap" "$folder/rights.lua" "$folder/open/made"
awk '$1 == "child" { child = 1 }
    $1 == "Uid:" { ids += ($2 == 65534 && $3 == 65534 && $4 == 65534 && $5 == 65534) }
    $1 == "Gid:" { ids += ($2 == 65533 && $3 == 65533 && $4 == 65533 && $5 == 65533) }
    $1 == "Groups:" { for (i = 2; i <= NF; i++) if ($i == 0) exit 1 }
    /^Cap(Prm|Eff):/ { caps += ($2 == (child ? "0000000000000000" : "0000000000003000")) }
    /^Cap(Inh|Amb):/ { caps += ($2 == "0000000000000000") }
    END { exit ids != 4 || caps != 8 }' "$folder/out" ||
    fail "sudo: rights are left: $(cat "$folder/out")"
for file in made x.pcap; do
    [ "$(stat -c %u "$folder/open/$file")" = 65534 ] || fail "sudo: $file belongs to root"
done
echo "root's" >"$folder/open/root.pcap"
expect "sudo and a file of root's" 4 env SUDO_UID=65534 SUDO_GID=65533 \
    "$TCPLUA" --force -w "$folder/open/root.pcap" -e ''
said "sudo and a file of root's" err "Permission denied"
[ "$(cat "$folder/open/root.pcap")" = "root's" ] || fail "sudo: a file of root's was written"
echo "ok: L2 no file of root's through sudo"
printf 'print(1)' >"$folder/secret.lua"
chmod 600 "$folder/secret.lua"
expect "sudo and a script of root's" 2 env SUDO_UID=65534 SUDO_GID=65533 \
    "$TCPLUA" "$folder/secret.lua"
expect "sudo with nonsense" 4 env SUDO_UID=nobody SUDO_GID=65533 "$TCPLUA" "$client" a b c
said "sudo with nonsense" err SUDO_UID nobody
expect "sudo by root" 0 env SUDO_UID=0 SUDO_GID=0 "$TCPLUA" -e \
    'print(io.open("/proc/self/status"):read "a":match "Uid:%s+%d+")'
said "sudo by root" out "Uid:	0"

before="$(near_resets) $(far_resets)"
serve far 192.168.56.1 8080 2
expect "the job through sudo" 0 env SUDO_UID=65534 SUDO_GID=65533 \
    "$TCPLUA" "$client" 192.168.56.2 192.168.56.1 8080
expect "the job through sudo, from an address that nobody has" 0 env SUDO_UID=65534 \
    SUDO_GID=65533 "$TCPLUA" "$client" 192.168.56.77 192.168.56.1 8080
serve_end "the job through sudo"
[ "$(near_resets) $(far_resets)" = "$before" ] || fail "the job through sudo: a kernel sent a reset"
echo "ok: J3 through sudo"

# --- without rights

hundredths() { awk '{ printf "%d", $1 * 100 }' /proc/uptime; }
begin=$(hundredths)
# shellcheck disable=SC2086 # a command
expect "without rights" 4 $nobody "$TCPLUA" "$client" 192.168.56.2 192.168.56.1 8080
took=$(($(hundredths) - begin))
said "without rights" err CAP_NET_RAW sudo --lab
[ "$(wc -l <"$folder/err")" = 1 ] || fail "without rights: more than a line: $(cat "$folder/err")"
[ "$took" -lt "$quick" ] || fail "without rights: it takes $took hundredths of a second to say so"
# shellcheck disable=SC2086
expect "the lab without rights" 0 $nobody "$TCPLUA" --lab "$client"
# shellcheck disable=SC2086
expect "the demo without rights" 0 $nobody "$TCPLUA" demo
said "the demo without rights" out "S seq 0" "F. seq 66"
echo "ok: J1 without rights"

# --- CAP_NET_RAW alone

raw="$nobody --inh-caps -all,+net_raw --ambient-caps -all,+net_raw"
serve far 192.168.56.1 8081 3
for pair in "192.168.56.2 192.168.56.1" "192.168.56.2 192.168.56.1" "192.168.56.77 192.168.56.1"; do
    # shellcheck disable=SC2086 # commands and two addresses
    expect "CAP_NET_RAW, $pair" 0 $raw "$TCPLUA" "$client" $pair 8081
done
serve_end "CAP_NET_RAW"
serve near 127.0.0.1 8081 1
# shellcheck disable=SC2086
expect "CAP_NET_RAW, loopback" 0 $raw "$TCPLUA" "$client" 127.0.0.1 127.0.0.1 8081
serve_end "CAP_NET_RAW, loopback"
[ "$(near_resets) $(far_resets)" = "$before" ] || fail "CAP_NET_RAW: a kernel sent a reset"
echo "ok: J2 CAP_NET_RAW alone"

# --- where namespaces are refused

# shellcheck disable=SC2016 # for the inner shell
expect "namespaces refused" 0 unshare --user --map-root-user sh -c '
    echo 0 >/proc/sys/user/max_user_namespaces || exit 77
    export LC_ALL=C
    exec setpriv --bounding-set -all --inh-caps -all "$0" demo' "$TCPLUA"
said "namespaces refused" err "the lab is simulated"
[ "$(wc -l <"$folder/err")" = 1 ] || fail "namespaces refused: $(cat "$folder/err")"
said "namespaces refused" out "S seq 0" "S. seq 0 ack 1" "F. seq 66"
# shellcheck disable=SC2016
expect "namespaces refused, --lab" 0 unshare --user --map-root-user sh -c '
    echo 0 >/proc/sys/user/max_user_namespaces
    exec setpriv --bounding-set -all --inh-caps -all "$0" --lab "$1"' "$TCPLUA" "$client"
said "namespaces refused, --lab" err "the lab is simulated"
echo "ok: J25 namespaces refused"
