#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under emulate/interp. Usage: guest-interp.sh BUILD
exec "$(dirname "$0")/suite" "$1" emulate/interp
