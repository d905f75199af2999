/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_guest.c - builds the machine, runs it on this terminal, writes the statistics.
 *
 * Read next: machine.h for what a machine is, region.c and stats_json.c for what is recorded.
 */
#include "run_guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "region.h"
#include "stats_json.h"
#include "status.h"
#include "stop.h"
#include "terminal.h"

/* How a run ended, in the words of the statistics file, with virtlab's exit status. */
struct outcome {
    const char *end;
    int status;
    struct reason why; /* empty when there is nothing to say */
};

static struct outcome outcome_of_stop(int cause, double timeout)
{
    struct outcome outcome = {.end = "signal", .status = 128 + cause};
    if (cause == STOP_TIMEOUT) {
        outcome = (struct outcome){.end = "timeout", .status = STATUS_TIMEOUT};
        fail(&outcome.why, ETIMEDOUT, "time-out after %g s", timeout);
    } else if (cause == STOP_QUIT) {
        outcome = (struct outcome){.end = "quit", .status = STATUS_OK};
    } else if (cause == STOP_NONE) {
        outcome = (struct outcome){.end = "stopped", .status = STATUS_ERROR};
        fail(&outcome.why, EINTR, "the machine stopped without being asked");
    }
    return outcome;
}

static struct outcome outcome_of(const struct machine_result *result, int cause, double timeout)
{
    struct outcome outcome = {.why = result->why};
    switch (result->end) {
    case MACHINE_POWEROFF: outcome.end = "poweroff"; break;
    case MACHINE_DEBUG_EXIT: outcome.end = "debug_exit"; break;
    case MACHINE_RESET:
        outcome.end = "reset";
        fail(&outcome.why, 0, "the guest reset the machine");
        return outcome;
    case MACHINE_HALTED:
        outcome.end = "halted";
        fail(&outcome.why, 0, "the guest halted for good: nothing is left that could wake it");
        return outcome;
    case MACHINE_DEATH:
        outcome.end = "death";
        outcome.status = STATUS_ERROR;
        fail(&outcome.why, 0, "the engine can't go on with this guest");
        return outcome;
    case MACHINE_ERROR:
        outcome.end = "error";
        outcome.status = STATUS_ERROR;
        fail(&outcome.why, 0, "the engine failed");
        return outcome;
    case MACHINE_STOPPED:
    case MACHINE_RUNNING: return outcome_of_stop(cause, timeout);
    }
    outcome.status = result->status & 0xff;
    return outcome;
}

static void quit_key(void *unused)
{
    (void)unused;
    stop_for(STOP_QUIT);
}

static int write_stats(FILE *file, const char *path, const struct run_record *record, struct reason *why)
{
    json_t *json = run_record_json(record);
    if (!json)
        return fail(why, ENOMEM, "%s: out of memory", path);
    bool bad = json_dumpf(json, file, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 || fputc('\n', file) == EOF ||
               fflush(file) != 0;
    json_decref(json);
    return bad ? fail(why, EIO, "%s: writing the statistics failed: %s", path, strerror(errno)) : 0;
}

/* Runs the machine that `regions` points to; fills in all of the record but the engine. */
static int run_machine(const struct run_request *request, struct regions *regions, struct outcome *outcome,
                       struct run_record *record, struct reason *why)
{
    struct machine *machine = regions->machine;
    int err = machine_load(machine, request->guest.kernel, request->guest.initrd, request->guest.append, why);
    if (!err)
        err = stop_watch(machine, request->timeout, why);
    if (err)
        return err;

    double begin = now_seconds();
    struct machine_result result = machine_run(machine);
    record->seconds = now_seconds() - begin;
    *outcome = outcome_of(&result, stop_unwatch(), request->timeout);

    record->engine = request->engine;
    record->end = outcome->end;
    record->status = outcome->status;
    record->reason = *outcome->why.text ? outcome->why.text : NULL;
    record->stats = machine_stats(machine);
    record->regions = regions;
    record->ports = machine_port_counts(machine);
    record->mmio = machine_mmio_bus(machine);
    record->memory_kb = own_memory_kb();
    return 0;
}

static int run_on_terminal(const struct run_request *request, struct terminal *terminal, FILE *stats, int *status,
                           struct reason *why)
{
    static struct regions regions; /* large, and there is one run a process */
    struct machine_config config = {
        .mem = request->guest.mem,
        .clock = request->clock,
        .drive = request->guest.drive,
        .console_in = terminal->console_in,
        .console_out = STDOUT_FILENO,
        .trace_io = request->trace_io,
        .kernel_exits = request->kernel_exits,
        .mark = regions_mark,
        .mark_context = &regions,
    };
    regions.run_begin = now_seconds();
    regions.machine = machine_create(&config, request->engine, why);
    if (!regions.machine)
        return fail(why, EINVAL, "the machine could not be made");
    struct run_record record;
    struct outcome outcome;
    int err = run_machine(request, &regions, &outcome, &record, why);
    terminal_close(terminal);
    if (!err) {
        *status = outcome.status;
        if (*outcome.why.text)
            fprintf(stderr, "virtlab run: %s\n", outcome.why.text);
        if (*record.stats->unknown)
            fprintf(stderr, "virtlab run: the engine lacks an instruction, or gets it wrong: %s\n",
                    record.stats->unknown);
    }
    if (!err && stats)
        err = write_stats(stats, request->stats, &record, why);
    machine_destroy(regions.machine);
    return err;
}

int run_guest(const struct run_request *request, int *status, struct reason *why)
{
    /* Opened first: a path that can't be written should be known before an hour's run, not after it. */
    FILE *stats = NULL;
    if (request->stats && !(stats = fopen(request->stats, "we")))
        return fail(why, errno, "%s: %s", request->stats, strerror(errno));

    struct terminal terminal;
    int err = terminal_open(&terminal, quit_key, NULL, why);
    if (!err) {
        err = run_on_terminal(request, &terminal, stats, status, why);
        terminal_close(&terminal);
    }
    if (stats)
        fclose(stats);
    return err;
}
