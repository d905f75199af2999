# SPDX-License-Identifier: GPL-2.0-or-later
#
# kvm_root.sh - the host system that test_kvm.sh and vmx.sh boot: an initramfs of busybox, virtlab with the libraries
# that it loads, the guest and what is to be tested; its first process is kvm_init.sh. Sourced; wants `build`, `here`,
# `guest`, `work`, and $cache of linux_package.sh.
#
#   make_root FILE    writes it
#   verdict CONSOLE PATTERN...    prints what failed and `N passed, M failed`; 0 if the host came to its end, each pattern is
#                                 on its console, and nothing failed

strip_to() {
    strip -o "$2" "$1" 2>/dev/null || cp "$1" "$2"
}

make_root() {
    local root=$work/root library program
    rm -rf "$root"
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules,suite,build}
    cp /bin/busybox "$root/bin/"
    strip_to "$build/virtlab" "$root/build/virtlab"
    for program in test_travel test_dirty_log test_kernel_exits test_kvm_chips; do
        strip_to "$build/tests/$program" "$root/build/$program"
    done
    cp "$(command -v cpio)" "$root/suite/cpio" # busybox' knows fewer options
    cp -L /bin/sh "$root/suite/sh"             # and its shell takes its own applets first
    ldd "$root"/build/{virtlab,test_*} "$root"/suite/{cpio,sh} | grep -o '[[:space:]]/[^ ]*' | sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library"
    done
    mkdir -p "$root/build/guest/flat" "$root/build/guest/bin"
    for program in "$guest"/kernel.elf "$guest"/kernel-pv.elf "$guest"/kernel.mb "$guest"/flat/*.elf "$guest"/bin/*; do
        strip_to "$program" "$root/build/guest/${program#"$guest"/}"
    done
    cp "$guest/initrd.cpio" "$root/build/guest/"
    cp -r "$guest/share" "$root/build/guest/share"
    cp "$cache"/modules/*.ko "$root/modules/"
    cp "$here/guest/suite" "$here/exit_counts.sh" "$here/kvm_core.sh" "$here/kvm_workloads.sh" "$root/suite/"
    musl-gcc -std=gnu11 -O2 -static "$here/guest/selftest.c" -o "$root/suite/selftest" || return 1
    sed -n 's/^WORKLOAD("[^"]*", "\([^"]*\)", [a-z]*, FLAT_OK, "[0-9]*\([^"]*\)".*/\1 1\2/p' \
        "$here/../guest/workloads/workloads.def" >"$root/suite/flat_rows"
    sed -En 's/^WORKLOAD\("([^"]*)", "([^"]*)", (compute|memory|system|disk), [A-Z_]*, "[0-9]*([^"]*)".*/\1 \2 1\4/p' \
        "$here/../guest/workloads/workloads.def" >"$root/suite/rows"
    cp "$here/kvm_init.sh" "$root/init" && chmod +x "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$1"
}

verdict() {
    local console=$1 failed passed pattern status
    shift
    grep -a -e '^FAILED' -e '^ *[-+]' -e '^kvm-host:' -e '^  [a-z].* \.\.\. ' -e '^    tests/' "$console"
    if ! grep -aq '^kvm-host: end' "$console"; then
        echo "FAILED: the host did not come to its end; its last lines:"
        tail -n 15 "$console"
        return 1
    fi
    passed=$(awk '{ for (i = 2; i <= NF; i++) if ($i == "passed,") n += $(i - 1) } END { print n + 0 }' "$console")
    failed=$(grep -ac '^FAILED\|\.\.\. FAILED' "$console")
    for pattern in "$@"; do
        grep -aq "$pattern" "$console" || {
            failed=$((failed + 1))
            echo "FAILED: the console has no line like '$pattern'"
        }
    done
    # The same guests under the software VT-x, here.
    VIRTLAB_GUEST=$guest "$here/exit_counts.sh" "$build" hwassist/vtx >"$work/counts-vtx"
    python3 "$here/exit_counts.py" "$work/counts-vtx" "$console" >"$work/counts"
    status=$?
    cat "$work/counts"
    passed=$((passed + $(sed -n 's/^exit counts: \([0-9]*\) passed.*/\1/p' "$work/counts")))
    [ $status = 0 ] || failed=$((failed + 1))
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
