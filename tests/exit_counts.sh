#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# exit_counts.sh - runs the guests below under one engine and prints what was counted, for exit_counts.py to compare.
#
# Usage: exit_counts.sh BUILD ENGINE. For each guest, where BYTES is how much it printed:
#
#   counts GUEST BYTES {statistics, as of virtlab run --stats, on one line}
#   said GUEST the first line that it printed
#
# Also run inside the KVM hosts of test_kvm.sh and vmx.sh, by busybox's shell.
set -u
build=$1 engine=$2
guest=${VIRTLAB_GUEST:-$build/guest}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count GUEST ARGUMENTS-OF-RUN...
kernel_exits=
[ "$engine" = hwassist/kvm ] && kernel_exits=--kernel-exits # by reason, where the host's kernel lets us (root)
count() {
    name=$1
    shift
    # shellcheck disable=SC2086
    "$build/virtlab" run --engine "$engine" $kernel_exits --timeout 120 --stats "$work/stats" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    if [ $status = 0 ]; then
        echo "counts $name $(wc -c <"$work/out") $(tr -d ' \n' <"$work/stats")"
        echo "said $name $(head -n 1 "$work/out")"
    else
        echo "FAILED: $name under $engine: status $status: $(tail -n 1 "$work/err")"
    fi
}

flat() {
    count "$1" --kernel "$guest/flat/$2.elf" --append "-- $3"
}

# What a guest without a kernel does is its own doing, to the last access.
flat flat-exits exits 'cpuid=100 out=200 in=300 read=40 write=30 hlt=7'
flat flat-strings exits 'outs=50'
flat flat-nothing exits ''
flat flat-sieve sieve 1
flat flat-sha256 sha256 1

# What a kernel does besides depends on how long things take: each tick is an interrupt, an end of interrupt, a turn of
# the scheduler.
count os-getpid getpid 1
count os-forkwait forkwait 1
count os-pipes busybox sh -c 'echo one two three | tr a-z A-Z | cat'
"$guest/bin/disk" prepare "$work/disk" 256
count os-disk --drive "$work/disk" disk 1 seqread
