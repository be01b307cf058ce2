# Signed segments with a kernel socket as the other end, over IPv4 and IPv6, who listens and who
# connects either way: TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925). A kernel without one of them skips
# that part. Wrong keys get nowhere.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

keyed=$(dirname "$TCPLUA")/tests/keyed_end
[ -x "$keyed" ] || skip "the kernel's end is not built"

# Our end: as keyed_end, the source address after the role. `fields` is a Lua table.
cat >"$folder/end.lua" <<'LUA'
local tcp = require "tcplua.tcp"
local role, src, dst, port, fields = ...
local options = load("return " .. fields)()
local line, bulk = "a line from us\n", ("0123456789abcdef"):rep(20000)

if role == "connect" then
  options.src, options.dst, options.port = src, dst, port
  options.timeout = options.timeout or 10
  local conn <close> = assert(tcp.connect(options))
  assert(conn:send(line))
  assert(conn:read_line() == line)
  for at = 1, #bulk, 10000 do
    local piece, back = bulk:sub(at, at + 9999), {}
    assert(conn:send(piece))
    local have = 0
    while have < #piece do
      back[#back + 1] = assert(conn:read(#piece - have))
      have = have + #back[#back]
    end
    assert(table.concat(back) == piece)
  end
  local info = conn:info()
  assert(conn:close())
  print(info.auth, info.snd_mss, info.auth_unsigned + info.auth_bad)
else
  options.addr, options.port = src, port
  local listener <close> = assert(tcp.listen(options))
  print "listening"
  io.stdout:flush()
  local conn <close> = assert(listener:accept(10))
  while true do
    local some, err = conn:read()
    if not some then
      assert(err.code == "EOF", err)
      break
    end
    assert(conn:send(some))
  end
  local info = conn:info()
  assert(conn:passive_close())
  print(info.auth, info.snd_mss, info.auth_unsigned + info.auth_bad)
end
LUA

# both NAME OURS FAMILY HOW...: we connect to the kernel, and it to us.
both() {
    name=$1 fields=$2 near=$3 there=$4 mss=$5
    shift 5
    : >"$folder/far"
    $far "$keyed" listen "$there" 7100 "$@" >"$folder/far" 2>&1 &
    end=$!
    until_true 5 grep -q . "$folder/far"
    if ! grep -q listening "$folder/far"; then
        code=0
        wait "$end" || code=$?
        [ "$code" = 77 ] || fail "$name: $(cat "$folder/far")"
        echo "skipped: $name: this kernel cannot: $(cat "$folder/far")"
        return
    fi
    out=$("$TCPLUA" -i near0 "$folder/end.lua" connect "$near" "$there" 7100 "$fields" 2>&1) ||
        fail "$name: we connect: $out; the kernel: $(cat "$folder/far")"
    wait "$end" || fail "$name: the kernel listens: $(cat "$folder/far")"
    [ "$out" = "$mss" ] || fail "$name: we connect: $out"

    : >"$folder/near"
    "$TCPLUA" -i near0 "$folder/end.lua" listen "$near" "$there" 7101 "$fields" >"$folder/near" 2>&1 &
    end=$!
    until_true 5 grep -q listening "$folder/near" || fail "$name: $(cat "$folder/near")"
    out=$($far "$keyed" connect "$near" 7101 "$@" 2>&1) ||
        fail "$name: the kernel connects: $out; we: $(cat "$folder/near")"
    wait "$end" || fail "$name: we listen: $(cat "$folder/near")"
    [ "$(tail -n 1 "$folder/near")" = "$mss" ] || fail "$name: we listen: $(cat "$folder/near")"
    echo "ok: $name"
}

before=$(near_resets)$(far_resets)
for src in 192.168.56.2 192.168.56.99; do
    both "TCP-MD5 over IPv4 from $src" '{ md5 = "a secret" }' $src 192.168.56.1 \
        "$(printf 'md5\t1440\t0')" md5 $src "a secret"
done
both "TCP-MD5 over IPv6" '{ md5 = "a secret" }' fd00:56::2 fd00:56::1 \
    "$(printf 'md5\t1420\t0')" md5 fd00:56::2 "a secret"
both "TCP-MD5 with timestamps" '{ md5 = "a secret", timestamps = true }' 192.168.56.2 192.168.56.1 \
    "$(printf 'md5\t1440\t0')" md5 192.168.56.2 "a secret"
# ao NAME NEAR THERE MSS ALGORITHM OF_THE_KERNEL OPTIONS FLAG
ao() {
    both "TCP-AO, $1" "{ ao = { key = 'a secret', send_id = 1, recv_id = 2, algorithm = '$5',
        include_options = $8 } }" "$2" "$3" "$(printf 'ao\t%s\t0' "$4")" \
        ao "$2" "a secret" 2 1 "$6" "$7"
}
ao "HMAC-SHA-1, IPv4" 192.168.56.2 192.168.56.1 1432 hmac-sha-1-96 "hmac(sha1)" with true
ao "HMAC-SHA-1, IPv6" fd00:56::2 fd00:56::1 1412 hmac-sha-1-96 "hmac(sha1)" with true
ao "AES-CMAC, IPv4" 192.168.56.2 192.168.56.1 1432 aes-128-cmac-96 "cmac(aes128)" with true
ao "without options" 192.168.56.2 192.168.56.1 1432 hmac-sha-1-96 "hmac(sha1)" without false
[ "$(near_resets)$(far_resets)" = "$before" ] || fail "a kernel sent a reset"

# A wrong key: the kernel drops our SYN, and we what it sends.
: >"$folder/far"
$far "$keyed" listen 192.168.56.1 7102 md5 192.168.56.2 "a secret" >"$folder/far" 2>&1 &
end=$!
until_true 5 grep -q . "$folder/far"
if grep -q listening "$folder/far"; then
    out=$("$TCPLUA" -i near0 "$folder/end.lua" connect 192.168.56.2 192.168.56.1 7102 \
        '{ md5 = "another", timeout = 0.3 }' 2>&1) && fail "a wrong key: $out"
    echo "$out" | grep -q "no answer" || fail "a wrong key: $out"
    echo "$out" | grep -q "another" && fail "a key is shown: $out"
    echo "ok: a wrong key"
fi
kill "$end" 2>/dev/null || true
