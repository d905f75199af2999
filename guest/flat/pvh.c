/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvh.c - turns what a PVH loader leaves into what a flat one leaves (Xen's arch-x86/hvm/start_info.h).
 *
 * Called by boot.S before anything else runs.
 */
#include <virtlab/flat.h>

#include "runtime.h"

#define PVH_MAGIC   0x336ec578
#define USABLE      1 /* a type of E820 */
#define PROGRAM_AT  0x100000
#define ONLY_ITSELF (2u << 20) /* the RAM assumed where a loader doesn't say: no heap to speak of */

struct pvh_start {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map; /* since version 1 */
    uint32_t memory_map_count, reserved;
};

struct pvh_memory {
    uint64_t base, size;
    uint32_t type, reserved;
};

struct flat_start *pvh_start_record(const struct pvh_start *pvh);

/* The end of the RAM that we stand in. */
static uint64_t memory_end(const struct pvh_start *pvh)
{
    const struct pvh_memory *map = (const void *)pvh->memory_map;

    for (uint32_t i = 0; pvh->version >= 1 && i < pvh->memory_map_count; i++)
        if (map[i].type == USABLE && map[i].base <= PROGRAM_AT && PROGRAM_AT - map[i].base < map[i].size)
            return map[i].base + map[i].size;
    return ONLY_ITSELF;
}

struct flat_start *pvh_start_record(const struct pvh_start *pvh)
{
    static struct flat_start start = {.magic = FLAT_MAGIC, .size = sizeof(start), .memory_size = ONLY_ITSELF};
    static char empty[1];

    start.command_line = (uint64_t)empty;
    if (pvh->magic == PVH_MAGIC) {
        start.memory_size = memory_end(pvh);
        if (pvh->command_line)
            start.command_line = pvh->command_line;
    }
    return &start;
}
