#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# How much of the kernel differs between its two builds: the price of paravirtualization, in lines.
# Usage: diffstat.sh, in the guest's folder. A line counts as it stands in the source, comments and all.
set -eu

lines() { cat "$@" | wc -l; }

# Lines of the file $1 for one build only: bare ($2 = 0) or paravirtual ($2 = 1), by its #ifdef PARAVIRT.
only() {
    awk -v pv="$2" '
        /^#ifdef PARAVIRT/ { inside = 1; depth = 0; next }
        inside && /^#if/ { depth++ }
        inside && /^#else/ && depth == 0 { inside = 2; next }
        inside && /^#endif/ { if (depth == 0) { inside = 0; next } depth-- }
        inside == (pv ? 1 : 2) { n++ }
        END { print n + 0 }' "$1"
}

bare_files="kernel/boot.S kernel/usercopy_asm.S kernel/ata.c"
shared=$(ls kernel/*.[chS] | grep -v -e boot.S -e usercopy_asm.S -e ata.c -e mbheader.S)
bare_lines=0 pv_lines=0
for file in $shared; do
    bare_lines=$((bare_lines + $(only "$file" 0)))
    pv_lines=$((pv_lines + $(only "$file" 1)))
done
all=$(lines $shared)
common=$((all - bare_lines - pv_lines))
bare=$((bare_lines + $(lines $bare_files)))
pv=$((pv_lines + $(lines pv/*.[chS])))
calls='lazy_begin|lazy_end|set_table|tables_look|page_release|mm_retire|mm_spare|memory_short'
calls="$calls|tick_start|tick_request|tick_taken|fpu_switch|fpu_save|fpu_load|option"
words='RAM_IS_MAPPED|FAULT_AROUND|FORK_COPY|POPULATE|TABLES_AHEAD|FPU_SIZE'
hooks=$(grep -c -E "pv_($calls)\(|PV_($words)" \
    $(echo "$shared" | grep -v pv_ops.h) | awk -F: '{ n += $2 } END { print n }')

printf 'in both builds                 %5d lines\n' "$common"
printf 'only in the bare kernel        %5d lines (%s, the operations of pv_ops.h)\n' "$bare" "$bare_files"
printf 'only in the paravirtual kernel %5d lines (pv/, and what stands in #ifdef PARAVIRT)\n' "$pv"
printf 'of those in both, hooks that only a hypervisor needs: %d\n' "$hooks"
