#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel, its user code on the host's CPU. Usage: test_linux_boot_direct.sh BUILD_DIR
VIRTLAB_ENGINE=full/bt:direct exec "$(dirname "$0")/test_linux_boot.sh" "$1"
