/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_travel.c - a guest's state travels: what one engine saves, another goes on with, and back again.
 *
 * Two ways. The machine itself changes its engine (machine_change_engine), at each mark of a workload and whenever a
 * second thread says so: CPU and chips, wherever they are, go along. And:
 * The relay below is an engine made of two, of which one runs at a time. At each mark of a workload, and every so many
 * exits, the register file goes from one to the other (get_state, set_state); RAM and devices are the machine's and
 * stay. The guest must not notice: what it prints is what it prints anyway. Engines that this host can't run are
 * skipped by name; tests/test_kvm.sh runs this where hwassist/kvm works.
 */
#include "vltest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include <virtlab/machine.h>

/* ---- the relay ---- */

struct engine {
    const struct engine_ops *ops[2];
    struct engine *engine[2];
    const struct engine_host *host;
    unsigned present; /* which of the two runs */
    unsigned exits, handed_over;
    bool window_wanted;
    struct reason failed;
};

#define EXITS_EACH 97 /* a number that has nothing to do with any loop of the guest's */

static const struct engine_ops *pair[2];
static unsigned handed_over; /* of the last relay */

static void relay_destroy(struct engine *r)
{
    if (!r)
        return;
    handed_over = r->handed_over;
    for (unsigned i = 0; i < 2; i++)
        if (r->engine[i])
            r->ops[i]->destroy(r->engine[i]);
    free(r);
}

static struct engine *relay_create(const struct engine_host *host, struct reason *why)
{
    struct engine *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->host = host;
    for (unsigned i = 0; i < 2; i++) {
        r->ops[i] = pair[i];
        r->engine[i] = pair[i]->create(host, why);
        if (!r->engine[i]) {
            relay_destroy(r);
            return NULL;
        }
    }
    return r;
}

#define NOW(r, call, ...) (r)->ops[(r)->present]->call((r)->engine[(r)->present], ##__VA_ARGS__)

/* The other one has not seen what was written to RAM meanwhile. */
static void hand_over(struct engine *r)
{
    struct cpu_state state;
    NOW(r, get_state, &state);
    NOW(r, request_window, false);
    r->present ^= 1;
    NOW(r, ram_written, gpa(0), r->host->ram->size);
    if (NOW(r, set_state, &state, &r->failed))
        return;
    NOW(r, request_window, r->window_wanted);
    r->handed_over++;
}

/* Is the instruction of this exit complete? A read is, when its answer has been taken: with the next run(). */
static bool is_complete(const struct vm_exit *exit)
{
    return exit->kind == VM_EXIT_INTERRUPTED || exit->kind == VM_EXIT_HLT || (exit->kind == VM_EXIT_IO && !exit->io.in);
}

static void relay_run(struct engine *r, struct vm_exit *exit, uint64_t budget)
{
    bool mark = exit->kind == VM_EXIT_IO && exit->io.port == SERVICE_PORT;
    if (is_complete(exit) && (mark || ++r->exits % EXITS_EACH == 0)) {
        hand_over(r);
        exit->kind = VM_EXIT_INTERRUPTED; /* what there was to answer was the other one's */
    }
    if (r->failed.text[0]) {
        exit->kind = VM_EXIT_ERROR;
        exit->why = r->failed;
        return;
    }
    NOW(r, run, exit, budget);
}

static void relay_get_state(struct engine *r, struct cpu_state *state)
{
    NOW(r, get_state, state);
}
static int relay_set_state(struct engine *r, const struct cpu_state *state, struct reason *why)
{
    return NOW(r, set_state, state, why);
}
static bool relay_can_inject(struct engine *r)
{
    return NOW(r, can_inject);
}
static void relay_inject(struct engine *r, uint8_t vector)
{
    NOW(r, inject, vector);
}
static void relay_request_window(struct engine *r, bool wanted)
{
    r->window_wanted = wanted;
    NOW(r, request_window, wanted);
}
static void relay_kick(struct engine *r)
{
    NOW(r, kick);
}
static void relay_ram_written(struct engine *r, gpa_t at, uint64_t len)
{
    NOW(r, ram_written, at, len);
}
static int relay_probe(struct reason *why)
{
    (void)why; /* start() has asked both */
    return 0;
}

