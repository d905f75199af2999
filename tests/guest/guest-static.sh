#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under full/static. Usage: guest-static.sh BUILD
XDG_CACHE_HOME=$(cd "$1" && pwd)/tests/static-cache
export XDG_CACHE_HOME
exec "$(dirname "$0")/suite" "$1" full/static
