#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kvm_init.sh - process 1 of the host that test_kvm.sh boots: loads KVM, runs what is to be tested, switches off.
/bin/busybox --install -s /bin
export PATH=/suite:/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tracefs tracefs /sys/kernel/tracing
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
cd /

for module in irqbypass kvm kvm-amd kvm-intel; do
    [ -e /modules/$module.ko ] && insmod /modules/$module.ko 2>/dev/null
done
echo "kvm-host: $(uname -r), modules $(lsmod | awk 'NR > 1 { printf "%s ", $1 }')"
[ -e /dev/kvm ] || echo "FAILED: no /dev/kvm"

build/virtlab list | grep -A 1 hwassist/kvm | sed 's/^/kvm-host: /'
VIRTLAB_GUEST=/build/guest build/test_travel
for program in dirty_log kernel_exits kvm_chips; do build/test_$program; done
/suite/sh /suite/suite /build hwassist/kvm
echo "kvm-host: end"
poweroff -f
