#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_tailcalls.sh - do the interpreter's handlers jump to each other, as core/x86/insn.h says?
#
# A handler whose NEXT compiles to a call instead of a jump (a local variable in memory is enough) would grow the stack with
# every instruction. (A record has 0x30 bytes, and fn stands first.) In an optimised build only the run loop may call through a record. Usage: test_tailcalls.sh BUILD_DIR.
set -u
build=$1
objects=$build/obj/core/x86
[ -d "$objects" ] || { echo "no objects in $objects"; exit 1; }
if nm -u "$objects/run.o" | grep -q asan; then
    echo "skipped: sanitized builds come back to the loop behind every instruction"
    exit 77
fi

passed=0 failed=0
for object in "$objects"/*.o; do
    calls=$(objdump -d --no-show-raw-insn "$object" |
        awk '/^[0-9a-f]+ <.*>:$/ { function_name = $2 } /call +\*(0x0|0x30)?\(%r/ { print function_name }' |
        grep -v -e '^<cpu_run>:' -e '^<cpu_execute>:' -e '^<run_' | sort -u)
    if [ -n "$calls" ]; then
        failed=$((failed + 1))
        echo "FAILED: $(basename "$object"): calls instead of jumps in" $calls
    else
        passed=$((passed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
