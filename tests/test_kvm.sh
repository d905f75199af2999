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
limit=${VIRTLAB_KVM_TIMEOUT:-560}

skip() {
    echo "skipped: $*"
    exit 77
}

. "$here/linux_package.sh"
. "$here/kvm_root.sh"

[ -x /bin/busybox ] || skip "package busybox-static is not installed"
command -v qemu-system-x86_64 >/dev/null || skip "package qemu-system-x86 is not installed"
mkdir -p "$work"
fetch_kernel
make_root "$work/initramfs.gz" || exit 1

# No SMAP: QEMU's IRETQ in ring 3 reads its operands as the supervisor would, and a world's entry is such an IRETQ.
timeout "$limit" qemu-system-x86_64 -accel tcg -smp 1 -m 2G -cpu qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdtscp,+smep,+fsgsbase,+erms,+umip,+pdpe1gb \
    -display none -monitor none -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/initramfs.gz" \
    -append 'console=ttyS0 quiet panic=-1 cryptomgr.notests tsc=reliable PARTS=doctor,counts,workloads,programs,travel,suite' \
    </dev/null >"$work/console.raw" 2>"$work/errors"
echo "QEMU ended with status $? (124: not within $limit s) $(tail -n 3 "$work/errors")"
tr -d '\r' <"$work/console.raw" >"$work/console"
# Each part must have come to its end: the guest's suite, and the travels, none of them skipped.
verdict "$work/console" '^kvm-host: .*kvm_amd/parameters/npt [Y1]' '^kvm-host: *hwassist/kvm *ready' \
    '^[0-9]* passed, 0 failed' '^workloads: 22 passed, 0 failed$' '^travel: 7 passed, 0 failed$' \
    '^dirty_log: 4 passed, 0 failed$' '^kernel_exits: 3 passed, 0 failed$' '^kvm_chips: 5 passed, 0 failed$'
