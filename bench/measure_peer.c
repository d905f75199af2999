/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_peer.c - one run under a peer. It knows nothing of our service port, so the guest's kernel (told to by
 * `mark=serial`) writes the lines "@mark 1" and "@mark 2" on the serial line, and the host notes when they arrive.
 *
 * Where the peer's guest clock follows the host's, the workload's own time must agree: a buffer that held the lines
 * back would show.
 */
#include "peer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "command_line.h"
#include "ok_line.h"
#include "scratch.h"

/* Delivery of a line takes a wake-up of ours; beyond this the two clocks tell different stories. */
#define CLOCKS_MAY_DIFFER_BY   0.25
#define CLOCKS_MAY_DIFFER_SECS 0.02

struct marks {
    const struct peer *peer;
    const char *program;
    double at[3]; /* [1], [2]: when that mark came; 0: not yet */
};

/* A peer that can't report a status is ended when the workload has said that all is well. */
static bool see_line(void *context, const char *line, double when)
{
    struct marks *marks = context;
    struct ok_line ok;
    int mark;
    if (sscanf(line, "@mark %d", &mark) == 1 && (mark == 1 || mark == 2))
        marks->at[mark] = when;
    return !marks->peer->reports_status && marks->at[2] > 0 && ok_line_parse(line, marks->program, &ok);
}

/* QEMU's debug exit turns the guest's status s into (s << 1) | 1. QEMU's own failures come before any serial output. */
static void decode_status(const struct peer *peer, struct process_result *result)
{
    if (peer->reports_status && result->end == PROCESS_EXITED && (result->status & 1) && result->output.length > 0)
        result->status >>= 1;
}

/* False when the two clocks disagree. */
static bool take_time(const struct marks *marks, double guest_seconds, struct outcome *outcome)
{
    double seconds = marks->at[2] - marks->at[1];
    if (marks->at[1] == 0 || marks->at[2] == 0 || seconds <= 0) {
        fail(&outcome->why, EINVAL, "the marks did not arrive on the serial line");
        return true;
    }
    double apart = fabs(seconds - guest_seconds);
    if (marks->peer->keeps_time && apart > CLOCKS_MAY_DIFFER_SECS + CLOCKS_MAY_DIFFER_BY * seconds) {
        fail(&outcome->why, EINVAL, "the marks are %.3f s apart, but the guest measured %.3f s", seconds,
             guest_seconds);
        return false;
    }
    outcome->seconds = seconds;
    return true;
}

/* False when it's worth another try. */
static bool run_once(const struct peer *peer, const struct bench_setup *setup, const struct workload_def *workload,
                     struct peer_launch *launch, struct outcome *outcome)
{
    struct marks marks = {.peer = peer, .program = workload_program(workload)};
    struct process process = {
        .argv = launch->argv,
        .timeout = setup->timeout + peer->start,
        .core = setup->core,
        .folder = launch->folder,
        .needs_terminal = peer->needs_terminal,
        .line = see_line,
        .context = &marks,
    };
    struct process_result result;
    uint64_t roi_ns;
    if (process_run(&process, &result, &outcome->why) != 0)
        return true;
    decode_status(peer, &result);
    bool is_settled = !outcome_take(outcome, workload, &process, &result, &roi_ns) ||
                      take_time(&marks, 1e-9 * (double)roi_ns, outcome);
    process_result_free(&result);
    return is_settled;
}

/* On a busy host whoever reads the lines may come late: the clocks disagree once, but not every time. */
static void run_until_settled(const struct peer *peer, const struct bench_setup *setup,
                              const struct workload_def *workload, struct peer_launch *launch, struct outcome *outcome)
{
    enum { TRIES = 3 };
    for (int i = 0; i < TRIES; i++) {
        *outcome = (struct outcome){.status = OUTCOME_OK};
        if (run_once(peer, setup, workload, launch, outcome))
            return;
    }
}

static int build_line(char line[COMMAND_LINE_MAX], const struct bench_setup *setup, const struct workload_def *workload,
                      struct reason *why)
{
    char *argv[WORKLOAD_WORDS_MAX + 1] = {(char *)workload->binary};
    struct words words;
    int err = workload_words(workload, setup->size, DISK_IN_GUEST, TEXT_IN_GUEST, &words, why);
    if (err)
        return err;
    for (unsigned i = 0; i < words.count; i++)
        argv[i + 1] = words.word[i];
    return guest_command_line(line, "mark=serial", argv, words.count + 1, why);
}

void measure_peer(const struct peer *peer, const struct bench_setup *setup, const struct workload_def *workload,
                  struct outcome *outcome)
{
    char line[COMMAND_LINE_MAX], folder[PATH_MAX];
    if (build_line(line, setup, workload, &outcome->why) != 0)
        return;
    if (scratch_make(setup->folder, folder, &outcome->why) != 0)
        return;
    struct peer_launch launch = {.line = line, .folder = folder, .has_disk = workload->need == NEED_DISK};
    int err = peer_link(&launch, PEER_KERNEL, setup->kernel, &outcome->why);
    if (!err)
        err = peer_link(&launch, PEER_INITRD, setup->initrd, &outcome->why);
    if (!err && launch.has_disk)
        err = peer_link(&launch, PEER_DISK, setup->guest_disk, &outcome->why);
    if (!err)
        err = peer->build(&launch, &outcome->why);
    if (!err)
        run_until_settled(peer, setup, workload, &launch, outcome);
    scratch_remove(folder);
}
