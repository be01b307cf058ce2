# A chat between two processes, and standard input that holds up nothing: what is typed at one end
# is printed at the other while both wait for their own input.
# shellcheck source=tests/net/hosts.inc
. "$(dirname "$0")/hosts.inc"

chat=$PWD/scripts/chat.lua
mkfifo "$folder/near.in" "$folder/far.in"
$far "$TCPLUA" "$chat" listen 192.168.56.1 7000 <"$folder/far.in" >"$folder/far.out" 2>&1 &
listens=$!
exec 8>"$folder/far.in"
until_true 5 grep -q '^-- listening on 192.168.56.1 port 7000$' "$folder/far.out" ||
    fail "no listener: $(cat "$folder/far.out")"
"$TCPLUA" "$chat" connect 192.168.56.1 7000 <"$folder/near.in" >"$folder/near.out" 2>&1 &
connects=$!
exec 9>"$folder/near.in"

# say FD WHERE TEXT [SHOWN]: types a line at one end and waits until the other shows it.
say() {
    printf '%s\n' "$3" >&"$1"
    until_true 5 grep -qxF -e "${4:-$3}" "$folder/$2.out" ||
        fail "'$3' did not come: $(cat "$folder/$2.out")"
}
say 9 far "hello"
say 8 near "hello yourself"
say 8 near "and again"
say 9 far "$(printf 'a \033[31mred\007 one')" "a ?[31mred? one"
printf 'half a' >&9
printf ' line\n' >&9
until_true 5 grep -qx 'half a line' "$folder/far.out" || fail "half a line"
echo "ok: lines both ways"

before=$(near_resets)$(far_resets)
printf 'no end of line' >&9
exec 9>&- # the end of the input: our stream ends, and so does the other side
wait "$connects" || fail "who connected: $(cat "$folder/near.out")"
wait "$listens" || fail "who listened: $(cat "$folder/far.out")"
exec 8>&-
grep -qx 'no end of line' "$folder/far.out" || fail "the last line: $(cat "$folder/far.out")"
grep -qx -e '-- the other side has ended' "$folder/far.out" || fail "no end"
grep -qx -e '-- the other side has ended' "$folder/near.out" || fail "no end at the near side"
[ "$(near_resets)$(far_resets)" = "$before" ] || fail "a kernel sent a reset"
echo "ok: the end"

# Input that is a file, and one that is not there.
printf 'one\ntwo' >"$folder/file"
cat >"$folder/input.lua" <<'LUA'
local input, task = require "tcplua.input", require "tcplua.task"
local ticks = 0
task.spawn(function()
  while true do
    task.sleep(0.01)
    ticks = ticks + 1
  end
end)
local line, err = input.read_line(0.05)
print(line or err.code, ticks > 0)
for rest in input.lines() do io.write(rest, ";") end
print(select(2, input.read()))
LUA
out=$("$TCPLUA" "$folder/input.lua" <"$folder/file" 2>&1) || fail "a file: $out"
[ "$out" = "one
	false
two;standard input has ended" ] || fail "a file: $out"
out=$("$TCPLUA" "$folder/input.lua" <&- 2>&1) && fail "no input at all: $out"
echo "$out" | grep -q "cannot read the input: Bad file" || fail "no input at all: $out"
mkfifo "$folder/quiet"
exec 7<>"$folder/quiet" # open, but nobody writes yet
"$TCPLUA" "$folder/input.lua" <"$folder/quiet" >"$folder/out" 2>&1 7>&- &
quiet=$!
until_true 5 grep -q ETIMEDOUT "$folder/out" || fail "a fifo: no time out"
printf 'late\n' >&7
exec 7>&-
wait "$quiet" || fail "a fifo: $(cat "$folder/out")"
[ "$(cat "$folder/out")" = "ETIMEDOUT	true
late
;standard input has ended" ] || fail "a fifo: $(cat "$folder/out")"
echo "ok: other inputs"
