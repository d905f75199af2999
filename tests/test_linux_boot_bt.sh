#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel under the binary translator. Usage: test_linux_boot_bt.sh BUILD_DIR
VIRTLAB_ENGINE=full/bt exec "$(dirname "$0")/test_linux_boot.sh" "$1"
