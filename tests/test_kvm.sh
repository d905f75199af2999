#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_kvm.sh - hwassist/kvm on a real KVM, also where this machine has none: Debian's cloud kernel boots under QEMU's
# emulation of a CPU with AMD-V and nested paging, loads kvm-amd, and runs virtlab with the guest's whole test suite.
#
# Usage: test_kvm.sh BUILD_DIR. Skipped (status 77) where QEMU or the kernel package can't be had. What it prints about time is no
# measurement: the hardware is emulated.
set -u
build=$1
here=$(cd "$(dirname "$0")" && pwd)
guest=${VIRTLAB_GUEST:-$build/guest}
work=$build/tests/kvm-host
root=$work/root
limit=${VIRTLAB_KVM_TIMEOUT:-500}

skip() {
    echo "skipped: $*"
    exit 77
}

. "$here/linux_package.sh"

# A root file system: busybox, virtlab with the libraries that it loads, the guest, its test suite.
make_root() {
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules,suite,build}
    cp /bin/busybox "$root/bin/"
    cp "$build/virtlab" "$build"/tests/test_{travel,dirty_log,kernel_exits,kvm_chips} "$root/build/"
    cp "$(command -v cpio)" "$root/suite/cpio" # busybox' knows fewer options
    cp -L /bin/sh "$root/suite/sh"             # and its shell takes its own applets first
    ldd "$root"/build/{virtlab,test_travel,test_dirty_log,test_kernel_exits,test_kvm_chips} "$root"/suite/{cpio,sh} | grep -o '[[:space:]]/[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"
    done
    cp -r "$guest" "$root/build/guest"
    cp "$cache"/modules/*.ko "$root/modules/"
    cp "$here/guest/suite" "$root/suite/suite"
    musl-gcc -std=gnu11 -O2 -static "$here/guest/selftest.c" -o "$root/suite/selftest" || return 1
    cp "$here/kvm_init.sh" "$root/init" && chmod +x "$root/init"
}

[ -x /bin/busybox ] || skip "package busybox-static is not installed"
command -v qemu-system-x86_64 >/dev/null || skip "package qemu-system-x86 is not installed"
mkdir -p "$work"
fetch_kernel
make_root || exit 1
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.gz"

# No SMAP: QEMU's IRETQ in ring 3 reads its operands as the supervisor would, and a world's entry is such an IRETQ.
timeout "$limit" qemu-system-x86_64 -accel tcg -smp 1 -m 2G -cpu qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdtscp,+smep,+fsgsbase,+erms,+umip,+pdpe1gb \
    -display none -monitor none -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/initramfs.gz" \
    -append 'console=ttyS0 quiet panic=-1 cryptomgr.notests tsc=reliable' </dev/null >"$work/console.raw" 2>"$work/errors"
status=$?
tr -d '\r' <"$work/console.raw" >"$work/console"
grep -a -e '^FAILED' -e '^ *[-+]' -e '^kvm-host:' -e '^  a guest travels' -e '^    tests/' "$work/console"
if ! grep -aq '^kvm-host: end' "$work/console"; then
    echo "FAILED: the host kernel did not come to its end (status $status of QEMU, 124: no end within $limit s)"
    tail -n 15 "$work/console" "$work/errors"
    exit 1
fi
passed=$(awk '{ for (i = 2; i <= NF; i++) if ($i == "passed,") n += $(i - 1) } END { print n + 0 }' "$work/console")
failed=$(grep -ac '^FAILED\|\.\.\. FAILED' "$work/console")
# Each part must have come to its end: the guest's suite, the travels and what else asks KVM, none of them skipped.
for part in '^[0-9]* passed, 0 failed' '^travel: 7 passed, 0 failed$' \
    '^dirty_log: 4 passed, 0 failed$' '^kernel_exits: 3 passed, 0 failed$' '^kvm_chips: 5 passed, 0 failed$'; do
    grep -aq "$part" "$work/console" || {
        failed=$((failed + 1))
        echo "FAILED: the console has no line like '$part'"
    }
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
