#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_random_kernel.sh - random ring-0 programs in lockstep: a translator and the interpreter agree on every register and
# every byte of memory (tests/lockstep/random_kernel.py says what the programs do).
#
# Usage: test_random_kernel.sh BUILD_DIR. RANDOM_SEEDS="FROM TO" runs others, RANDOM_ENGINES="..." other engines.
set -u
virtlab=$(readlink -f "$1")/virtlab
here=$(dirname "$(readlink -f "$0")")
read -r from to <<<"${RANDOM_SEEDS:-1 6}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work # translations ahead of time stay out of the user's
passed=0 failed=0

# program SEED ROUNDS
program() {
    python3 "$here/lockstep/random_kernel.py" "$1" "$2" >"$work/$1.S" &&
        ${CC:-cc} -nostdlib -static -no-pie -I"$here/../include" -I"$here/lockstep" -o "$work/$1.elf" "$work/$1.S" \
            -Wl,-e,entry,-Ttext=0x200000,--build-id=none,-N 2>"$work/warnings" || { cat "$work/warnings"; exit 1; }
}

# agree SEED ENGINE ARGS...
agree() {
    local seed=$1 engine=$2
    shift 2
    if "$virtlab" compare --engines "emulate/interp,$engine" --timeout 120 --kernel "$work/$seed.elf" "$@" \
        >"$work/out" 2>&1 </dev/null && grep -q 'no difference' "$work/out" && grep -q 'with status 0' "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "NOT TRUE: $engine runs program $seed as the interpreter does (compare $*)"
        head -n 40 "$work/out" | sed 's/^/    /'
    fi
}

for ((seed = from; seed <= to; seed++)); do
    program "$seed" 300
    for engine in ${RANDOM_ENGINES:-full/bt:all full/static}; do
        agree "$seed" "$engine"
    done
done
program 134 400 # a fault of MOV from CR0 in ring 3, translated: its block was counted wrongly once
agree 134 full/bt:all
program 1000 30
agree 1000 full/bt:all --every 1 # all flags, traced
program 1002 30
"$virtlab" run --engine full/bt:all --clock virtual --kernel "$work/1002.elf" --stats "$work/stats" >/dev/null 2>&1
# They do what they are meant to: else agreement says nothing.
if python3 -c '
import json, sys
c = json.load(open(sys.argv[1]))["counters"]
sys.exit(not all(c[k] > 0 for k in ("interrupts", "exceptions", "true_faults", "tlb_flushes", "blocks_translated")))' "$work/stats"
then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "NOT TRUE: a program takes interrupts, exceptions and page faults, and is translated"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
