#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_lockstep.sh - statements about `virtlab compare`: equal engines are equal, and one wrong bit is found at the
# very instruction that made it.
#
# Usage: test_lockstep.sh BUILD_DIR. The guest is $VIRTLAB_GUEST, or BUILD_DIR/guest.
set -u
build=$(readlink -f "$1")
virtlab=$build/virtlab
guest=${VIRTLAB_GUEST:-$build/guest}
export VIRTLAB_GUEST=$guest
here=$(readlink -f "$(dirname "$0")")
[ -x "$virtlab" ] || { echo "no $virtlab: make virtlab"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# --- how statements are made ---------------------------------------------------------------------

not_true() {
    failed=$((failed + 1))
    echo "NOT TRUE: $1"
    sed 's/^/    /' "$work/out" "$work/err" | head -n 40
}

# says "TEXT" STATUS PATTERN ARGS...: `virtlab compare ARGS` ends with STATUS and prints a line that matches PATTERN.
says() {
    local text=$1 want=$2 pattern=$3 status
    shift 3
    "$virtlab" compare "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    if [ $status = "$want" ] && cat "$work/out" "$work/err" | grep -Eq -e "$pattern"; then
        passed=$((passed + 1))
    else
        not_true "$text (status $status, wanted $want and a line with: $pattern)"
    fi
}

# wrong WHAT K "TEXT" PATTERN ARGS...: with this bit wrong at instruction K a difference is found.
wrong() {
    local what=$1 at=$2 text=$3 pattern=$4
    shift 4
    WRONG_WHAT=$what WRONG_AT=$at says "$text" 1 "$pattern" --engines "$pair" "$@"
}

# also PATTERN: the report before has such a line, too.
also() {
    if grep -Eq -e "$1" "$work/out"; then passed=$((passed + 1)); else not_true "the report has a line with: $1"; fi
}

# --- a guest whose instructions are numbered, and an engine with a wrong bit ----------------------

build_guest() {
    ${CC:-cc} -nostdlib -static -no-pie -I"$here/../include" -Wl,-e,entry,-Ttext=0x200000,--build-id=none "${@:2}" \
        -o "$work/$1.elf" "$here/lockstep/guest.S" || exit 1
}
build_guest flat
build_guest endless -DENDLESS
build_guest errors -DERRORS
${CC:-cc} -std=gnu11 -D_GNU_SOURCE -shared -fPIC -O1 -I"$here/../include" -o "$work/wrong.so" \
    "$here/lockstep/wrong_engine.c" || exit 1
pair=emulate/interp,$work/wrong.so
same=emulate/interp,emulate/interp
add=$((5 + 5 * 70000)) dec=$((5 + 5 * 70001 + 3)) store=$((5 + 5 * 70002 + 2))
flat=(--kernel "$work/flat.elf")

# --- usage ---------------------------------------------------------------------------------------

says "two engines are needed" 2 "must be two engines" --engines emulate/interp "${flat[@]}"
says "and named" 2 "engines is missing" "${flat[@]}"
says "an engine's name is checked" 2 "did you mean" --engines emulate/interp,emulate/interq "${flat[@]}"
says "the modes exclude each other" 2 "exclude each other" --engines $same --every 5 --at-exits "${flat[@]}"
says "a missing kernel is named" 2 "nothere.elf" --engines $same --kernel nothere.elf
WRONG_COUNTS=0 says "an engine that can't count is compared at exits only" 2 "use --at-exits" \
    --engines "$pair" --every 100 "${flat[@]}"

# --- no difference --------------------------------------------------------------------------------

says "an engine equals itself on an operating system" 0 "no difference" --engines $same --output fib 1
also "fib: ok"
also "powered off with status 0"
says "at exits, too" 0 "no difference" --engines $same --at-exits true
says "a flat guest's status is told" 0 "powered off with status 7" --engines $same --every 1000 "${flat[@]}"
says "every instruction can be compared" 0 "compared 20001 times" --engines $same --every 1 --limit 20000 "${flat[@]}"
also "limit was reached"
says "a limit counts exits" 0 " 3 exits" --engines $same --at-exits --limit 3 "${flat[@]}"
says "an endless guest times out" 124 "time-out after 0.5 s; no difference" --engines $same --timeout 0.5 \
    --kernel "$work/endless.elf"
says "at exits, too" 124 "time-out after 0.5 s" --engines $same --at-exits --timeout 0.5 --kernel "$work/endless.elf"

# --- one wrong bit --------------------------------------------------------------------------------

wrong register $add "a wrong register is found at its instruction" "^at instruction $add;" "${flat[@]}"
also "^The instruction: 0x[0-9a-f]+ +add rax, 0x03"
also "^\* rbx +0x0000000000000001 +0x0000000000000001 +0x0000000000000000"
also "^ +$((add - 1)) .* jnz "
wrong xmm $add "so is a wrong SSE register" "^at instruction $add;" "${flat[@]}"
also "^\* xmm9"
wrong flag $dec "so is a wrong flag that a jump reads, by what the jump does" "^at instruction $dec;" "${flat[@]}"
also "^The instruction: 0x[0-9a-f]+ +dec ecx"
also "^\* rflags"
wrong memory $store "so is wrong memory" "^at instruction $store;" "${flat[@]}"
also "^The instruction: .* mov \[rdi\+rcx"
also "1 byte differs"
wrong flag 3 "a wrong flag that nothing reads is found with --every 1" "^at instruction 3;" --every 1 "${flat[@]}"
wrong undefined 3 "AF behind ADD is defined" "^at instruction 3;" --every 1 "${flat[@]}"
WRONG_WHAT=undefined WRONG_AT=1 says "AF behind XOR is undefined, so it may be anything" 0 "no difference" \
    --engines "$pair" --every 1 --limit 1000 "${flat[@]}"
wrong exit 0 "a wrong value in an OUT is a difference" "they come back for different reasons" "${flat[@]}"
also "test/wrong: out port 0xe9, 1 byte: 0x60"
wrong memory 9000000 "in an operating system the instruction is found as well" "^at instruction 9000000;" sieve 1
[ -t 1 ] || also "^Memory, by physical address"

# --- an engine that stops at exits only -------------------------------------------------------------

export WRONG_COUNTS=0
WRONG_WHAT=nothing says "an engine that can't count equals the interpreter at exits" 0 "no difference" \
    --engines "$pair" true
dd if=/dev/urandom of="$work/disk" bs=4096 count=64 2>/dev/null
sum=$(md5sum <"$work/disk")
read_write='dd if=/dev/disk of=/tmp/a bs=4096 count=20; dd if=/tmp/a of=/dev/disk bs=4096 seek=20'
for order in "$pair" "$work/wrong.so,emulate/interp"; do
    WRONG_WHAT=split says "bursts of one engine match single accesses of the other" 0 "status 7" \
        --engines "$order" --at-exits "${flat[@]}"
    WRONG_WHAT=split says "on a disk, too" 0 "status 0" --engines "$order" --at-exits --drive "$work/disk" --output \
        busybox sh -c "$read_write"
    also "^20\+0 records out"
done
if [ "$(md5sum <"$work/disk")" = "$sum" ]; then passed=$((passed + 1)); else not_true "the disk's file isn't written"; fi
wrong register $add "a wrong register is found at the next exit" "^at exit 1;" "${flat[@]}"
also "^ .* out 0xE9, al"
wrong memory $store "so is wrong memory" "^at exit 1;" "${flat[@]}"
also "1 byte differs"
wrong exit 0 "so is a wrong OUT" "^at exit 1;" "${flat[@]}"
wrong flag $dec "a flag is found by what comes of it" "^at exit [1-4];" "${flat[@]}"
unset WRONG_COUNTS

# --- virtual time repeats itself ----------------------------------------------------------------------

for i in 1 2; do
    "$virtlab" run --clock virtual --stats "$work/$i.json" fib 1 >/dev/null </dev/null
    grep -v -e '"seconds"' -e '"mips"' -e '"begin"' -e '"memory_kb"' "$work/$i.json" >"$work/$i.counts"
done
if cmp -s "$work/1.counts" "$work/2.counts" && [ -s "$work/1.counts" ]; then
    passed=$((passed + 1))
else
    diff "$work/1.counts" "$work/2.counts" >"$work/out"
    not_true "two runs in virtual time count the same"
fi

# --- the Unicorn library ------------------------------------------------------------------------------

if "$virtlab" compare --engines emulate/interp,emulate/unicorn "${flat[@]}" >"$work/out" 2>"$work/err"; then
    unicorn=emulate/interp,emulate/unicorn
    for workload in sieve fib lz qsort sha256 stream wordfreq; do
        program=(--kernel "$guest/flat/$workload.elf" --append '-- 1' --timeout 60)
        says "Unicorn equals the interpreter on $workload at exits" 0 "status 0" --engines $unicorn --at-exits "${program[@]}"
        says "and every 10000 instructions" 0 "status 0" --engines $unicorn --every 10000 "${program[@]}"
    done
    says "each instruction's flags, too" 0 "no difference" --engines $unicorn --every 1 --limit 5000 \
        --kernel "$guest/flat/sha256.elf"
    says "its known errors are passed over" 0 "known errors passed over: 2" --engines $unicorn --every 1000 \
        --kernel "$work/errors.elf"
    says "in the other order, too" 0 "known errors passed over: 2" --engines emulate/unicorn,emulate/interp \
        --kernel "$work/errors.elf"
else
    echo "not compared with emulate/unicorn: $(tail -n 1 "$work/err" "$work/out" | grep . | tail -n 1)"
fi

echo "lockstep: $passed passed, $failed failed"
[ $failed = 0 ]
