#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel under the software VT-x, with EPT and without. Usage: test_linux_boot_vtx.sh BUILD_DIR
test=$(dirname "$0")/test_linux_boot.sh
VIRTLAB_ENGINE=hwassist/vtx "$test" "$1" || exit
VIRTLAB_ENGINE=hwassist/vtx:shadow "$test" "$1"
