# SPDX-License-Identifier: GPL-2.0-or-later
#
# linux_package.sh - Debian's stock cloud kernel, fetched and unpacked (not installed) into build/cache, for the tests that
# boot it. Sourced by test_linux_boot.sh and test_kvm.sh; they define `skip` and `work`, a folder for scratch files.
#
#   fetch_kernel    afterwards $cache/vmlinuz-* and $cache/modules/*.ko (KVM's) are there; skips or fails otherwise

cache=$(dirname "$(readlink -f "$0")")/../build/cache

unpack_kernel() {
    local package
    ls "$cache"/vmlinuz-* "$cache"/modules/kvm.ko >/dev/null 2>&1 && return 0
    command -v apt-get >/dev/null || skip "apt-get, which fetches linux-image-cloud-amd64, is not there"
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
    [ -n "$package" ] || skip "no package list knows linux-image-cloud-amd64 (try: apt-get update)"
    (cd "$work" && apt-get download "$package" >/dev/null 2>&1) || skip "package $package can't be fetched"
    dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" --wildcards './boot/vmlinuz-*' '*/kvm*.ko' '*/irqbypass.ko' || return 1
    mkdir -p "$cache/modules"
    find "$work/lib" -name '*.ko' -exec mv {} "$cache/modules/" \;
    mv "$work"/boot/vmlinuz-* "$cache/" && rm -rf "$work/boot" "$work/lib" "$work"/*.deb
}

# Several tests may want it at once.
fetch_kernel() {
    mkdir -p "$cache"
    exec 9>"$cache/lock" && flock 9
    unpack_kernel || skip "the kernel package can't be unpacked"
    exec 9>&-
    kernel=$(ls "$cache"/vmlinuz-* | tail -n 1)
}
