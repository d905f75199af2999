#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_linux_lockstep.sh - the whole boot of Debian's stock cloud kernel, to a process and down again, on two engines in
# lockstep: half a billion instructions without a difference. And the whole boot of our own kernel, with a shell.
#
# Usage: test_linux_lockstep.sh BUILD_DIR. LOCKSTEP_EVERY=N compares registers every N instructions.
set -u
build=$(readlink -f "$1")
work=$build/tests/linux-lockstep
export VIRTLAB_GUEST=${VIRTLAB_GUEST:-$build/guest}
passed=0 failed=0

# agree "TEXT" PATTERN ARGS...: no difference, and the guest has printed a line like PATTERN.
agree() {
    local text=$1 pattern=$2
    shift 2
    "$build/virtlab" compare --engines emulate/interp,full/bt:all --output --timeout 500 "$@" >"$work/out" 2>&1 </dev/null
    if grep -q 'no difference' "$work/out" && grep -q -e "$pattern" "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "NOT TRUE: $text"
        sed -n '/^DIFFERENCE/,$p' "$work/out" | head -n 60
        tail -n 3 "$work/out"
    fi
}

mkdir -p "$work"
agree "our kernel boots and runs a shell alike" '^counted to 20' \
    busybox sh -c 'cat /share/text | sort | sha256sum; i=0; while [ $i -lt 20 ]; do i=$((i + 1)); (exit $i); done; echo counted to $i'

skip() {
    echo "$passed passed, $failed failed; Debian's kernel left out: $*"
    [ $failed -eq 0 ]
    exit
}

. "$(dirname "$0")/linux_package.sh"
[ -x /bin/busybox ] || skip "package busybox-static is not installed"
fetch_kernel

rm -rf "$work/root" && mkdir -p "$work/root/bin" && cp /bin/busybox "$work/root/bin"
printf '#!/bin/busybox sh\necho "init: up"\n/bin/busybox poweroff -f\n' >"$work/root/init"
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.gz"
agree "Debian's kernel boots alike" '^init: up' --every "${LOCKSTEP_EVERY:-100000}" --mem 192M --kernel "$kernel" \
    --initrd "$work/initramfs.gz" --append 'console=ttyS0 acpi=off noapic nolapic pci=off reboot=t cryptomgr.notests'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
