#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Packs the guest's file system: make-initrd.sh ARCHIVE ROOT BUSYBOX TEXT PROGRAM...
# The same input gives the same archive, byte for byte.
set -eu

archive=$1 root=$2 busybox=$3 text=$4
shift 4

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

mkdir -p "$stage/bin" "$stage/share" "$stage/tmp" "$stage/dev"
cp -r "$root/." "$stage"
cp "$text" "$stage/share/text"

# Only a static busybox can run: there is no dynamic linker in the guest.
if [ -n "$busybox" ] && ! readelf -lW "$busybox" | grep -q INTERP; then
    cp "$busybox" "$stage/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$stage/bin/$applet"
    done
else
    echo "make-initrd.sh: no static busybox (package busybox-static): the guest has no shell" >&2
fi
for program in "$@"; do # they win over applets of the same name
    rm -f "$stage/bin/${program##*/}"
    cp "$program" "$stage/bin/"
done

chmod -R u=rwX,go=rX "$stage"
find "$stage" -exec touch -h -d @0 {} +
(cd "$stage" && find . -mindepth 1 | LC_ALL=C sort |
    cpio --quiet -o -H newc --reproducible --owner=0:0) > "$archive"
