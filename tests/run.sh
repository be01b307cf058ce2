#!/bin/sh
# Everything that must hold, from a bare machine on: installs what is missing, builds with gcc and
# clang without a warning, runs the suite as released and under the sanitizers.
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
for preset in asan release; do
    echo "== test: $preset"
    ctest --preset "$preset" -j "$jobs" "$@" || failed="$failed $preset"
done
if [ -n "$failed" ]; then
    echo "tests failed in:$failed" >&2
    exit 1
fi
