#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_flat.sh - flat programs (guest/flat): every workload gives the check value that it gives natively, on our engine by
# both entries and on QEMU; every check of selfcheck is ok there; and broken notes are refused with one line.
#
# Usage: test_flat.sh BUILD_DIR. VIRTLAB_ENGINE names another engine than emulate/interp. Where QEMU isn't installed, its
# part is left out and said to be.
set -u
build=$1
engine=${VIRTLAB_ENGINE:-emulate/interp}
guest=${VIRTLAB_GUEST:-$build/guest}
here=$(cd "$(dirname "$0")" && pwd)
seconds=60
work=$build/tests/flat-${engine//[\/:]/-} # several engines are tested side by side
mkdir -p "$work"
passed=0 failed=0

pass() {
    passed=$((passed + 1))
}

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
    cat "$work/out" "$work/err" 2>/dev/null | tail -n 5
}

# Output in $work/out and $work/err; the guest's own status in $status.
on_virtlab() {
    "$build/virtlab" run --engine "$engine" --kernel "$1" --timeout $seconds --append "$2" "${@:3}" \
        >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

# The debug-exit device makes (status << 1) | 1 of the guest's status.
on_qemu() {
    timeout $seconds qemu-system-x86_64 -accel tcg -display none -serial stdio -monitor none -no-reboot -nodefaults \
        -m 128 -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$1" -append "$2" \
        >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $((status & 1)) -eq 1 ] && status=$((status >> 1)) || status="$status of QEMU"
}

check_value() {
    sed -n "s/^$1: ok iterations=[0-9]* roi_ns=[0-9]* check=\([0-9a-f]\{16\}\)\r*$/\1/p"
}

# Rows that run flat, as "ROW BINARY ARGUMENTS", with few iterations.
flat_rows() {
    sed -n 's/^WORKLOAD("\([^"]*\)", "\([^"]*\)", [a-z]*, FLAT_OK, "[0-9]*\([^"]*\)".*/\1 \2 2\3/p' \
        "$here/../guest/workloads/workloads.def"
}

# workloads RUNNER WORDS
workloads() {
    local row binary arguments native flat
    while read -r row binary arguments; do
        # shellcheck disable=SC2086
        native=$("$guest/bin/$binary" $arguments | check_value "$binary")
        $1 "$guest/flat/$binary.elf" "$2 -- $arguments"
        flat=$(check_value "$binary" <"$work/out")
        if [ -n "$native" ] && [ "$native" = "$flat" ] && [ "$status" = 0 ]; then
            pass
        else
            fail "$1: $row: status $status, check '$flat', natively '$native'"
        fi
    done < <(flat_rows)
}

# selfchecks RUNNER
selfchecks() {
    local name count=0
    on_virtlab "$guest/flat/selfcheck.elf" '-- list'
    for name in $(cut -d' ' -f1 "$work/out"); do
        count=$((count + 1))
        $1 "$guest/flat/selfcheck.elf" "-- $name"
        if [ "$status" = 0 ] && [ "$(tr -d '\r' <"$work/out")" = "check $name: ok" ]; then
            pass
        else
            fail "$1: selfcheck $name: status $status"
        fi
    done
    [ $count -ge 30 ] || fail "selfcheck lists $count checks"
}

# expect NAME STATUS PATTERN: of the last run, on either stream
expect() {
    if [ "$status" = "$2" ] && cat "$work/out" "$work/err" | grep -q -e "$3"; then
        pass
    else
        fail "$1: status $status (want $2), want a line like '$3'"
    fi
}

# damage NAME OFFSET SIZE VALUE: a copy of fib.elf with one number changed; offsets count from our note's name.
damage() {
    python3 - "$guest/flat/fib.elf" "$work/$1.elf" "$2" "$3" "$4" <<'PYTHON'
import sys
source, target, offset, size, value = sys.argv[1:]
data = bytearray(open(source, "rb").read())
at = data.index(b"Virtlab\0") + int(offset)
size = int(size)
data[at:at + size] = int(value, 0).to_bytes(size, "little")
open(target, "wb").write(data)
PYTHON
}

# refused NAME PATTERN: the damaged file gives one line that names it, and status 2.
refused() {
    on_virtlab "$work/$1.elf" '-- 1'
    if [ "$status" = 2 ] && [ "$(cat "$work/out" "$work/err" | wc -l)" -eq 1 ] &&
        grep -q "$1.elf: .*$2" "$work/err"; then
        pass
    else
        fail "$1: status $status (want 2), want one line like '$1.elf: $2'"
    fi
}

workloads on_virtlab ''
selfchecks on_virtlab

# A check can fail: with the 32-bit code segment turned into a 64-bit one, this CPU is one that lacks 32-bit modes.
python3 - "$guest/flat/selfcheck.elf" "$work/no32.elf" <<'PYTHON'
import sys
data = open(sys.argv[1], "rb").read()
code32, code64 = (bytes.fromhex(d) for d in ("ffff0000009bcf00", "ffff0000009baf00"))
assert data.count(code32) == 1
open(sys.argv[2], "wb").write(data.replace(code32, code64))
PYTHON
on_virtlab "$work/no32.elf" '-- compat32'
expect 'a check that fails' 1 '^check compat32: wrong (got eax under a 32-bit descriptor 0x5, want 0x4)$'

# What the command line says.
on_virtlab "$guest/flat/sieve.elf" 'quiet mark=serial init=/bin/sieve -- 1' --stats "$work/stats.json"
expect 'marks on the console' 0 '^@mark 2$'
regions=$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["regions"]))' "$work/stats.json")
[ "$regions" = 1 ] && pass || fail "one region of interest in the statistics, not '$regions'"
on_virtlab "$guest/flat/sieve.elf" '-- 0'
expect 'a number that is none' 2 '^usage: sieve \[N\]$'
on_virtlab "$guest/flat/chase.elf" '-- 1 8192 8' --mem 16M
expect 'too little memory' 1 '^chase: FAILED: no memory for 8192 pages$'
on_virtlab "$guest/flat/stream.elf" '-- 1' --mem 2M
expect 'a program larger than RAM' 2 'stream.elf: .* outside RAM'
on_virtlab "$guest/flat/fib.elf" '-- 1' --initrd "$guest/flat/fib.elf"
expect 'an initrd' 2 'fib.elf: a flat program has no use for an initrd'
on_virtlab "$guest/flat/selfcheck.elf" '-- nonsense'
expect 'an unknown check' 2 '^usage: selfcheck'

