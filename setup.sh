#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# setup.sh - what Virtlab needs of this machine: looks for it, installs what is missing where it may, else says what to type.
#
# Called by `make` before anything is built. Usage: setup.sh [--check] build|test|bench ...
set -u

check_only=no
if [ "${1:-}" = --check ]; then
    check_only=yes
    shift
fi

# A parallel make calls this for several purposes at once, and apt wants to be alone.
mkdir -p build && exec 9>build/setup.lock && flock 9

# need PACKAGE TEST...: notes the package when the test fails.
missing=
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
have_file() {
    for file in "$@"; do
        [ -e "$file" ] && return 0
    done
    return 1
}
header() { echo "#include <$1>" | ${CC:-cc} -E -x c - ; }

needs_of_build() {
    need gcc command -v "${CC:-gcc}"
    need libc6-dev header stdio.h
    need libzydis-dev header Zydis/Zydis.h
    need libunicorn-dev header unicorn/unicorn.h
    need libjansson-dev header jansson.h
    need musl-tools command -v musl-gcc
    need busybox-static have_file /bin/busybox
    need cpio command -v cpio
    need python3 command -v python3
}
needs_of_test() {
    need libcunit1-dev header CUnit/CUnit.h
    need qemu-system-x86 command -v qemu-system-x86_64
    need gnuplot-nox command -v gnuplot
}
# For `make test-vmx` alone, which says what it lacks; nobody is made to install these.
#     bochs bochs-term isolinux syslinux-common xorriso
needs_of_bench() {
    need gnuplot-nox command -v gnuplot
    need qemu-system-x86 command -v qemu-system-x86_64
    need bochs command -v bochs
    need bochs-term have_file /usr/lib/*/bochs/plugins/libbx_term_gui.so
}

for purpose in "$@"; do
    case $purpose in
    build | test | bench) "needs_of_$purpose" ;;
    *)
        echo "setup.sh: unknown purpose '$purpose' (build, test, bench)" >&2
        exit 2
        ;;
    esac
done

missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
[ -n "${missing# }" ] || exit 0

install="apt-get install -y --no-install-recommends $missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    sudo -n true 2>/dev/null || check_only=yes
fi
command -v apt-get >/dev/null 2>&1 || check_only=yes
if [ "$check_only" = yes ]; then
    echo "Virtlab needs packages that are not installed. Type:" >&2
    echo "    sudo apt-get update && sudo $install" >&2
    exit 1
fi

echo "Installing what Virtlab needs:$missing" >&2
$as_root apt-get update -qq >/dev/null 2>&1
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root $install -o DPkg::Lock::Timeout=300 >/dev/null 2>&1 && exit 0
echo "setup.sh: the packages could not be installed. Type:" >&2
echo "    sudo apt-get update && sudo $install" >&2
exit 1
