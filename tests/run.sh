#!/bin/sh
# Everything that must hold, from a bare machine on: installs what is missing, builds with gcc and
# clang without a warning, runs each fuzzer for FUZZ_SECONDS (10), and the suite under the sanitizers
# and as released.
set -eu
cd "$(dirname "$0")/.."
jobs=$(getconf _NPROCESSORS_ONLN)

sh third_party/install.sh --test
for preset in release clang asan; do
    echo "== build: $preset"
    cmake --preset "$preset" -DTCPLUA_WERROR=ON --log-level=WARNING
    cmake --build --preset "$preset" -j "$jobs"
done

failed=
echo "== fuzz"
cmake --preset fuzz --log-level=WARNING
FUZZ_SECONDS=${FUZZ_SECONDS-10} cmake --build --preset fuzz -j "$jobs" --target fuzz ||
    failed="$failed fuzz"
for preset in asan release; do
    echo "== test: $preset"
    ctest --preset "$preset" -j "$jobs" "$@" || failed="$failed $preset"
done
if [ -n "$failed" ]; then
    echo "tests failed in:$failed" >&2
    exit 1
fi
