#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kvm_init.sh - process 1 of the host that test_kvm.sh and vmx.sh boot: loads KVM, runs the parts that PARTS names
# (the kernel hands words of its command line on as environment), switches off.
/bin/busybox --install -s /bin
export PATH=/suite:/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
cd /
echo 1 >/proc/sys/vm/overcommit_memory # Unicorn asks for more than it will use, and ends the process when it is refused

for module in irqbypass kvm kvm-amd kvm-intel; do
    [ -e /modules/$module.ko ] && insmod /modules/$module.ko 2>/dev/null
done
for switch in /sys/module/kvm_*/parameters/ept /sys/module/kvm_*/parameters/npt; do
    [ -e "$switch" ] && echo "kvm-host: $(uname -r), ${switch#/sys/module/} $(cat "$switch")"
done
[ -e /dev/kvm ] || echo "FAILED: no /dev/kvm"

seconds() {
    cut -d' ' -f1 /proc/uptime
}

for part in $(echo "$PARTS" | tr , ' '); do
    echo "kvm-host: $part, at $(seconds) s of its own time"
    case $part in
    doctor) build/virtlab doctor | grep -e '/dev/kvm' -e '^  hwassist/kvm ' | sed 's/^/kvm-host: /' ;;
    travel) VIRTLAB_GUEST=/build/guest build/test_travel ;;
    travel-brief) VLTEST_ONLY="travels between hwassist/kvm and emulate" VIRTLAB_TRAVEL_BRIEF=1 VIRTLAB_GUEST=/build/guest build/test_travel ;;
    programs) for program in build/test_dirty_log build/test_kernel_exits build/test_kvm_chips; do $program; done ;;
    suite) /suite/sh /suite/suite /build hwassist/kvm ;;
    core) /suite/sh /suite/kvm_core.sh /build hwassist/kvm ;;
    workloads) /suite/sh /suite/kvm_workloads.sh /build hwassist/kvm /suite/rows ;;
    counts) /suite/sh /suite/exit_counts.sh /build hwassist/kvm ;;
    *) echo "FAILED: no part is called $part" ;;
    esac
done
echo "kvm-host: end, at $(seconds) s of its own time"
poweroff -f
