#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under hwassist/vtx. Usage: guest-vtx.sh BUILD
exec "$(dirname "$0")/suite" "$1" hwassist/vtx
