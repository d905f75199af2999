#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_translate.sh - translation ahead of time, as users meet it: `virtlab translate`, the engine full/static, its cache and
# its errors; the guest's kernel and flat programs in lockstep with the interpreter.
#
# shellcheck disable=SC2016,SC2034 # conditions are text that check() evaluates
# Usage: test_translate.sh BUILD_DIR
set -u
build=$1
guest=${VIRTLAB_GUEST:-$build/guest}
kernel=$guest/kernel.elf
work=$build/tests/translate
rm -rf "$work"
mkdir -p "$work"
export XDG_CACHE_HOME=$PWD/$work/cache
case $work in /*) XDG_CACHE_HOME=$work/cache ;; esac
unset VIRTLAB_STATIC
passed=0 failed=0

check() {
    if eval "$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        tail -n 3 "$work/out" "$work/err" 2>/dev/null
    fi
}

# Output in $work/out and $work/err, status in $status.
virtlab() {
    "$build/virtlab" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

# One error line that names the file, and status 2.
refused() {
    words=$2
    check "$1" '[ $status = 2 ] && [ "$(grep -c . "$work/err")" = 1 ] && grep -q "$words" "$work/err" && [ ! -s "$work/out" ]'
}

counter() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["counters"][sys.argv[2]])' "$work/stats.json" "$1"
}

# ---- the command ----
virtlab translate --kernel "$kernel" --out "$work/one"
check 'translate reports what it found' '[ $status = 0 ] && grep -q "^Translated: [0-9]* blocks, [0-9.]*% of the code" "$work/out"'
covered=$(sed -n 's/^Translated: .* \([0-9]*\)\.[0-9]% of the code.*/\1/p' "$work/out")
check 'most of the kernel is found' '[ "${covered:-0}" -ge 80 ]'
check 'every block can be relocated' '! grep -q "pointer of this run" "$work/out"'
virtlab translate --kernel "$kernel" --out "$work/two"
check 'the same kernel makes the same file in every process' 'cmp -s "$work/one" "$work/two"'
virtlab translate --help
check 'help' '[ $status = 0 ] && grep -q VIRTLAB_STATIC "$work/out"'
virtlab translate --kernel "$guest/initrd.cpio" --out "$work/x"
refused 'an archive is no kernel' 'initrd.cpio: not an ELF file'
virtlab translate --kernel "$kernel" --out "$work/nowhere/x"
refused 'a folder that is not there' 'nowhere/x: No such file'

# ---- the cache ----
virtlab run --engine full/static --stats "$work/stats.json" getpid 10
check 'first use translates' '[ $status = 0 ] && grep -q "translating .*kernel.elf ahead of time .* kept as" "$work/err"'
check 'most of the kernel came from the translation' \
    '[ "$(counter static_blocks)" -gt 500 ] && [ "$(counter dynamic_kernel_blocks)" -lt 20 ]'
check 'user programs are translated at run time' '[ "$(counter dynamic_blocks)" -gt 50 ]'
virtlab run --engine full/static getpid 10
check 'second use finds it' '[ $status = 0 ] && [ ! -s "$work/err" ]'
cached=$(ls "$XDG_CACHE_HOME"/virtlab/static/*.translation)
check 'the cache holds what translate writes' 'cmp -s "$cached" "$work/one"'
XDG_CACHE_HOME=/proc virtlab run --engine full/static getpid 10
check 'a cache that cannot be written' '[ $status = 0 ] && grep -q "not kept" "$work/err"'

# ---- files that must not run ----
printf x | dd of="$cached" bs=1 seek=300000 conv=notrunc status=none
virtlab run --engine full/static getpid 10
refused 'a damaged file' "$(basename "$cached"): is damaged.*remove it"
rm "$cached"
export VIRTLAB_STATIC=$work/one
virtlab run --engine full/static getpid 10
check 'a file by name' '[ $status = 0 ] && [ ! -s "$work/err" ] && [ ! -e "$cached" ]'
virtlab run --engine full/static --flat fib 5
refused 'a file of another kernel' 'one: .*another kernel'
chmod 666 "$work/one"
virtlab run --engine full/static getpid 10
refused 'a file that others may write to' 'one: others may write'
head -c 5000 "$work/two" >"$work/short"
VIRTLAB_STATIC=$work/short virtlab run --engine full/static getpid 10
refused 'a truncated file' 'short: .*truncated'
VIRTLAB_STATIC=$work/missing virtlab run --engine full/static getpid 10
refused 'a file that is not there' 'missing: No such file'
unset VIRTLAB_STATIC

# ---- a kernel that is no ELF file ----
virtlab run --engine full/static --kernel "$guest/kernel.mb" --initrd "$guest/initrd.cpio" --append 'quiet init=/bin/fib -- 1'
check 'a kernel that is no ELF file runs without' \
    '[ $status = 0 ] && grep -q "kernel.mb: not an ELF file; all of it is translated at run time" "$work/err"'

# ---- lockstep with the interpreter ----
for words in 'fib 18' 'forkwait 2' 'wpfault 2' 'pingpong 20' 'sha256 1'; do
    # shellcheck disable=SC2086
    virtlab compare --engines emulate/interp,full/static --every 100K $words
    check "lockstep: $words" '[ $status = 0 ] && grep -q "no difference" "$work/out"'
done
for program in qsort matmul; do
    virtlab compare --engines emulate/interp,full/static --every 50K --flat $program 1
    check "lockstep: flat $program" '[ $status = 0 ] && grep -q "no difference" "$work/out"'
done
virtlab run --engine full/static --flat --stats "$work/stats.json" sieve 1
check 'a flat program is found whole' '[ $status = 0 ] && [ "$(counter dynamic_blocks)" -le 2 ]'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
