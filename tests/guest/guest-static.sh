#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under full/static. Usage: guest-static.sh BUILD
exec "$(dirname "$0")/suite" "$1" full/static