# The notes: fields lie 12 bytes before our name (sizes of name and descriptor, type), the entry 8 bytes behind it.
damage short-address -8 4 4
refused short-address 'its note .Virtlab. holds 4 bytes'
damage long-address -8 4 0xffffffff
refused long-address 'its note .Virtlab. holds 4294967295 bytes'
damage null-entry 8 8 0
refused null-entry 'its flat entry 0 is in no segment'
damage far-entry 8 8 0xffffffffffffffff
refused far-entry 'its flat entry 0xffffffffffffffff is in no segment'
damage no-end -12 4 0xffffffff
refused no-end 'an ELF file without the PVH note'
note=$(grep -abo 'Virtlab' "$guest/flat/fib.elf" | head -n 1 | cut -d: -f1)
head -c $((note + 10)) "$guest/flat/fib.elf" >"$work/cut.elf"
refused cut 'truncated'

# Without our note the program is PVH's: the same code is entered in 32-bit mode.
damage other-name 0 1 0x76
on_virtlab "$work/other-name.elf" '-- 1'
expect 'entered by the PVH note' 0 '^fib: ok iterations=1 '
damage other-type -4 4 7
on_virtlab "$work/other-type.elf" '-- 1'
expect 'another type of note' 0 '^fib: ok iterations=1 '

# Behind the 64-bit entry nothing is used that an engine which can only execute might not have.
for program in "$guest"/flat/*.elf; do
    case $(basename "$program") in selfcheck.elf | exits.elf) continue ;; esac
    found=$(objdump -d --no-show-raw-insn "$program" |
        awk '/>:$/ { name = $2 } name != "<pvh_entry>:" { print name, $0 }' |
        grep -E '\s(rdmsr|wrmsr|sti|int3?|iret[dq]?|syscall|l[gi]dt|ltr|(rep )?(ins|outs)[bwl])\b|%[cd]r[0-9]')
    [ -z "$found" ] && pass || fail "$(basename "$program") uses: $found"
done

if command -v qemu-system-x86_64 >/dev/null; then
    workloads on_qemu mark=serial
    selfchecks on_qemu
else
    echo "left out: qemu-system-x86_64 is not installed"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
