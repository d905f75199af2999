#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Flat programs under the software VT-x, with EPT and without. Usage: test_flat_vtx.sh BUILD_DIR
test=$(dirname "$0")/test_flat.sh
VIRTLAB_ENGINE=hwassist/vtx "$test" "$1" || exit
VIRTLAB_ENGINE=hwassist/vtx:shadow "$test" "$1"
