/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_stats.c - what only the host's kernel can count: exits that it handled without us (KVM API 4.133).
 *
 * KVM_GET_STATS_FD gives a file: a header, one descriptor a statistic with its name, then the values. Which ones there
 * are depends on the kernel, so they are found by name; a missing one stays 0.
 */
#include "hwassist/kvm/kvm.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names differ between kernels: "pf_fixed" was all there was before "pf_taken". The first that is there counts. */
static const struct {
    enum counter counter;
    const char *name[2];
} wanted[] = {
    {COUNTER_KVM_EXITS, {"exits", ""}},
    {COUNTER_KVM_PAGE_FAULTS, {"pf_taken", "pf_fixed"}},
    {COUNTER_KVM_EMULATIONS, {"insn_emulation", ""}},
    {COUNTER_KVM_TLB_FLUSHES, {"tlb_flush", ""}},
};
_Static_assert(ARRAY_SIZE(wanted) == KVM_STATISTICS, "kvm.h has room for as many");

#define STATISTICS_MAX 256
#define NAME_MAX_BYTES 128

/* The value named so, or false. The file comes from the kernel; it is still read with bounds. */
static bool read_value(int fd, const struct kvm_stats_header *head, const char *name, uint64_t *value)
{
    struct kvm_stats_desc desc;
    char text[NAME_MAX_BYTES];
    size_t size = sizeof(desc) + head->name_size;

    if (head->name_size > NAME_MAX_BYTES || head->num_desc > STATISTICS_MAX)
        return false;
    for (uint32_t i = 0; i < head->num_desc; i++) {
        off_t at = (off_t)(head->desc_offset + i * size);
        if (pread(fd, &desc, sizeof(desc), at) != (ssize_t)sizeof(desc) ||
            pread(fd, text, head->name_size, at + (off_t)sizeof(desc)) != (ssize_t)head->name_size)
            return false;
        if (strncmp(text, name, head->name_size) == 0)
            return pread(fd, value, sizeof(*value), (off_t)(head->data_offset + desc.offset)) ==
                   (ssize_t)sizeof(*value);
    }
    return false;
}

void kvm_sync_stats(struct engine *e)
{
    struct kvm_stats_header head;

    kvm_sync_kernel_exits(e);
    if (e->stats_fd < 0 || pread(e->stats_fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
        uint64_t value;
        if (read_value(e->stats_fd, &head, wanted[i].name[0], &value) ||
            (*wanted[i].name[1] && read_value(e->stats_fd, &head, wanted[i].name[1], &value))) {
            e->host->stats->counter[wanted[i].counter] += value - e->counted[i];
            e->counted[i] = value;
        }
    }
}
