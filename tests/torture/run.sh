#!/bin/sh
# run.sh TCPLUA LIBRARY [STRIDE]: the main job in the lab, again and again, each time with another
# call refused (refuse.c): every one of the first 40 of a function, and then every STRIDE-th (1 for
# all of them). Whatever is refused, the job is done or the program says why in one sentence, with a
# status that says so: no crash, no hang, no success without the right answer.
set -eu
program=$1 library=$2 stride=${3:-97}
functions="malloc calloc realloc socket bind listen setsockopt getsockopt sendto sendmsg recvmsg recv
    ppoll write read unshare fork dup2 open ioctl"
[ "$(uname -s)" = Linux ] || { echo "skipped: refuse.c counts on glibc"; exit 77; }
if ! "$program" --lab -e 'os.exit(0)' 2>/dev/null; then
    echo "skipped: no lab here"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM HUP

# $1 function, $2 which call: 1 if there were not so many.
try() {
    : >"$folder/told"
    status=0
    REFUSE=$1 REFUSE_AT=$2 LD_PRELOAD=$library "$program" --timeout 5s demo \
        >"$folder/out" 2>"$folder/err" 9>"$folder/told" </dev/null || status=$?
    [ -s "$folder/told" ] || return 1
    runs=$((runs + 1))
    case $status in
    0) cat "$folder/out" "$folder/err" | grep -Eq "got the right hash|lab is simulated" ||
        wrong "$1" "$2" "success without an answer" ;;
    1 | 4) [ -s "$folder/err" ] || wrong "$1" "$2" "status $status and not a word" ;;
    *) wrong "$1" "$2" "status $status" ;;
    esac
    if [ "$(wc -l <"$folder/err")" -gt 4 ]; then wrong "$1" "$2" "more than a sentence"; fi
}

wrong() {
    echo "not ok: $1 refused the ${2}th time: $3"
    head -5 "$folder/err"
    failed=1
}

runs=0 failed=0
for function in $functions; do
    at=1
    while try "$function" "$at"; do
        if [ "$at" -lt 40 ]; then at=$((at + 1)); else at=$((at + stride)); fi
    done
done
echo "$runs calls refused"
if [ "$runs" -lt 100 ]; then
    echo "not ok: nothing was tried: is $library loaded?"
    failed=1
fi
[ "$failed" = 1 ] || echo "ok: J21 any one call refused, allocations among them"
exit $failed
