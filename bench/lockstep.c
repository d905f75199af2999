/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep.c - the search for the first difference.
 *
 * Comparing after every instruction would take hours. So a first run compares seldom: registers every N instructions,
 * RAM every few millions. When it finds a difference, the guest is run again up to the last point where all was equal,
 * and from there with smaller steps, and so on until the step is one instruction; that a run can be repeated exactly is
 * what virtual time is for. A last run keeps a trace of the instructions before. At exits the same is done with exits
 * for instructions.
 */
#include "lockstep.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lockstep_pass.h"
#include "lockstep_report.h"
#include "region.h"
#include "status.h"
#include "stop.h"

#define RAM_STEP       (UINT64_C(4) << 20) /* instructions */
#define RAM_STEP_EXITS UINT64_C(1024)
#define NARROWING      256 /* each run divides the interval by so much */
#define TRACE          16  /* positions before the difference that the last run looks at */

#define KNOWN_MAX 64 /* known errors on the way; each costs some runs */

/* Known errors of an engine that are to be passed over: positions, in rising order. */
struct known {
    uint64_t at[KNOWN_MAX];
    unsigned count;
};

static struct pair_plan first_plan(const struct lockstep_request *request, const struct known *known)
{
    uint64_t ram_step = request->at_exits ? RAM_STEP_EXITS : RAM_STEP;

    return (struct pair_plan){
        .at_exits = request->at_exits,
        .step = request->at_exits ? 1 : request->every,
        .ram_step = ram_step > request->every ? ram_step : request->every,
        .until = request->limit,
        .known = known->at,
        .known_count = known->count,
    };
}

/* From `equal`, where all was equal, to the difference or the instruction that begins where it was seen. */
static struct pair_plan narrower_plan(const struct pair *pair, uint64_t equal)
{
    uint64_t width = pair->position - equal, step = width / NARROWING + 1;

    return (struct pair_plan){
        .at_exits = pair->plan.at_exits,
        .from = equal,
        .step = step,
        .ram_step = step,
        .until = pair->position + 1,
        .known = pair->plan.known,
        .known_count = pair->plan.known_count,
    };
}

/* One position after the other, with all that was before; RAM, too, is compared at each. */
static struct pair_plan trace_plan(const struct pair *pair)
{
    uint64_t count = side_count(&pair->side[0]);

    return (struct pair_plan){
        .at_exits = pair->plan.at_exits,
        .from = pair->position - (pair->position < TRACE ? pair->position : TRACE),
        .step = 1,
        .ram_step = 1,
        .until = pair->position + 1,
        .known = pair->plan.known,
        .known_count = pair->plan.known_count,
        .trace = true,
        .trace_from = count - (count < TRACE ? count : TRACE),
    };
}

/* Nothing but RAM, which was compared less often, can have differed before the two positions around the difference. */
static bool is_near(const struct pair *pair)
{
    return pair->plan.step == 1 && pair->position - pair->before_at <= 1;
}

/* A trace that begins with a difference has come too late: RAM differed before. */
static bool is_traced(const struct pair *pair)
{
    return pair->plan.trace && (pair->position > pair->plan.from || pair->plan.from == 0);
}

enum narrowed {
    NARROWED,     /* down to one position */
    NOT_REPEATED, /* a run did not show what the one before had shown */
    NOT_FINISHED, /* stopped, or no memory */
    KNOWN_ERROR,  /* looked at closely, it is a known error of one engine */
};

/* A run that should have shown the difference has not. */
static enum narrowed not_shown(const struct pass *pass, struct known *known)
{
    if (!pass || pass->stopped)
        return NOT_FINISHED;
    const struct pair *pair = &pass->pair;
    unsigned before = known->count;
    for (unsigned i = 0; i < pair->carried && known->count < KNOWN_MAX; i++) {
        if (known->count == 0 || pair->carried_at[i] > known->at[known->count - 1])
            known->at[known->count++] = pair->carried_at[i];
    }
    return known->count > before ? KNOWN_ERROR : NOT_REPEATED;
}

/*
 * Narrows the difference that `*found` ends with down to one position. `*found` becomes the run that has come closest.
 */
static enum narrowed narrow(struct pass **found, const struct lockstep_request *request, double deadline, int console,
                            struct known *known)
{
    uint64_t equal = (*found)->pair.last_equal;

