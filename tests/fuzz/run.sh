#!/bin/sh
# run.sh CORPUS PROGRAM…: each fuzzer for FUZZ_SECONDS (60), from its folder of the corpus. What it
# finds stays in the build folder: new inputs in new-NAME, those that break something in NAME-*.
set -eu
corpus=$1
shift
failed=
for program in "$@"; do
    name=${program##*/fuzz_}
    mkdir -p "new-$name"
    echo "== fuzz: $name"
    "$program" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=2048 -timeout=5 -rss_limit_mb=1024 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$name-" "new-$name" "$corpus/$name" ||
        failed="$failed $name"
done
if [ -n "$failed" ]; then
    echo "the fuzzer found something in:$failed" >&2
    exit 1
fi
