# cmake --install puts the program, the scripts and the documents in place; the program carries its
# Lua modules along and runs from there, with no environment and from another folder.
set -eu
build=$(dirname "$TCPLUA")
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >/dev/null
for file in share/tcplua/scripts/sha_client.lua share/doc/tcplua/README.md share/doc/tcplua/LICENSE; do
    if ! [ -s "$prefix/$file" ]; then
        echo "not installed: $file"
        exit 1
    fi
done
cd "$prefix"
env -i bin/tcplua --version
env -i bin/tcplua -e 'assert(require "tcplua.tcp")'
