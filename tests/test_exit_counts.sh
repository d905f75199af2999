#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_exit_counts.sh - the exits and port accesses that engines count are those that the guest makes, and the same under
# each: hwassist/vtx against what the guest says, then the others against hwassist/vtx (exit_counts.py says what can be
# compared). hwassist/kvm takes part where it can run; where it can't, test_kvm.sh and vmx.sh bring a host for it.
#
# Usage: test_exit_counts.sh BUILD_DIR
set -u
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$build/tests/exit-counts
failed=0
mkdir -p "$work"

compare() {
    local measured=$work/${1//[\/:]/-}
    "$here/exit_counts.sh" "$build" "$1" >"$measured"
    python3 "$here/exit_counts.py" "$work/hwassist-vtx" "$measured" | sed "s,^exit counts:,exit counts of $1:,"
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
}

compare hwassist/vtx
compare hwassist/vtx:shadow
compare emulate/interp
compare full/bt:all
if "$build/virtlab" list | grep -A 1 '^  hwassist/kvm ' | grep -q 'not available'; then
    echo "left out: hwassist/kvm does not run here"
else
    compare hwassist/kvm
fi

# The comparison can fail: a count too many is found.
sed 's/"hlt":{"taken":7/"hlt":{"taken":8/' "$work/hwassist-vtx" >"$work/wrong"
python3 "$here/exit_counts.py" "$work/hwassist-vtx" "$work/wrong" >"$work/found"
if [ $? != 1 ] || ! grep -q '^FAILED: flat-exits: hwassist/vtx: exits hlt: 8, want 7' "$work/found"; then
    echo "FAILED: a wrong number of HLT exits is not noticed"
    failed=1
fi
exit $failed
