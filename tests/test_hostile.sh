#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_hostile.sh - guest programs that want out, and guest programs whose code changes, under every engine that is made of
# software: what comes of it is what comes of it under emulate/interp, and nothing happens to the host.
#
# Usage: test_hostile.sh BUILD_DIR. The guest is $VIRTLAB_GUEST, or BUILD_DIR/guest. HOSTILE_ENGINES="..." runs some.
set -u
build=$(readlink -f "$1")
virtlab=$build/virtlab
guest=${VIRTLAB_GUEST:-$build/guest}
here=$(dirname "$(readlink -f "$0")")/hostile
command -v musl-gcc >/dev/null || { echo "skipped: no musl-gcc (package musl-tools)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

pass() { passed=$((passed + 1)); }
not_true() {
    failed=$((failed + 1))
    echo "NOT TRUE: $1"
    sed 's/^/    /' | head -n 12
}

# --- the guest's programs ------------------------------------------------------------------------

mkdir -p "$work/root/bin" "$work/root/tmp"
parts=()
for part in "$here"/*.c; do
    [ "$(basename "$part")" = smc.c ] || parts+=("$part")
done
flags=(-std=gnu11 -O1 -Wall -Wextra -Werror -static)
musl-gcc "${flags[@]}" -o "$work/root/bin/hostile" "${parts[@]}" || exit 1
musl-gcc "${flags[@]}" -o "$work/root/bin/smc" "$here/smc.c" || exit 1
(cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/initrd.cpio"

# guest_run ENGINE PROGRAM: its output in $work/out, the status in $status.
guest_run() {
    local kernel=kernel.elf
    [[ $1 == para/* ]] && kernel=kernel-pv.elf
    "$virtlab" run --engine "$1" --timeout 300 --kernel "$guest/$kernel" --initrd "$work/initrd.cpio" \
        --append "quiet init=/bin/$2" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

# --- the host's witnesses: a file, and a process that nobody may kill ------------------------------

echo canary >"$work/canary"
sleep 1000 &
witness=$!
trap 'kill $witness 2>/dev/null; rm -rf "$work"' EXIT

host_unharmed() {
    if [ "$(cat "$work/canary")" = canary ] && kill -0 $witness; then pass; else
        not_true "after $1: the host is unharmed" </dev/null
    fi
}

# same_as FILE "TEXT": the last run ended well, and printed what the file holds.
same_as() {
    if [ $status -eq 0 ] && cmp -s "$1" "$work/out"; then pass; else
        not_true "$2" < <(echo "status $status: $(tail -n 1 "$work/err")"; diff "$1" "$work/out")
    fi
}

# What the technique can't get right, and says so (docs/trap.md, docs/exhibit.md): silent sensitive instructions. A
# paravirtual guest sees the host's CPU by contract, so there it counts that the machine lives, whatever is tried.
comparable() {
    case $1 in
    full/trap) awk '/^== / { skip = / (identity|far|segments|bases)$/ } !skip && !/^vmmcall/' "$2" ;;
    para/*) awk '/^== / { keep = / (hole|end)$/ } keep' "$2" ;;
    *) cat "$2" ;;
    esac
}

# --- the right answers ---------------------------------------------------------------------------

guest_run emulate/interp hostile
cp "$work/out" "$work/hostile.right"
grep -q '^== end' "$work/hostile.right" || { echo "the interpreter does not get through: $(tail -n 1 "$work/err")"; exit 1; }
# Some that the manual gives: else all engines could be wrong alike.
says() {
    if grep -qE -e "$1" "$work/hostile.right"; then pass; else not_true "the interpreter says:" <<<"$1"; fi
}
says '^syscall: signal 5.* rip 10000003 '                             # back from the kernel, behind it
says '^syscall across pages: signal 5.* rip 10001002 '
says '^syscall half mapped: signal 11.* error 14 cr2 10002000 rip 10001fff '
says '^int 80: signal 11.* trap 13 error 402 rip 10000000'
says '^privileged f4000000: signal 11.* trap 13 error 0 '
says '^0 read: signal 11.* trap 14 error 4 cr2 0 '
says '^400000100000 read: signal 11.* trap 14 error 5 cr2 400000100000 ' # the kernel's page: present, not for users
says '^400000100000 write: signal 11.* trap 14 error 7 '
says '^800000000000 read: signal 11.* trap 13 error 0 '
says '^rip in the kernel: killed by signal 11'

(cd "$work" && "$work/root/bin/smc") >"$work/smc.native" 2>&1
[ $? -eq 0 ] || { tail -n 3 "$work/smc.native"; exit 1; }
guest_run emulate/interp smc
same_as "$work/smc.native" "changing code runs under emulate/interp as it does natively"

# --- every other engine --------------------------------------------------------------------------

engines=${HOSTILE_ENGINES:-$("$virtlab" list | sed -n '/^Engines/,/^$/p' | awk '$1 ~ "^(full|para|hwassist/vtx)" && $1 !~ ":(fresh|cached)" { print $1 }')}
[ -n "$engines" ] || { echo "no engine to try"; exit 1; }
for engine in $engines; do
    guest_run "$engine" smc
    if [ $status -eq 2 ] && grep -q 'not available\|can.t run here' "$work/err"; then
        echo "$engine: left out: $(tail -n 1 "$work/err")"
        continue
    fi
    same_as "$work/smc.native" "changing code runs under $engine as it does natively"
    guest_run "$engine" hostile
    comparable "$engine" "$work/hostile.right" >"$work/right"
    comparable "$engine" "$work/out" >"$work/out.comparable" && mv "$work/out.comparable" "$work/out"
    same_as "$work/right" "hostile code comes no further under $engine than under emulate/interp"
    host_unharmed "$engine"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
