/* SPDX-License-Identifier: GPL-2.0-or-later */
/* progress.c - the bench's live line and its result lines. Called by cmd_bench.c. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "region.h"

void progress_begin(struct progress *progress, unsigned total)
{
    const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");
    progress->live = isatty(STDERR_FILENO) && terminal && *terminal;
    progress->colour = progress->live && !(no_color && *no_color);
    progress->done = 0;
    progress->total = total;
    progress->begin = now_seconds();
}

void progress_clear(const struct progress *progress)
{
    if (progress->live)
        fputs("\r\033[K", stderr);
}

void progress_next(const struct progress *progress, const char *workload, const char *subject)
{
    if (!progress->live)
        return;
    progress_clear(progress);
    fprintf(stderr, "[%u/%u] %s under %s ...", progress->done + 1, progress->total, workload, subject);
    if (progress->done > 2) {
        double each = (now_seconds() - progress->begin) / progress->done;
        int left = (int)(each * (progress->total - progress->done));
        fprintf(stderr, " about %d:%02d left", left / 60, left % 60);
    }
}

/* "12.3 ns each (12.1-12.9), n=3": what has no native counterpart. */
static void print_latency(const struct row *row)
{
    fprintf(stderr, "%.1f ns each (%.1f-%.1f), n=%u", sample_median(&row->latency), sample_min(&row->latency),
            sample_max(&row->latency), row->latency.n);
}

/* "3.1 % of native (3.0-3.2), n=3", with as many digits as such a number deserves. */
static void print_speed(const struct row *row)
{
    double median = 100 * sample_median(&row->ratio);
    int digits = median >= 100 ? 0 : median >= 1 ? 1 : 3;
    fprintf(stderr, "%.*f %% of native (%.*f-%.*f), n=%u", digits, median, digits, 100 * sample_min(&row->ratio),
            digits, 100 * sample_max(&row->ratio), row->ratio.n);
    if (row->mips.n)
        fprintf(stderr, ", %.0f MIPS", sample_median(&row->mips));
}

void progress_row(struct progress *progress, const struct row *row)
{
    static const char *const colours[] = {
        [OUTCOME_OK] = "\033[32m", [OUTCOME_NA] = "\033[2m", [OUTCOME_FAILED] = "\033[31m"};
    if (row->status == OUTCOME_INTERRUPTED)
        return;
    progress->done++;
    progress_clear(progress);
    fprintf(stderr, "%-14s %-17s ", row->workload->name, row->subject->name);
    if (progress->colour)
        fputs(colours[row->status], stderr);
    if (row->status != OUTCOME_OK)
        fprintf(stderr, "%s: %s", row->status == OUTCOME_NA ? "n/a" : "FAILED", row->why.text);
    else if (row->subject->kind == SUBJECT_NATIVE)
        fprintf(stderr, "%.1f ms, n=%u", 1000 * sample_median(&row->seconds), row->seconds.n);
    else if (row->ratio.n == 0)
        print_latency(row);
    else
        print_speed(row);
    fputs(progress->colour ? "\033[0m\n" : "\n", stderr);
}
