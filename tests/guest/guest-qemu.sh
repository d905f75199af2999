#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite on QEMU: is the guest itself right? Usage: guest-qemu.sh BUILD
exec "$(dirname "$0")/suite" "$1" qemu
