# The programs of others as the other end of our scripts: each row does its job, draws no reset, and
# leaves nothing in tshark's expert information but notes. A program that is missing skips its rows.
# Run by the target "peers".
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/../net/hosts.inc"
PATH=$PATH:/usr/sbin

scripts=$PWD/scripts
have() {
    for program; do
        command -v "$program" >/dev/null || {
            echo "skip: $program is not installed"
            return 1
        }
    done
}

# listens PORT, in far, by a kernel socket.
listens() { $far ss -Htln "sport = :$1" | grep -q .; }

# ours NAME SCRIPT ARGS...: runs a server script in near; it is ready when this returns.
ours() {
    name=$1 script=$2
    shift 2
    "$TCPLUA" --force -w "$folder/capture.pcapng" "$scripts/$script.lua" "$@" >"$folder/server" 2>&1 &
    server=$!
    until_true 5 grep -q ' port ' "$folder/server" || fail "$name: $(cat "$folder/server")"
}

# Whether the kernel of far has no connection left but in TIME-WAIT.
quiet() {
    [ -z "$($far ss -Htn state connected exclude time-wait 2>/dev/null)" ]
}

# Ends it, once its connections have ended: those that are still being closed would be reset, all at
# once, by the end of the process.
ours_end() {
    until_true 10 quiet || fail "$name: not closed: $($far ss -Htn)"
    kill "$server" # not SIGINT, which sh lets its background ignore
    wait "$server" || true
    if grep -v -e ' port ' -e interrupted -e 'reset by .*:5201$' "$folder/server"; then fail "$name: it complains"; fi
    check "$name"
}

# client NAME SCRIPT ARGS...: runs a client script in near.
client() {
    name=$1 script=$2
    shift 2
    "$TCPLUA" --force -w "$folder/capture.pcapng" "$scripts/$script.lua" "$@" \
        >"$folder/out" 2>"$folder/err" || fail "$name: $(cat "$folder/out" "$folder/err")"
    check "$name"
}

# What tshark has to say of TCP in the capture. What is no sign of anything odd: a window that is full
# or 0, which is what flow control is for; frames that two processors of this machine handed over in another
# order; and D-SACK, by which a peer learns that it sent something again because this process did not
# run for a while: Linux probes for a lost tail after some ten milliseconds (tcp_early_retrans). Any
# other warning or error fails, and so does a reset.
any_reset=
USUAL='Zero Window|is now completely full|not captured|out-of-order|D-SACK Sequence'
check() {
    [ -z "${TCPLUA_KEEP:-}" ] || cp "$folder/capture.pcapng" "$TCPLUA_KEEP/$(echo "$1" | tr ' /,' ___)"
    said=
    if [ -n "$tshark" ]; then
        "$tshark" -r "$folder/capture.pcapng" --disable-protocol http -q -z expert,warn \
            2>/dev/null >"$folder/expert"
        said=$(awk '$1 ~ /^[0-9]+$/ && $3 == "TCP" {
                n = $1; $1 = $2 = $3 = ""; sub(/^ */, ""); print n " x " $0 }' "$folder/expert")
        if echo "$said" | grep -vE "^\$|$USUAL"; then
            fail "$1: that is what tshark says"
        fi
    fi
    if [ -n "$any_reset" ] && [ -n "$tshark" ] &&
        "$tshark" -r "$folder/capture.pcapng" -Y "tcp.flags.reset == 1 and ip.src == $US" \
            -T fields -e tcp.stream 2>/dev/null | sort | uniq -d | grep -q .; then
        fail "$1: we reset a connection twice"
    fi
    [ -n "$any_reset" ] || [ "$(near_resets) $(far_resets)" = "$resets" ] || fail "$1: a kernel sent a reset"
    echo "ok: $1$(echo "$said" | sed -n 's/^./; &/p' | tr -d '\n')"
}
tshark=$(command -v tshark || true)
[ -n "$tshark" ] || echo "skip: tshark, which looks at the captures, is not installed"
resets="$(near_resets) $(far_resets)"

US=192.168.56.2 THEM=192.168.56.1 US6=fd00:56::2 THEM6=fd00:56::1
head -c 4000000 /dev/urandom >"$folder/file"
chmod 644 "$folder/file"

if have nginx curl; then
    cat >"$folder/nginx.conf" <<END
