#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_vtx_lockstep.sh - whole systems under the software VT-x do, instruction for instruction, what they do under the
# interpreter: the hypervisor is not to be noticed.
#
# Usage: test_vtx_lockstep.sh BUILD_DIR. The guest is $VIRTLAB_GUEST, or BUILD_DIR/guest.
build=$1
export VIRTLAB_GUEST="${VIRTLAB_GUEST:-$build/guest}"
passed=0 failed=0
for engine in hwassist/vtx hwassist/vtx:cached hwassist/vtx:shadow; do
    for workload in "getpid 2" "forkwait 2" "mmaptouch 2"; do
        # shellcheck disable=SC2086 # workload and its argument
        out=$("$build/virtlab" compare --engines emulate/interp,$engine $workload 2>&1 </dev/null)
        if [ $? = 0 ] && echo "$out" | grep -q "no difference"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: $engine, $workload:"
            echo "$out" | head -n 30
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
