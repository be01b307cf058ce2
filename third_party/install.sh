#!/bin/sh
# Installs the packages that tcplua is built from; with --test also those its tests want.
# As root or through sudo; asks nothing, and does nothing where all of them are there already.
set -eu

case ${1-} in
'') test=false ;;
--test) test=true ;;
*)
    echo "usage: install.sh [--test]" >&2
    exit 2
    ;;
esac

# For each package manager: the packages to build, those to test, whether one is installed, how
# to install. The names differ, the libraries do not: README.md has the table.
if command -v apt-get >/dev/null; then
    build="gcc libc6-dev make cmake pkg-config liblua5.4-dev libpcap-dev libmbedtls-dev"
    tests="ninja-build libcmocka-dev lua5.4 lua-check clang clang-format clang-tidy
        libclang-rt-dev iproute2 libcap2-bin netbase netcat-openbsd nftables tcpdump tshark perl jq
        python3-junitparser"
    have() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }
    install() {
        set -- -y --no-install-recommends "$@"
        apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -qq
            -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0"
        # shellcheck disable=SC2086  # a list of words
        $apt update && $apt install "$@"
    }
elif command -v dnf >/dev/null; then
    build="gcc make cmake pkgconf-pkg-config lua-devel libpcap-devel mbedtls-devel"
    tests="ninja-build libcmocka-devel lua libasan libubsan clang clang-tools-extra compiler-rt
        iproute libcap nmap-ncat nftables"
    have() { rpm -q --whatprovides "$1" >/dev/null 2>&1; }
    install() { $root dnf -y install "$@"; }
elif command -v pacman >/dev/null; then
    build="gcc make cmake pkgconf lua54 libpcap mbedtls"
    tests="ninja cmocka luacheck clang compiler-rt iproute2 libcap openbsd-netcat nftables"
    have() { pacman -T "$1" >/dev/null; }
    install() { $root pacman -Sy --needed --noconfirm "$@"; }
elif command -v apk >/dev/null; then
    build="gcc musl-dev linux-headers make cmake pkgconf lua5.4-dev libpcap-dev mbedtls-dev"
    tests="samurai cmocka-dev lua5.4 clang clang-extra-tools compiler-rt
        iproute2 libcap-utils netcat-openbsd nftables tcpdump tshark"
    have() { apk info -e "$1" >/dev/null; }
    install() { $root apk add --no-cache "$@"; }
else
    echo "install.sh knows apt-get, dnf, pacman and apk, and found none of them:" \
        "install the libraries of third_party/README.md by hand" >&2
    exit 1
fi

wanted=$build
if $test; then wanted="$build $tests"; fi
missing=
for package in $wanted; do
    have "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then exit 0; fi

root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install.sh must be root, or find sudo, to install:$missing" >&2
        exit 1
    fi
    root=sudo
fi
echo "installing:$missing"
# shellcheck disable=SC2086  # a list of words
install $missing </dev/null