daemon off; master_process off; pid $folder/nginx.pid; error_log stderr;
events {}
http {
    access_log off; client_body_temp_path $folder; proxy_temp_path $folder;
    fastcgi_temp_path $folder; uwsgi_temp_path $folder; scgi_temp_path $folder;
    server {
        listen $THEM:80; listen [$THEM6]:80; root $folder;
        location /chunked { ssi on; ssi_types *; alias $folder/file; }
        location /put { dav_methods PUT; alias $folder/put; client_max_body_size 100m; }
    }
}
END
    $far nginx -c "$folder/nginx.conf" -p "$folder" >"$folder/nginx" 2>&1 &
    nginx=$!
    until_true 5 listens 80 || fail "nginx: $(cat "$folder/nginx")"
    client "nginx, a length" http_get "http://$THEM/file"
    cmp "$folder/out" "$folder/file"
    client "nginx, a length, IPv6" http_get "http://[$THEM6]:80/file"
    cmp "$folder/out" "$folder/file"
    client "nginx, chunks" http_get "http://$THEM/chunked"
    cmp "$folder/out" "$folder/file"
    ours "curl through the relay to nginx, twice on one connection" relay "$US" 8080 "$THEM" 80
    $far curl -sS "http://$US:8080/file" -o "$folder/one" "http://$US:8080/chunked" \
        -o "$folder/two" || fail "$name: curl; our end: $(cat "$folder/server")"
    cmp "$folder/one" "$folder/file"
    cmp "$folder/two" "$folder/file"
    ours_end
    ours "curl through the relay to nginx, 20 at once, IPv6" relay "$US6" 8081 "$THEM" 80
    $far curl -sS -Z --parallel-max 20 "http://[$US6]:8081/nginx.conf?[1-20]" \
        -o "$folder/many#1" || fail "$name: curl; our end: $(cat "$folder/server")"
    cmp "$folder/many20" "$folder/nginx.conf"
    ours_end
    kill "$nginx"
    wait "$nginx" || true
fi

if have iperf3; then
    # Its server closes with data unread when the time is over, which is a reset: to its own client
    # on kernel sockets as well, and more so behind a relay, whose buffers the last word overtakes:
    # the kernel has a reset for every segment of the window that is on its way to the closed socket.
    usual=$USUAL
    USUAL="$USUAL|Connection reset"
    any_reset=yes
    $far iperf3 -s -B "$THEM" >"$folder/iperf3" 2>&1 &
    iperf=$!
    until_true 5 listens 5201 || fail "iperf3: $(cat "$folder/iperf3")"
    client "iperf3, we send" throughput "$THEM" 5201 0.5
    cat "$folder/out"
    client "iperf3, we receive" throughput --reverse "$THEM" 5201 0.5
    cat "$folder/out"
    ours "iperf3 through the relay, four streams" relay "$US" 5202 "$THEM" 5201
    $far iperf3 -c "$US" -p 5202 -n 8M -P 4 >"$folder/out" || fail "iperf3: $(cat "$folder/out")"
    ours_end
    kill "$iperf"
    wait "$iperf" || true
    USUAL=$usual any_reset= resets="$(near_resets) $(far_resets)"
fi

if have redis-server redis-cli; then
    $far redis-server --bind "$THEM" --save '' --dir "$folder" --protected-mode no \
        >"$folder/redis" 2>&1 &
    redis=$!
    until_true 5 listens 6379 || fail "redis: $(cat "$folder/redis")"
    client "redis, a thousand clients" load "$THEM" 6379 1000 PING
    ours "redis-cli through the relay" relay "$US" 6380 "$THEM" 6379
    $far redis-cli -h "$US" -p 6380 -x set key <"$folder/nginx.conf" >"$folder/out"
    grep -qx OK "$folder/out" || fail "redis-cli: $(cat "$folder/out")"
    $far redis-cli -h "$US" -p 6380 --raw get key | head -c -1 | cmp - "$folder/nginx.conf"
    ours_end
    kill "$redis"
    wait "$redis" || true
fi

if have ncat; then
    $far ncat -l -k -m 200 "$THEM" 7000 --exec /bin/cat &
    ncat=$!
    until_true 5 listens 7000 || fail "ncat"
    client "ncat as an echo server, a hundred clients" load "$THEM" 7000 100
    kill "$ncat"
    wait "$ncat" || true
    ours "ncat and the echo server" echo_server "$US" 7
    $far ncat "$US" 7 <"$folder/file" >"$folder/out"
    cmp "$folder/out" "$folder/file"
    ours_end
fi

if have openssl; then
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=peer -days 2 -keyout "$folder/key" \
        -out "$folder/cert" 2>/dev/null
    # Either ends the connection with its input, whether or not it has read all: so that comes last.
    : >"$folder/got"
    (cat "$folder/file"; until_true 20 cmp "$folder/got" "$folder/nginx.conf") |
        $far openssl s_server -accept "$THEM:4433" -cert "$folder/cert" -key "$folder/key" -quiet \
            >"$folder/got" 2>/dev/null &
    s_server=$!
    until_true 5 listens 4433 || fail "openssl s_server"
    ours "openssl s_client through the relay to s_server" relay "$US" 4434 "$THEM" 4433
    (cat "$folder/nginx.conf"; until_true 20 cmp "$folder/out" "$folder/file" &&
        until_true 20 cmp "$folder/got" "$folder/nginx.conf") |
        $far openssl s_client -connect "$US:4434" -CAfile "$folder/cert" -verify_return_error \
            -quiet -no_ign_eof >"$folder/out" 2>"$folder/err" || fail "s_client: $(cat "$folder/err")"
    cmp "$folder/out" "$folder/file"
    cmp "$folder/got" "$folder/nginx.conf"
    ours_end
    kill "$s_server"
    wait "$s_server" || true
fi
