/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_pass.c - makes a machine around a pair of engines and runs it (lockstep_pass.h). Every run of one guest must
 * find the same: in virtual time the only thing that lasts is the disk, so each run gets a copy.
 */
#include "lockstep_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region.h"
#include "stop.h"

/* A file in memory with the disk's contents. */
static int copy_drive(struct pass *pass, const char *drive, struct reason *why)
{
    struct stat stat;
    int from = open(drive, O_RDONLY | O_CLOEXEC), err = 0;
    off_t at = 0;

    if (from < 0 || fstat(from, &stat) < 0)
        err = fail(why, errno, "%s: %s", drive, strerror(errno));
    else if ((pass->drive = memfd_create("virtlab-drive", MFD_CLOEXEC)) < 0)
        err = fail(why, errno, "a copy of %s: %s", drive, strerror(errno));
    while (!err && at < stat.st_size) {
        if (sendfile(pass->drive, from, &at, (size_t)(stat.st_size - at)) <= 0)
            err = fail(why, errno ? errno : EIO, "a copy of %s: %s", drive, strerror(errno));
    }
    if (from >= 0)
        close(from);
    snprintf(pass->drive_path, sizeof pass->drive_path, "/proc/self/fd/%d", pass->drive);
    return err;
}

void pass_end(struct pass *pass)
{
    if (!pass)
        return;
    machine_destroy(pass->machine);
    pair_release(&pass->pair);
    if (pass->drive >= 0)
        close(pass->drive);
    free(pass);
}

static int pass_prepare(struct pass *pass, const struct lockstep_request *request, int console, struct reason *why)
{
    struct machine_config config = {.mem = request->guest.mem, .console_in = -1, .console_out = console};

    if (request->guest.drive) {
        int err = copy_drive(pass, request->guest.drive, why);
        if (err)
            return err;
        config.drive = pass->drive_path;
    }
    pass->machine = pair_machine_create(&pass->pair, &config, why);
    if (!pass->machine)
        return fail(why, EINVAL, "the machine could not be made");
    return machine_load(pass->machine, request->guest.kernel, request->guest.initrd, request->guest.append, why);
}

struct pass *pass_run(const struct lockstep_request *request, const struct pair_plan *plan, double deadline,
                      int console, struct reason *why)
{
    struct pass *pass = calloc(1, sizeof *pass);

    if (!pass) {
        fail(why, ENOMEM, "out of memory");
        return NULL;
    }
    pass->drive = -1;
    pair_init(&pass->pair, request->engine, plan);
    int err = pass_prepare(pass, request, console, why);
    double left = deadline - now_seconds();
    if (!err)
        err = stop_watch(pass->machine, request->timeout <= 0 ? 0 : left > 0.001 ? left : 0.001, why);
    if (err) {
        pass_end(pass);
        return NULL;
    }
    pass->result = machine_run(pass->machine);
    pass->stopped = stop_unwatch();
    if (pass->result.end == MACHINE_STOPPED && pass->stopped == STOP_NONE)
        pass->stopped = STOP_QUIT;
    if (!pass->stopped && !pass->pair.reached_until)
        pair_compare_last(&pass->pair);
    return pass;
}
