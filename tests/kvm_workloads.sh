#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kvm_workloads.sh - every workload of the lecture's table under the guest's kernel, one iteration each: it must end with
# status 0 and print what the same file prints natively, but for the time that it took.
#
# Usage: kvm_workloads.sh BUILD ENGINE ROWS. ROWS has a line for each: its name, the program, arguments; %file% and %disk% in
# them as in workloads.def. Prints `workloads: N passed, M failed`.
set -u
build=$1 engine=$2 rows=$3
guest=$build/guest
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# plain OUTPUT: without the time
plain() {
    echo "$1" | sed 's/ roi_ns=[0-9]*//'
}

while read -r name program arguments; do
    drive=
    case $arguments in
    *%disk%*)
        for disk in here there; do "$guest/bin/disk" prepare "$work/$disk" 256 >/dev/null; done
        drive="--drive $work/there" ;;
    esac
    here=$(echo "$arguments" | sed "s,%file%,$guest/share/text,; s,%disk%,$work/here,")
    there=$(echo "$arguments" | sed "s,%file%,/share/text,; s,%disk%,/dev/disk,")
    # shellcheck disable=SC2086
    want=$(plain "$("$guest/bin/$program" $here 2>&1)")
    # shellcheck disable=SC2086
    got=$("$build/virtlab" run --engine "$engine" --timeout 120 $drive "$program" $there 2>&1 </dev/null)
    status=$?
    if [ $status = 0 ] && [ "$(plain "$got")" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED workload $name under $engine: status $status: $got; natively: $want"
    fi
done <"$rows"
echo "workloads: $passed passed, $failed failed"
