#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_trap_guests.sh - whole guests under full/trap: flat workloads run as natively; of the flat checks exactly those fail that
# stand on an instruction which doesn't trap, and it is named; our kernel boots and runs a workload.
#
# Usage: test_trap_guests.sh BUILD_DIR. Exit status 77 where guest code can't run directly.
set -u
build=$1
guest=${VIRTLAB_GUEST:-$build/guest}
here=$(cd "$(dirname "$0")" && pwd)
work=$build/tests/trap
mkdir -p "$work"
passed=0 failed=0

pass() {
    passed=$((passed + 1))
}
fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
    tail -n 5 "$work/out" "$work/err" 2>/dev/null
}

# run OPTIONS...: output in $work/out and $work/err, the guest's own status in $status.
run() {
    "$build/virtlab" run --engine full/trap --timeout 60 "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

run --kernel "$guest/flat/selfcheck.elf" --append '-- rdtsc'
if [ $status = 2 ]; then
    cat "$work/err"
    exit 77
fi

# Flat workloads, with few iterations. They ask CPUID for the TSC's frequency, and nothing else that is silent.
while read -r binary arguments; do
    # shellcheck disable=SC2086
    want=$("$guest/bin/$binary" $arguments | sed -n 's/.*check=//p')
    run --kernel "$guest/flat/$binary.elf" --append "-- $arguments"
    got=$(tr -d '\r' <"$work/out" | sed -n 's/.*check=//p')
    if [ $status = 0 ] && [ -n "$want" ] && [ "$got" = "$want" ] &&
        ! grep -qv 'gets it wrong: cpuid (' "$work/err"; then
        pass
    else
        fail "$binary: status $status, check '$got', natively '$want'"
    fi
done < <(sed -n 's/^WORKLOAD("[^"]*", "\([^"]*\)", [a-z]*, FLAT_OK, "[0-9]*\([^"]*\)".*/\1 2\2/p' \
    "$here/../guest/workloads/workloads.def")

# Which instruction is at fault in which check. Linux' selectors in ring 3 are the same on all hosts.
silent() {
    case $1 in
    user-page | privileged | iopl | popf | syscall-user) echo iretq ;;
    iret | cli-sti | sysret | timer | hlt) echo pushfq ;;
    ring3) echo popfq ;;
    syscall) echo mov ;;
    esac
}

run --kernel "$guest/flat/selfcheck.elf" --append '-- list'
names=$(cut -d' ' -f1 "$work/out")
for name in $names; do
    run --kernel "$guest/flat/selfcheck.elf" --append "-- $name"
    blamed=$(silent "$name")
    if [ -z "$blamed" ]; then
        [ $status = 0 ] && pass || fail "check $name: status $status, and nothing silent is known to be in it"
    elif [ $status = 1 ] && grep -q "gets it wrong: $blamed (" "$work/err"; then
        pass
    else
        fail "check $name: status $status; should fail because of $blamed"
    fi
done
[ "$(echo "$names" | wc -w)" -ge 30 ] || fail "selfcheck lists too few checks"

# Our kernel reads CPUID and flags, but makes little of them: it boots, switches processes and pages on demand.
for workload in 'sieve 2' 'forkwait 3' 'mmaptouch 1'; do
    # shellcheck disable=SC2086
    run $workload
    [ $status = 0 ] && grep -q ': ok ' "$work/out" && pass || fail "$workload under our kernel: status $status"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
