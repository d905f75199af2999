#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under hwassist/vtx:shadow. Usage: guest-vtx-shadow.sh BUILD
exec "$(dirname "$0")/suite" "$1" hwassist/vtx:shadow
