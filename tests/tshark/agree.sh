# Our eyes against tshark's: every field that both have a name for, checksums' verdicts too, of packets
# at random and of the captures in the tree. TCPLUA_PACKETS=n takes n packets at random, TCPLUA_SEED=n
# others.
set -eu
if ! command -v tshark >/dev/null; then
    echo "skipped: there is no tshark"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
"$TCPLUA" tests/tshark/agree.lua "$folder" "${TCPLUA_PACKETS:-20000}" "${TCPLUA_SEED:-1}"
