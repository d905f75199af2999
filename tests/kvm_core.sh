#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kvm_core.sh - a core subset of what the guest can do, for hosts on which the whole suite (tests/guest/suite) would take
# too long: workloads flat and under the guest's kernel, what its busybox says, and what the CPU does. All that is printed
# must be what the same files print natively.
#
# Usage: kvm_core.sh BUILD ENGINE. Prints `core: N passed, M failed`.
set -u
build=$1 engine=$2
guest=$build/guest
passed=0 failed=0

run() {
    "$build/virtlab" run --engine "$engine" --timeout 120 "$@" 2>&1 </dev/null
}

# same NAME GOT WANTED, but for the time that it took
same() {
    got=$(echo "$2" | sed 's/ roi_ns=[0-9]*//')
    want=$(echo "$3" | sed 's/ roi_ns=[0-9]*//')
    if [ -n "$want" ] && [ "$got" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1 under $engine: expected (-) and actual (+):"
        echo "$want" | sed 's/^/-/'
        echo "$got" | sed 's/^/+/'
    fi
}

# Without a kernel.
while read -r workload arguments; do
    # shellcheck disable=SC2086
    same "flat $workload" "$(run --kernel "$guest/flat/$workload.elf" --append "-- $arguments")" \
        "$("$guest/bin/$workload" $arguments)"
done </suite/flat_rows

# What the CPU does: paging, rings, exceptions, interrupts, 32-bit code; each in a machine of its own.
for check in self-modify invlpg page-fault write-protect accessed-dirty ring3 iopl syscall-user sysret swapgs timer hlt compat32; do
    same "check $check" "$(run --kernel "$guest/flat/selfcheck.elf" --append "-- $check")" "check $check: ok"
done

# Under the guest's kernel: system calls, context switches, address spaces, faults; then its other ways in.
programs='getpid 1; pingpong 1; forkwait 1; mmaptouch 1; wpfault 1; sieve 1; sha256 1'
same "system workloads" "$(run busybox sh -c "$programs")" "$(PATH=$guest/bin:$PATH sh -c "$programs")"
commands='echo hello; head -c 20000 /share/text | sort | sha256sum; i=0; while [ $i -lt 5 ]; do (exit $i); i=$((i + $? + 1)); done; echo $i'
same "busybox" "$(run busybox sh -c "$commands")" "$(echo "$commands" | sed "s,/share,$guest/share," | sh)"
same "in the kernel: sieve" "$(run kernel:sieve 1)" "$("$guest/bin/sieve" 1)"
same "Multiboot" "$(run --kernel "$guest/kernel.mb" --initrd "$guest/initrd.cpio" --append 'quiet init=/bin/echo -- multi boot')" "multi boot"
echo "core: $passed passed, $failed failed"