static const struct engine_ops relay = {
    .abi = ENGINE_ABI,
    .name = "test/relay",
    .technique = "test",
    .text = "two engines in turn",
    .capabilities = ENGINE_FLAT | ENGINE_OS | ENGINE_LEGACY,
    .probe = relay_probe,
    .create = relay_create,
    .destroy = relay_destroy,
    .run = relay_run,
    .get_state = relay_get_state,
    .set_state = relay_set_state,
    .can_inject = relay_can_inject,
    .inject = relay_inject,
    .request_window = relay_request_window,
    .kick = relay_kick,
    .ram_written = relay_ram_written,
};

/* ---- guests ---- */

static const char *guest_file(const char *name)
{
    static char path[512];
    const char *folder = getenv("VIRTLAB_GUEST");
    snprintf(path, sizeof(path), "%s/%s", folder ? folder : "build/guest", name);
    return path;
}

/* A machine that goes to and fro between two engines. */
struct trip {
    const struct engine_ops *ops[2]; /* the second is NULL: it stays under the first */
    struct machine *machine;
    unsigned changes;
    atomic_bool over;
};

#define RESTLESS_NS    15000000
#define RESTLESS_STOPS 12 /* at most: where engines are made slowly, the guest must get somewhere all the same */

static void stop_at_mark(void *context, unsigned mark)
{
    struct trip *trip = context;
    if (trip->ops[1] && (mark == MARK_BEGIN || mark == MARK_END))
        machine_stop(trip->machine);
}

static void *stop_now_and_then(void *context)
{
    struct trip *trip = context;
    for (int i = 0; i < RESTLESS_STOPS && !atomic_load(&trip->over); i++) {
        nanosleep(&(struct timespec){.tv_nsec = RESTLESS_NS}, NULL);
        machine_stop(trip->machine);
    }
    return NULL;
}

static struct machine_result run_trip(struct trip *trip)
{
    struct machine_result result;
    pthread_t restless;
    bool travels = trip->ops[1] && pthread_create(&restless, NULL, stop_now_and_then, trip) == 0;
    while (result = machine_run(trip->machine), result.end == MACHINE_STOPPED) {
        struct reason why = {""};
        int err = machine_change_engine(trip->machine, trip->ops[(trip->changes + 1) % 2], &why);
        trip->changes += err == 0;
        if (err && err != -EAGAIN) { /* that is: in the middle of a read; the next stop will do */
            vltest_check(false, __FILE__, __LINE__, "the engine can't be changed: %s", why.text);
            break;
        }
    }
    if (travels) {
        atomic_store(&trip->over, true);
        pthread_join(restless, NULL);
    }
    return result;
}

/* What the guest prints, up to the times in it, which are its own affair. */
static void run_guest_on(struct trip *trip, const char *command, char *printed, size_t size, int *status)
{
    struct reason why = {""};
    char initrd[512], append[256];
    FILE *console = tmpfile();
    printed[0] = '\0', *status = -1;
    CHECK_FATAL(console != NULL);
    struct machine_config config = {
        .mem = 64 << 20, .console_in = -1, .console_out = fileno(console), .mark = stop_at_mark, .mark_context = trip};
    trip->machine = machine_create(&config, trip->ops[0], &why);
    vltest_check(trip->machine != NULL, __FILE__, __LINE__, "no machine: %s", why.text);
    if (trip->machine) {
        snprintf(append, sizeof(append), "quiet init=/bin/sh -- -c \"%s\"", command);
        snprintf(initrd, sizeof(initrd), "%s", guest_file("initrd.cpio"));
        int err = machine_load(trip->machine, guest_file("kernel.elf"), initrd, append, &why);
        vltest_check(err == 0, __FILE__, __LINE__, "no guest: %s", why.text);
        struct machine_result result = run_trip(trip);
        *status = result.end == MACHINE_POWEROFF ? result.status : -1;
        vltest_check(result.end == MACHINE_POWEROFF, __FILE__, __LINE__, "ended otherwise: %s", result.why.text);
        machine_destroy(trip->machine);
    }
    rewind(console);
    size_t got = fread(printed, 1, size - 1, console);
    printed[got] = '\0';
    fclose(console);
}