    while (!is_traced(&(*found)->pair)) {
        const struct pair *pair = &(*found)->pair;
        struct pair_plan plan = is_near(pair) && !pair->plan.trace ? trace_plan(pair) : narrower_plan(pair, equal);
        struct reason why = {""};
        struct pass *pass = pass_run(request, &plan, deadline, console, &why);

        if (!pass || pass->pair.difference == DIFFER_NOT) {
            enum narrowed outcome = not_shown(pass, known);
            pass_end(pass);
            return outcome;
        }
        pass_end(*found);
        *found = pass;
        if (pass->pair.last_equal > equal)
            equal = pass->pair.last_equal;
    }
    return NARROWED;
}

static const char *end_words(const struct machine_result *result, char *text, size_t size)
{
    switch (result->end) {
    case MACHINE_POWEROFF: snprintf(text, size, "the guest powered off with status %d", result->status); break;
    case MACHINE_DEBUG_EXIT: snprintf(text, size, "the guest left through the debug port, %d", result->status); break;
    case MACHINE_RESET: snprintf(text, size, "the guest reset: %s", result->why.text); break;
    case MACHINE_HALTED: snprintf(text, size, "the guest halted for good: %s", result->why.text); break;
    case MACHINE_STOPPED:
    case MACHINE_RUNNING: snprintf(text, size, "stopped"); break;
    case MACHINE_DEATH:
    case MACHINE_ERROR: snprintf(text, size, "both engines ended: %s", result->why.text); break;
    }
    return text;
}

static void print_equal(const struct pass *pass)
{
    const struct pair *pair = &pass->pair;
    char end[320];

    printf("%s and %s: no difference\n", pair->side[0].ops->name, pair->side[1].ops->name);
    printf("  %" PRIu64 " exits", pair->exits);
    if (pair->side[0].ops->counters & COUNTER_BIT(INSTRUCTIONS))
        printf(", %" PRIu64 " instructions", side_count(&pair->side[0]));
    printf("; registers compared %" PRIu64 " times, memory %" PRIu64 " times\n", pair->compared, pair->ram_compared);
    printf("  %s\n", pair->reached_until && pair->plan.until != UINT64_MAX && pass->result.end == MACHINE_DEATH
                         ? "the limit was reached"
                         : end_words(&pass->result, end, sizeof end));
    if (pair->plan.known_count + pair->carried > 0)
        printf("  known errors passed over: %u%s\n",
               pair->plan.known_count > pair->carried ? pair->plan.known_count : pair->carried,
               pair->carried == CARRIED_MAX ? " or more" : "");
    if (pair->images)
        printf("  stored images of RFLAGS that differ in AF: %" PRIu64 "\n", pair->images);
    report_masks(pair);
}

static int stop_status(const struct pass *pass, double timeout)
{
    fflush(stdout);
    if (pass->stopped == STOP_TIMEOUT) {
        fprintf(stderr, "virtlab compare: time-out after %g s; no difference in %" PRIu64 " %s\n", timeout,
                pass->pair.position, pass->pair.plan.at_exits ? "exits" : "instructions");
        return STATUS_TIMEOUT;
    }
    return pass->stopped > 0 ? 128 + pass->stopped : STATUS_ERROR;
}

/* One search, from the guest's start. False: it met a known error, and begins anew knowing it. */
static bool search(const struct lockstep_request *request, double deadline, int console, int null, struct known *known,
                   int *status, struct reason *why)
{
    struct pair_plan plan = first_plan(request, known);
    struct pass *pass = pass_run(request, &plan, deadline, console, why);
    bool again = false;

    if (!pass) {
        *status = fail(why, EINVAL, "the guest could not be run");
        return true;
    }
    if (pass->pair.difference != DIFFER_NOT) {
        enum narrowed outcome = narrow(&pass, request, deadline, null, known);
        again = outcome == KNOWN_ERROR;
        if (!again)
            report_difference(&pass->pair, outcome != NOT_REPEATED, request->colour);
        *status = 1;
    } else if (pass->stopped) {
        *status = stop_status(pass, request->timeout);
    } else {
        print_equal(pass);
        *status = STATUS_OK;
    }
    pass_end(pass);
    return !again;
}

int lockstep(const struct lockstep_request *request, int *status, struct reason *why)
{
    double deadline = now_seconds() + request->timeout;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), console = request->output ? STDOUT_FILENO : null;
    struct known known = {.count = 0};

    if (null < 0)
        return fail(why, errno, "/dev/null: %s", strerror(errno));
    while (!search(request, deadline, console, null, &known, status, why))
        console = null; /* what the guest says has been shown */
    close(null);
    return *status < 0 ? *status : 0;
}
