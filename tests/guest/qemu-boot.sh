#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Boots the guest kernel on QEMU, which knows nothing of us, and compares what it prints and returns
# with the same commands run natively by the same busybox on the same files.
#
# usage: qemu-boot.sh BUILD     (BUILD/kernel.elf and the rest, or BUILD/guest/kernel.elf)
#
# Prints `N passed, N failed`; exits 0 if none failed, 1 if one did, 77 if there is no QEMU.
set -u

die() {
    echo "qemu-boot.sh: $1" >&2
    exit "$2"
}

[ $# -eq 1 ] || die "usage: qemu-boot.sh BUILD" 2
build=$1
[ -e "$build/kernel.elf" ] || build=$1/guest
[ -e "$build/kernel.elf" ] || die "no kernel.elf in $1: build the guest first" 2
command -v qemu-system-x86_64 >/dev/null || die "skipped: no qemu-system-x86_64" 77
here=$(cd "$(dirname "$0")" && pwd)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
passed=0 failed=0

# The guest's files, natively: commands use paths relative to the root, where both sides stand.
mkdir "$tmp/root"
(cd "$tmp/root" && cpio -idm --quiet --no-absolute-filenames) < "$build/initrd.cpio" ||
    die "cannot unpack $build/initrd.cpio" 2
[ -x "$tmp/root/bin/busybox" ] || die "skipped: the archive holds no busybox (package busybox-static)" 77
cp "$build/initrd.cpio" "$tmp/initrd.cpio"

# --- running on both sides ---------------------------------------------------------------------

# boot COMMAND-LINE [QEMU OPTION...]: output in $tmp/out, status in $status (QEMU's, see below).
kernel=$build/kernel.elf
boot() {
    line=$1
    shift
    timeout 60 qemu-system-x86_64 -accel tcg -display none -serial stdio -monitor none -no-reboot \
        -m 128 -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -kernel "$kernel" -initrd "$tmp/initrd.cpio" -append "$line" "$@" \
        > "$tmp/out" 2> "$tmp/err" < /dev/null
    status=$?
}

# The debug-exit device makes (status << 1) | 1 of what is written to it, and a process keeps 8 bits.
qemu_status() {
    echo $((($1 << 1 | 1) & 255))
}

# verdict NAME EXPECTED-OUTPUT-FILE EXPECTED-STATUS
verdict() {
    if cmp -s "$tmp/out" "$2" && [ "$status" -eq "$(qemu_status "$3")" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    echo "FAILED $1: QEMU's status $status, expected $(qemu_status "$3"); expected output (-) and actual (+):"
    diff -u "$2" "$tmp/out" | tail -n +3 | head -20
    head -5 "$tmp/err"
}

# As one word of the kernel's command line.
quote() {
    printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"
}

# same NAME SHELL-COMMAND: the same output and status in the guest as natively
same() {
    (cd "$tmp/root" && env -i PATH="$tmp/root/bin" HOME=/ TERM=dumb bin/busybox sh -c "$2") > "$tmp/native" 2>&1 \
        < /dev/null
    native=$?
    boot "quiet init=/bin/busybox -- sh -c $(quote "$2")"
    verdict "$1" "$tmp/native" "$native"
}

# expect NAME STATUS OUTPUT COMMAND-LINE [QEMU OPTION...]
expect() {
    name=$1 want=$2
    printf "$3" > "$tmp/want"
    shift 3
    boot "$@"
    verdict "$name" "$tmp/want" "$want"
}

# --- busybox, natively and in the guest --------------------------------------------------------

same "echo"             'echo hello'
same "exit status"      'exit 37'
same "ls"               'ls -1 bin etc share'
same "cat"              'cat etc/motd'
same "sha256sum"        'sha256sum share/text bin/busybox'
same "wc"               'wc share/text'
same "sort"             'sort share/text | sha256sum'
same "pipeline"         'cat share/text | tr A-Z a-z | grep -o [a-z]* | sort | uniq -c | sort -rn | head -20'
same "gzip"             'gzip -c share/text | gunzip | cmp - share/text && echo same'
same "tar"              'cd share && tar c text | tar t'
same "awk floats"       'awk "{ n += length(\$0) / 7; m += n * n } END { printf \"%.12g %.12g\\n\", n, m }" share/text'
same "printf floats"    'printf %.6f 3.14159265'
same "fork-heavy loop"  'i=0; while [ $i -lt 200 ]; do (exit $((i % 7))); s=$((s + $?)); i=$((i + 1)); done; echo $s'
same "exec-heavy loop"  'for i in 1 2 3 4 5 6 7 8 9 10; do bin/busybox expr $i + 1; done'
same "background jobs"  'for i in 3 1 2; do (sleep 0.$i; echo $i) & done; wait; echo end'
same "redirections"     'mkdir -p tmp; for i in 1 2 3; do echo $i >> tmp/f; done; cat < tmp/f; wc -c < tmp/f; rm tmp/f'
same "files"            'mkdir -p tmp/d/e; echo x > tmp/d/e/f; mv tmp/d tmp/g; find tmp/g; rm -r tmp/g; ls tmp'
same "signals"          'trap "echo caught" USR1; kill -USR1 $$; sh -c "kill -9 \$\$"; echo $?'
same "yes | head"       'yes | head -n 5000 | sha256sum'
same "dd"               'dd if=/dev/zero bs=4k count=1000 2>/dev/null | sha256sum'
same "substitution"     'a=$(seq 1 5000 | tail -n 1); echo $((a * 2))'
same "not found"        'nonesuch 2>/dev/null; echo $?'

# --- the kernel's own face ---------------------------------------------------------------------

expect "arguments" 0 'a b|c"d|' \
    'root=/dev/x quiet init=/bin/printf -- %s| "a b" c\"d'
expect "environment" 0 'PATH=/bin\nHOME=/\nTERM=dumb\n' 'quiet init=/bin/env'
expect "marks on the serial line" 0 '@mark 1\n@mark 2\n' 'quiet mark=serial init=/bin/sh -- -c "getpid 1 > /dev/null"'
expect "no such init" 255 'virtlab: panic: cannot run /nonesuch: error 2\n' 'quiet init=/nonesuch'
expect "killed init" 137 '' 'quiet init=/bin/sh -- -c "kill -9 $$"'
boot 'init=/bin/true'
grep -c 'virtlab: .* to init' "$tmp/out" > "$tmp/count"
echo 1 > "$tmp/want" && cp "$tmp/count" "$tmp/out"
verdict "boot messages" "$tmp/want" 0
kernel=$build/kernel.mb
expect "Multiboot" 0 'multi boot\n' 'quiet init=/bin/echo -- multi boot'
kernel=$build/kernel.elf
expect "8 MiB of memory" 0 'small\n' 'quiet init=/bin/echo -- small' -m 8
expect "5 GiB of memory" 0 'large\n' 'quiet init=/bin/echo -- large' -m 5G

# --- a disk ------------------------------------------------------------------------------------

if [ -x "$build/bin/disk" ]; then
    drive="-drive file=$tmp/disk,format=raw,if=ide"
    "$build/bin/disk" prepare "$tmp/disk" 1024
    for mode in seqread randread seqwrite randwrite; do
        boot "quiet init=/bin/sh -- -c \"disk 2 $mode | cut -d' ' -f2\"" $drive
        echo ok > "$tmp/want"
        verdict "disk $mode" "$tmp/want" 0
    done
    cp "$tmp/disk" "$tmp/copy"
    patch='bs=777 seek=3 conv=notrunc iflag=fullblock'
    head -c 100000 "$build/share/text" | dd of="$tmp/copy" $patch 2> /dev/null
    sha256sum < "$tmp/copy" > "$tmp/want"
    write="head -c 100000 share/text | dd of=/dev/disk $patch 2> /dev/null; sha256sum < /dev/disk"
    boot "quiet init=/bin/sh -- -c $(quote "$write")" $drive
    verdict "unaligned disk writes, read back" "$tmp/want" 0
    sha256sum < "$tmp/disk" > "$tmp/out"
    verdict "unaligned disk writes, on the host" "$tmp/want" 0
fi

# --- the self-test: what a program may expect of a Unix kernel ---------------------------------

if command -v musl-gcc > /dev/null; then
    mkdir -p "$tmp/more/bin"
    musl-gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static "$here/selftest.c" -o "$tmp/more/bin/selftest" ||
        die "selftest.c does not compile" 1
    # A second archive behind the first, as boot loaders for Linux allow it.
    (cd "$tmp/more" && find . -mindepth 1 | cpio --quiet -o -H newc) >> "$tmp/initrd.cpio"
    "$tmp/more/bin/selftest" > "$tmp/native"
    verdict_native=$?
    boot "quiet init=/bin/selftest"
    verdict "selftest ($(grep -c ^ok "$tmp/native") tests natively)" "$tmp/native" $verdict_native
    [ $verdict_native -eq 0 ] || { failed=$((failed + 1)); echo "FAILED selftest natively"; }
else
    echo "not run: selftest (no musl-gcc)"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
