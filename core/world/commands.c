/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands.c - changes of a space's mappings: checked, queued, joined, carried out together.
 *
 * A command is a system call that the mapping thread is to make (entry.c, run_list). The queue is the command page
 * itself. Before the first command goes in, the guest thread is made to stand still (handover_stop): so a command may
 * wait until the space is next run, and yet nobody uses a mapping that is to go. It also keeps the mapping thread's
 * report honest, which guest code could write.
 *
 * A command that fails leaves the rest undone, and the caller with a space that is neither old nor new. Therefore a
 * failure empties the space: nothing mapped is a state that every shadow pager can start from.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "world/private.h"

enum { ADDRESS, LENGTH, RIGHTS, FLAGS, FD, OFFSET }; /* arguments of mmap; the others have the first of these */

bool world_mappable(const struct world_pool *pool, gva_t gva, uint64_t len)
{
    uint64_t hole = pool->options.hole;

    if (!len || (gva.v | len) & ~PAGE_MASK || gva.v < pool->lowest)
        return false;
    if (gva.v >= LOWER_HALF_END || len > LOWER_HALF_END - gva.v)
        return false;
    return gva.v + len <= hole || gva.v >= hole + HOLE_SIZE;
}

/* Can `next` be done by making `last` longer? */
static bool join(struct world_command *last, const struct world_command *next)
{
    uint64_t length = last->args[LENGTH];

    if (last->number != next->number || last->args[ADDRESS] + length != next->args[ADDRESS])
        return false;
    if (last->args[RIGHTS] != next->args[RIGHTS] || last->args[FLAGS] != next->args[FLAGS])
        return false;
    if (last->number == SYS_mmap && last->args[OFFSET] + length != next->args[OFFSET])
        return false;
    last->args[LENGTH] = length + next->args[LENGTH];
    return true;
}

static int queue(struct world_space *space, struct world_command command, struct reason *why)
{
    if (space->entered)
        return fail(why, EBUSY, "world: the space is in use");
    int err = space->lost ? fail(why, EIO, "world: the space is lost") : handover_stop(space, why);

    if (err)
        return err;
    if (space->queued && join(&space->commands[space->queued - 1], &command))
        return 0;
    if (space->queued == COMMAND_MAX && (err = world_flush(space, why)))
        return err;
    space->commands[space->queued++] = command;
    return 0;
}

static int check_range(const struct world_space *space, gva_t gva, uint64_t len, int prot, struct reason *why)
{
    if (!world_mappable(space->pool, gva, len) || prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
        return fail(why, EINVAL, "world: 0x%llx, 0x%llx bytes, rights %d: can't be mapped by a process",
                    (unsigned long long)gva.v, (unsigned long long)len, prot);
    return 0;
}

int world_map(struct world_space *space, gva_t gva, uint64_t offset, uint64_t len, int prot, unsigned flags,
              struct reason *why)
{
    uint64_t size = space->pool->options.ram_size;
    int map_flags = MAP_SHARED | MAP_FIXED | (flags & WORLD_POPULATE ? MAP_POPULATE : 0);
    int err = check_range(space, gva, len, prot, why);

    if (err)
        return err;
    if (offset & ~PAGE_MASK || offset >= size || len > size - offset)
        return fail(why, EINVAL, "world: RAM has no 0x%llx bytes at 0x%llx", (unsigned long long)len,
                    (unsigned long long)offset);
    return queue(space,
                 (struct world_command){
                     .number = SYS_mmap,
                     .args = {gva.v, len, (uint64_t)prot, (uint64_t)map_flags, FD_RAM, offset},
                 },
                 why);
}

int world_unmap(struct world_space *space, gva_t gva, uint64_t len, struct reason *why)
{
    int err = check_range(space, gva, len, 0, why);

    return err ? err : queue(space, (struct world_command){.number = SYS_munmap, .args = {gva.v, len}}, why);
}

int world_protect(struct world_space *space, gva_t gva, uint64_t len, int prot, struct reason *why)
{
    int err = check_range(space, gva, len, prot, why);

    if (err)
        return err;
    return queue(space, (struct world_command){.number = SYS_mprotect, .args = {gva.v, len, (uint64_t)prot}}, why);
}

int world_unmap_all(struct world_space *space, struct reason *why)
{
    uint64_t hole = space->pool->options.hole, after = hole + HOLE_SIZE;
    int err;

    space->queued = 0; /* whatever waits there would be undone */
    err = queue(space, (struct world_command){.number = SYS_munmap, .args = {0, hole}}, why);
    if (err)
        return err;
    return queue(space, (struct world_command){.number = SYS_munmap, .args = {after, LOWER_HALF_END - after}}, why);
}

/* Carries out the queue; *failed is the errno of the command that failed, 0 if none did. */
static int carry_out(struct world_space *space, int *failed, struct reason *why)
{
    int err = handover_commands(space, why);

    *failed = err ? 0 : (int)space->report->map_error;
    return err;
}

int world_flush(struct world_space *space, struct reason *why)
{
    int failed, again, err;

    if (space->lost)
        return fail(why, EIO, "world: the space is lost");
    if (!space->queued)
        return 0;
    err = carry_out(space, &failed, why);
    if (err || !failed)
        return err;
    fail(why, failed, "world: the host refuses to change a mapping: %s", strerror(failed));
    err = world_unmap_all(space, why);
    if (!err)
        err = carry_out(space, &again, why);
    if (err)
        return err;
    return again ? space_lost(space, why, "its mappings can't be removed") : -failed;
}