static const char long_command[] =
    "for i in 1 2 3; do sieve 1 | cut -d' ' -f1,2,3,5; matmul 1 | cut -d' ' -f1,2,5; done;"
    "cat /share/text | sort | sha256sum; forkwait 2 | cut -d' ' -f2";
/* For a host that is emulated itself, by an interpreter (tests/vmx.sh). */
static const char brief_command[] = "for i in 1 2 3 4 5 6; do getpid 1 | cut -d' ' -f1,2,3,5; done;"
                                    "echo travelling | sha256sum; forkwait 2 | cut -d' ' -f2";

/* The guest under `travelling` prints what it prints under emulate/interp alone. */
static void check_same(struct trip *travelling)
{
    static char alone[4096]; /* asked once */
    static int alone_status;
    char both[4096];
    const char *command = getenv("VIRTLAB_TRAVEL_BRIEF") ? brief_command : long_command;
    struct reason why = {""};
    struct trip home = {.ops = {engine_find("emulate/interp", &why)}};
    int status;
    if (!*alone)
        run_guest_on(&home, command, alone, sizeof(alone), &alone_status);
    run_guest_on(travelling, command, both, sizeof(both), &status);
    CHECK_EQ_U64((unsigned)status, (unsigned)alone_status);
    CHECK_EQ_STR(both, alone);
    CHECK(strstr(both, ": ok iterations=") != NULL);
}

/* Both engines, or a reason to skip. */
static bool find_pair(const char *first, const char *second)
{
    struct reason why = {""};
    pair[0] = engine_find(first, &why);
    pair[1] = engine_find(second, &why);
    CHECK_FATAL(pair[0] && pair[1]);
    for (unsigned i = 0; i < 2; i++) {
        if (pair[i]->probe(&why)) {
            vltest_skip("%s", why.text);
            return false;
        }
    }
    return true;
}

/* Under the relay of the two. */
static void check_travel(const char *first, const char *second)
{
    if (!find_pair(first, second))
        return;
    struct trip trip = {.ops = {&relay}};
    check_same(&trip);
    vltest_check(handed_over > 12, __FILE__, __LINE__, "the state travelled %u times only", handed_over);
}

/* In a machine that changes its engine. */
static void check_change(const char *first, const char *second)
{
    if (!find_pair(first, second))
        return;
    struct trip trip = {.ops = {pair[0], pair[1]}};
    check_same(&trip);
    vltest_check(trip.changes > 12, __FILE__, __LINE__, "the engine was changed %u times only", trip.changes);
}

static void test_bt(void)
{
    check_travel("emulate/interp", "full/bt:all");
}
static void test_kvm(void)
{
    check_travel("hwassist/kvm", "emulate/interp");
}
static void test_kvm_bt(void)
{
    check_travel("hwassist/kvm", "full/bt:all");
}
static void test_change_bt(void)
{
    check_change("emulate/interp", "full/bt:all");
}
static void test_change_kvm(void)
{
    check_change("hwassist/kvm", "emulate/interp");
}
static void test_change_chips(void)
{
    check_change("hwassist/kvm:irqchip", "emulate/interp");
}
static void test_change_chips_kvm(void)
{
    check_change("hwassist/kvm", "hwassist/kvm:irqchip");
}

static const struct vltest tests[] = {
    {"a guest travels between emulate/interp and full/bt:all", test_bt},
    {"a guest travels between hwassist/kvm and emulate/interp", test_kvm},
    {"a guest travels between hwassist/kvm and full/bt:all", test_kvm_bt},
    {"a machine changes between emulate/interp and full/bt:all", test_change_bt},
    {"a machine changes between hwassist/kvm and emulate/interp", test_change_kvm},
    {"a machine changes between the kernel's chips, hwassist/kvm:irqchip, and its own", test_change_chips},
    {"a machine changes between hwassist/kvm and hwassist/kvm:irqchip", test_change_chips_kvm},
};

int main(void)
{
    return vltest_run("travel", tests, ARRAY_SIZE(tests));
}
