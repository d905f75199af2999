#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's suite under para/direct. Usage: guest-para.sh BUILD
exec "$(dirname "$0")/suite" "$1" para/direct
