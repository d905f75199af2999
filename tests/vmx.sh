#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vmx.sh - hwassist/kvm on Intel's VT-x with EPT, also where this machine has none: the host of test_kvm.sh boots on
# Bochs' Skylake from an ISO, loads kvm-intel, and runs a core subset there (kvm_core.sh).
#
# Usage: vmx.sh BUILD_DIR, or `make test-vmx`; three minutes of a processor, so no part of `make test`. Skipped (status 77) where Bochs, a boot loader or the kernel package can't be had, or where
# the host isn't up in time. What it prints about time is no measurement: the hardware is emulated.
set -u
build=$1
here=$(cd "$(dirname "$0")" && pwd)
guest=${VIRTLAB_GUEST:-$build/guest}
work=$build/tests/vmx-host
limit=${VIRTLAB_VMX_TIMEOUT:-500}

skip() {
    echo "skipped: $*"
    exit 77
}

. "$here/linux_package.sh"
. "$here/kvm_root.sh"

bios=/usr/share/bochs/BIOS-bochs-latest vga=/usr/share/bochs/VGABIOS-lgpl-latest
isolinux=/usr/lib/ISOLINUX/isolinux.bin loader=/usr/lib/syslinux/modules/bios/ldlinux.c32

[ -x /bin/busybox ] || skip "package busybox-static is not installed"
missing=
command -v bochs >/dev/null || missing="$missing bochs"
ls /usr/lib/*/bochs/plugins/libbx_term_gui.so >/dev/null 2>&1 || missing="$missing bochs-term"
[ -e $bios ] || missing="$missing bochsbios"
[ -e $vga ] || missing="$missing vgabios"
[ -e $isolinux ] || missing="$missing isolinux"
[ -e $loader ] || missing="$missing syslinux-common"
command -v xorriso >/dev/null || missing="$missing xorriso"
[ -z "$missing" ] || skip "packages are not installed:$missing"
command -v script >/dev/null || skip "package bsdutils is not installed"

rm -rf "$work/iso" "$work/console.raw"
mkdir -p "$work/iso/isolinux"
fetch_kernel
make_root "$work/iso/initrd.gz" || exit 1
cp "$kernel" "$work/iso/vmlinuz"
cp $isolinux $loader "$work/iso/isolinux/"
# quiet: each character takes Bochs' serial line, and so this test, its time at 115200 baud.
cat >"$work/iso/isolinux/isolinux.cfg" <<'END'
default host
prompt 0
label host
    kernel /vmlinuz
    initrd /initrd.gz
    append console=ttyS0 quiet loglevel=1 panic=-1 cryptomgr.notests tsc=reliable mitigations=off PARTS=doctor,counts,core,travel-brief
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/iso" 2>"$work/errors" || { cat "$work/errors"; exit 1; }

# Power-off is a panic of its ACPI; that and whatever else it would ask about must end it. Time in there is instructions
# divided by ips, so that HLT takes no time of ours.
cat >"$work/bochsrc" <<END
display_library: term
memory: guest=512, host=512
cpu: model=corei7_skylake_x, count=1, ips=70000000, reset_on_triple_fault=0
clock: sync=none
romimage: file=$bios
vgaromimage: file=$vga
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=console.raw
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
panic: action=fatal
error: action=ignore
info: action=ignore
log: bochs.log
END
echo c >"$work/debugger" # Debian's build starts in its debugger: continue

# It wants a terminal to draw the screen on.
(cd "$work" && TERM=xterm timeout "$limit" script -qec 'bochs -q -f bochsrc -rc debugger' /dev/null </dev/null >screen 2>&1)
status=$?
tr -d '\r' <"$work/console.raw" >"$work/console"
if ! grep -aq '^kvm-host:' "$work/console"; then
    [ $status = 124 ] && skip "Bochs' host was not up within $limit s"
    tail -n 3 "$work/bochs.log"
fi
verdict "$work/console" '^kvm-host: .*kvm_intel/parameters/ept Y' '^kvm-host: *hwassist/kvm *ready' \
    '^core: [0-9]* passed, 0 failed' '^travel: 1 passed, 0 failed$'
