#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_linux_boot.sh - somebody else's operating system: Debian's stock cloud kernel boots under emulate/interp to a shell
# command and goes down again.
#
# Usage: test_linux_boot.sh BUILD_DIR, with another engine in VIRTLAB_ENGINE. The kernel package is fetched and unpacked, not installed; where it can't be had, the
# test is skipped (status 77). The initramfs holds a static busybox and one script.
set -u
build=$1
engine=${VIRTLAB_ENGINE:-emulate/interp}
work=$build/tests/linux-${engine//\//-}
mkdir -p "$work"

skip() {
    echo "skipped: $*"
    exit 77
}

. "$(dirname "$0")/linux_package.sh"

make_initramfs() {
    local root=$work/root
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys}
    cp /bin/busybox "$root/bin/busybox"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "init: $(/bin/busybox uname -s) $(/bin/busybox nproc) cpu"
echo "init: sum $(echo virtlab | /bin/busybox sha256sum)"
i=0; while [ $i -lt 5 ]; do i=$((i + 1)); (exit $i) || true; done
echo "init: counted to $i"
/bin/busybox poweroff -f
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.gz"
}

passed=0 failed=0
expect() {
    local what=$1 pattern=$2
    if grep -q -e "$pattern" "$work/console"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what: the console has no line like '$pattern'"
    fi
}

[ -x /bin/busybox ] || skip "package busybox-static is not installed"
fetch_kernel
make_initramfs

"$build/virtlab" run --engine "$engine" --mem 256M --kernel "$kernel" \
    --initrd "$work/initramfs.gz" --timeout "${VIRTLAB_LINUX_TIMEOUT:-300}" --stats "$work/stats.json" \
    --append 'console=ttyS0 acpi=off noapic nolapic pci=off reboot=t cryptomgr.notests' \
    >"$work/console.raw" 2>"$work/errors" </dev/null
status=$?
tr -d '\r' <"$work/console.raw" >"$work/console"

expect "the kernel says who it is" 'Linux version 6'
expect "it sees a hypervisor's CPU without complaint" 'Run /init as init process'
expect "user space runs" '^init: Linux 1 cpu'
expect "a pipeline of processes gives the right sum" \
    "^init: sum $(echo virtlab | sha256sum | cut -c1-64)"
expect "a shell loop with subshells" '^init: counted to 5'
expect "it goes down" 'reboot: \(System halted\|Power down\)'
if [ $status -eq 0 ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED: status $status: $(tail -n 1 "$work/errors")"
fi
[ $failed -eq 0 ] || tail -n 15 "$work/console"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
