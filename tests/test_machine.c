/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_machine.c - the run loop and the wiring: what an engine comes back with is answered as the contract says.
 *
 * The engine is a script (machine_fake.h), so each test reads as what a guest does and what it must see.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "io/pit.h"
#include "loaders_images.h"
#include "machine_fake.h"

#define MS UINT64_C(1000000) /* nanoseconds */

static const struct machine_config plain = {
    .mem = 4 << 20, .clock = CLOCK_VIRTUAL, .console_in = -1, .console_out = -1};

static uint64_t wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct machine *make(const struct machine_config *config, const struct step *script)
{
    struct reason why = {""};
    struct machine *machine;

    fake_script = script;
    machine = machine_create(config, &fake_ops, &why);
    if (!machine)
        printf("%s\n", why.text);
    CHECK_FATAL(machine != NULL);
    return machine;
}

/* Plays a script to its end. */
static struct machine_result play(const struct machine_config *config, const struct step *script)
{
    struct machine *machine = make(config, script);
    struct machine_result result = machine_run(machine);

    machine_destroy(machine);
    return result;
}

static void check_done(const struct step *script)
{
    struct machine_result result = play(&plain, script);

    CHECK_EQ_U64(result.end, MACHINE_POWEROFF);
    CHECK_EQ_STR(result.why.text, "");
}

/* What guests do first: PICs to vectors 0x20 and 0x28, with these lines unmasked. */
#define PIC_INIT(mask)                                                                                      \
    {OUT, 0x20, 1, 0x11}, {OUT, 0x21, 1, 0x20}, {OUT, 0x21, 1, 4}, {OUT, 0x21, 1, 1}, {OUT, 0xa0, 1, 0x11}, \
        {OUT, 0xa1, 1, 0x28}, {OUT, 0xa1, 1, 2}, {OUT, 0xa1, 1, 1}, {OUT, 0x21, 1, (uint8_t) ~(mask)},      \
    {                                                                                                       \
        OUT, 0xa1, 1, 0xff                                                                                  \
    }
#define PIC_EOI            \
    {                      \
        OUT, 0x20, 1, 0x20 \
    }

/* Channel 0 of the PIT: mode 0 (once) or 2 (again and again), after `count` ticks of 838 ns. */
#define PIT_SET(mode, count)                                          \
    {OUT, 0x43, 1, 0x30 | (mode) << 1}, {OUT, 0x40, 1, (count)&0xff}, \
    {                                                                 \
        OUT, 0x40, 1, (count) >> 8                                    \
    }

/* ---- accesses ---- */

static void test_ports(void)
{
    static const struct step script[] = {{OUT, 0x21, 1, 0x5a},  {IN, 0x21, 1, 0x5a},  {IN, 0xe9, 1, 0xe9},
                                         {OUT, 0x3ff, 1, 0x77}, {IN, 0x3ff, 1, 0x77}, {DONE}};

    check_done(script);
}

static void test_unclaimed(void)
{
    static const struct step script[] = {{IN, 0x1234, 1, 0xff},
                                         {IN, 0x1234, 2, 0xffff},
                                         {IN, 0x1234, 4, 0xffffffff},
                                         {OUT, 0x1234, 4, 1},
                                         {LOAD, 0xd0000000, 8, UINT64_MAX},
                                         {STORE, 0xd0000008, 4, 1},
                                         {DONE}};
    struct machine *machine = make(&plain, script);

    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    CHECK_EQ_U64(machine_port_bus(machine)->unclaimed, 4);
    CHECK_EQ_U64(machine_port_bus(machine)->unclaimed_first, 0x1234);
    CHECK_EQ_U64(machine_mmio_bus(machine)->unclaimed, 2);
    CHECK_EQ_U64(machine_mmio_bus(machine)->unclaimed_first, 0xd0000000);
    CHECK_EQ_U64(machine_port_counts(machine)[0x1234].reads, 3);
    CHECK_EQ_U64(machine_port_counts(machine)[0x1234].writes, 1);
    CHECK_EQ_U64(machine_port_counts(machine)[0x1235].reads, 0); /* a wide access counts once */
    machine_destroy(machine);
}

static void test_local_apic(void)
{
    static const struct step script[] = {{STORE, 0xfee00380, 4, 1234},
                                         {LOAD, 0xfee00380, 4, 1234},
                                         {STORE, 0xfee00080, 4, 0x50},
                                         {LOAD, 0xfee00080, 4, 0x50},
                                         {DONE}};
    struct machine *machine = make(&plain, script);

    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    CHECK_EQ_U64(fake->state.cr8, 5); /* the task priority is CR8 */
    fake->host->cr8_changed(fake->host->context, 7);
    CHECK_EQ_U64(bus_read(machine_mmio_bus(machine), 0xfee00080, 4), 0x70);
    machine_destroy(machine);
}

static void test_hypercall(void)
{
    static const struct step script[] = {{CALL, .value = (uint64_t)-ENOSYS}, {DONE}};

    check_done(script);
}

static void test_burst_order(void)
{
    static const struct step script[] = {{OUTS, 0xe9, 1, .count = 6}, {OUTS, 0x3f8, 1, .count = 5}, {DONE}};
    struct machine_config config = plain;
    char text[32] = "";
    int out[2];

    CHECK_FATAL(pipe(out) == 0);
    config.console_out = out[1];
    memcpy(fake_burst, "hello ", 7);
    CHECK_EQ_U64(play(&config, script).end, MACHINE_POWEROFF);
    CHECK_EQ_U64((uint64_t)read(out[0], text, sizeof(text) - 1), 11);
    CHECK_EQ_STR(text, "hello hello");
    close(out[0]);
    close(out[1]);
}

static char drive[64];

static void make_drive(uint8_t bytes[64 * 512])
{
    int fd;

    snprintf(drive, sizeof(drive), "%s/test_machine.XXXXXX", P_tmpdir);
    fd = mkstemp(drive);
    for (unsigned i = 0; i < 64 * 512; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 512);
    CHECK_FATAL(fd >= 0 && write(fd, bytes, 64 * 512) == 64 * 512 && close(fd) == 0);
}

/* Sector 3 of the master, LBA, one sector. */
#define ATA_SETUP(command)                                                                                 \
    {OUT, 0x1f6, 1, 0xe0}, {OUT, 0x1f2, 1, 1}, {OUT, 0x1f3, 1, 3}, {OUT, 0x1f4, 1, 0}, {OUT, 0x1f5, 1, 0}, \
    {                                                                                                      \
        OUT, 0x1f7, 1, command                                                                             \
    }

static void test_disk_bursts(void)
{
    static const struct step script[] = {
        ATA_SETUP(0x20), {INS, 0x1f0, 2, .count = 256}, ATA_SETUP(0x30), {OUTS, 0x1f0, 4, .count = 128}, {DONE}};
    static const struct step in_parts[] = {ATA_SETUP(0x20),
                                           {INS, 0x1f0, 2, .count = 1},
                                           {INS, 0x1f0, 2, .count = 254},
                                           {INS, 0x1f0, 2, .count = 1},
                                           {DONE}};
    struct machine_config config = plain;
    uint8_t bytes[64 * 512], after[512];
    struct machine *machine;
    int fd;

    make_drive(bytes);
    config.drive = drive;
    machine = make(&config, script);
    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    CHECK(!memcmp(fake_burst, bytes + 3 * 512, 512));
    for (unsigned i = 0; i < machine_port_bus(machine)->count; i++) {
        const struct bus_range *range = &machine_port_bus(machine)->range[i];

        if (range->first == 0x1f0) {
            CHECK_EQ_U64(range->reads, 256);
            CHECK_EQ_U64(range->writes, 12 + 128);
        }
    }
    CHECK_EQ_U64(machine_port_counts(machine)[0x1f0].reads, 256);
    CHECK_EQ_U64(machine_port_counts(machine)[0x1f0].writes, 128);
    CHECK_EQ_U64(machine_port_counts(machine)[0x1f2].writes, 2);
    machine_destroy(machine);

    memset(fake_burst, 0, sizeof(fake_burst));
    CHECK_EQ_U64(play(&config, in_parts).end, MACHINE_POWEROFF);
    CHECK(!memcmp(fake_burst, bytes + 3 * 512 + 510, 2)); /* the last word, however the others were read */

    fd = open(drive, O_RDONLY);
    CHECK(pread(fd, after, 512, 3 * 512) == 512 && !memcmp(after, bytes + 3 * 512, 512));
    close(fd);
    unlink(drive);
}

static void test_trace(void)
{
    static const struct step script[] = {{OUT, 0x21, 1, 0x5a}, {IN, 0x1234, 2, 0xffff}, {DONE}};
    struct machine_config config = plain;
    int saved = dup(STDERR_FILENO), catch[2];
    char text[512] = "";

    CHECK_FATAL(saved >= 0 && pipe(catch) == 0);
    config.trace_io = true;
    dup2(catch[1], STDERR_FILENO);
    play(&config, script);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(catch[1]);
    CHECK(read(catch[0], text, sizeof(text) - 1) > 0);
    close(catch[0]);
    vltest_row("%.200s", text);
    CHECK(strstr(text, "port write 0x21 size 1 value 0x5a ") == text);
    CHECK(strstr(text, "\nport read 0x1234 size 2 value 0xffff -\n") != NULL);
    CHECK(strstr(text, "\nport write 0xf8 size 4 value 0x20000 ") != NULL);
    vltest_row("%s", "");
}

/* ---- interrupts and time ---- */

static void test_window(void)
{
    static const struct step script[] = {PIC_INIT(1),
                                         PIT_SET(0, 10),
                                         {WORK, .value = 20000},
                                         {WANTED, .value = 1},
                                         {SET_IF, .value = 1},
                                         {WORK, .value = 1},
                                         {EXPECT, .value = 0x20},
                                         {WANTED, .value = 0},
                                         {DONE}};

    check_done(script);
}

static void test_injected(void)
{
    static const struct step script[] = {
        PIC_INIT(1),          PIT_SET(0, 10), {SET_IF, .value = 1}, {WORK, .value = 20000}, {EXPECT, .value = 0x20},
        {WANTED, .value = 0}, {DONE}};

    check_done(script);
}

/* With the local APIC off, the PIC is wired to the CPU; with it on but LINT0 masked, nothing comes through. */
static void test_apic_base(void)
{
    static const struct step script[] = {PIC_INIT(1),          {STORE, 0xfee00350, 4, 0x10700}, PIT_SET(0, 10),
                                         {SET_IF, .value = 1}, {WORK, .value = 20000},          {DONE}};

    for (unsigned off = 0; off < 2; off++) {
        struct machine *machine = make(&plain, script);

        if (off)
            fake->host->apic_base_changed(fake->host->context, 0xfee00100);
        CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
        CHECK_EQ_U64(fake->interrupts, off);
        machine_destroy(machine);
    }
}

/* Three ticks of a timer that runs at about a kilohertz. Returns when each came. */
static unsigned virtual_ticks(uint64_t at[FAKE_INTERRUPTS])
{
    static const struct step script[] = {PIC_INIT(1),
                                         PIT_SET(2, 1193),
                                         {SET_IF, .value = 1},
                                         {UNTIL, .value = 1},
                                         PIC_EOI,
                                         {UNTIL, .value = 2},
                                         PIC_EOI,
                                         {UNTIL, .value = 3},
                                         PIC_EOI,
                                         {DONE}};
    struct machine *machine = make(&plain, script);
    unsigned count;

    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    count = fake->interrupts;
    memcpy(at, fake->at, sizeof(fake->at));
    machine_destroy(machine);
    return count;
}

static void test_virtual_time_repeats(void)
{
    const uint64_t period = UINT64_C(1193) * 1000000000 / PIT_HZ; /* 999847 ns = instructions */
    uint64_t first[FAKE_INTERRUPTS], second[FAKE_INTERRUPTS];

    CHECK_EQ_U64(virtual_ticks(first), 3);
    CHECK_EQ_U64(virtual_ticks(second), 3);
    CHECK(!memcmp(first, second, sizeof(first)));
    for (unsigned i = 0; i < 3; i++) {
        vltest_row("tick %u at %" PRIu64, i, first[i]);
        CHECK(first[i] >= period * (i + 1) && first[i] <= period * (i + 1) + 1000);
    }
    vltest_row("%s", "");
}

static void test_virtual_halt(void)
{
    static const struct step script[] = {PIC_INIT(1), PIT_SET(0, 59659),       {SET_IF, .value = 1},
                                         {HLT},       {EXPECT, .value = 0x20}, {DONE}};
    struct machine *machine = make(&plain, script);
    uint64_t start = wall_ns(), guest;

    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    guest = machine_now_ns(machine);
    CHECK(guest >= 50 * MS && guest < 51 * MS);
    CHECK(wall_ns() - start < 40 * MS); /* leapt, not waited */
    CHECK_EQ_U64(fake->host->tsc(fake->host->context, machine_stats(machine)->counter[COUNTER_INSTRUCTIONS]), guest);
    machine_destroy(machine);
}

static struct machine_config real_config(void)
{
    struct machine_config config = plain;

    config.clock = CLOCK_REAL;
    return config;
}

static void test_real_halt(void)
{
    static const struct step script[] = {PIC_INIT(1), PIT_SET(0, 59659),       {SET_IF, .value = 1},
                                         {HLT},       {EXPECT, .value = 0x20}, {DONE}};
    struct machine_config config = real_config();
    struct machine *machine = make(&config, script);
    uint64_t start = wall_ns(), cpu = cpu_ns();

    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    CHECK(wall_ns() - start >= 49 * MS);
    CHECK(cpu_ns() - cpu < 25 * MS); /* it slept */
    CHECK(machine_now_ns(machine) >= 49 * MS);
    machine_destroy(machine);
}

/* The guest is busy: only the alarm can bring the ticks in. */
static const struct step busy_script[] = {PIC_INIT(1),
                                          PIT_SET(2, 11932),
                                          {SET_IF, .value = 1},
                                          {UNTIL, .value = 1},
                                          PIC_EOI,
                                          {UNTIL, .value = 2},
                                          PIC_EOI,
                                          {UNTIL, .value = 3},
                                          PIC_EOI,
                                          {EXPECT, .value = 0x20},
                                          {DONE}};

static void test_real_alarm(void)
{
    struct machine_config config = real_config();
    uint64_t start = wall_ns();

    CHECK_EQ_U64(play(&config, busy_script).end, MACHINE_POWEROFF);
    CHECK(wall_ns() - start >= 29 * MS);
}

static void *run_thread(void *machine)
{
    struct machine_result *result = malloc(sizeof(*result));

    *result = machine_run(machine);
    return result;
}

static void test_machines_side_by_side(void)
{
    struct machine_config config = real_config();
    struct machine *machine[3];
    pthread_t thread[3];

    for (unsigned i = 0; i < 3; i++)
        machine[i] = make(&config, busy_script);
    for (unsigned i = 0; i < 3; i++)
        CHECK_FATAL(pthread_create(&thread[i], NULL, run_thread, machine[i]) == 0);
    for (unsigned i = 0; i < 3; i++) {
        void *result;

        pthread_join(thread[i], &result);
        CHECK_EQ_U64(((struct machine_result *)result)->end, MACHINE_POWEROFF);
        free(result);
        machine_destroy(machine[i]);
    }
}

static void test_tsc(void)
{
    static const struct step script[] = {{DONE}};
    struct machine_config config = real_config();
    struct machine *machine = make(&config, script);
    const struct engine_host *host = fake->host;
    uint64_t tsc = host->tsc(host->context, 0), ns = machine_now_ns(machine), expected;

    nanosleep(&(struct timespec){.tv_nsec = 30 * (long)MS}, NULL);
    tsc = host->tsc(host->context, 0) - tsc;
    ns = machine_now_ns(machine) - ns;
    expected = (uint64_t)((double)ns * (double)host->tsc_hz / 1e9);
    vltest_row("%" PRIu64 " ticks of %" PRIu64 " Hz in %" PRIu64 " ns", tsc, host->tsc_hz, ns);
    CHECK(tsc > expected - expected / 20 && tsc < expected + expected / 20);
    vltest_row("%s", "");
    machine_destroy(machine);
}

/* ---- console input ---- */

static void *type_later(void *fd)
{
    nanosleep(&(struct timespec){.tv_nsec = 30 * (long)MS}, NULL);
    if (write(*(int *)fd, "x", 1) != 1)
        perror("write");
    return NULL;
}

static void check_input_wakes(enum clock_mode clock)
{
    static const struct step script[] = {
        PIC_INIT(0x10), {OUT, 0x3fc, 1, 0x0b},   {OUT, 0x3f9, 1, 1},  {SET_IF, .value = 1},
        {HLT},          {EXPECT, .value = 0x24}, {IN, 0x3f8, 1, 'x'}, PIC_EOI,
        {DONE}};
    struct machine_config config = plain;
    pthread_t typist;
    uint64_t cpu = cpu_ns();
    int in[2];

    CHECK_FATAL(pipe(in) == 0);
    config.clock = clock;
    config.console_in = in[0];
    CHECK_FATAL(pthread_create(&typist, NULL, type_later, &in[1]) == 0);
    CHECK_EQ_U64(play(&config, script).end, MACHINE_POWEROFF);
    CHECK(cpu_ns() - cpu < 25 * MS); /* slept meanwhile */
    pthread_join(typist, NULL);
    close(in[0]);
    close(in[1]);
}

static void test_input(void)
{
    check_input_wakes(CLOCK_REAL);
    check_input_wakes(CLOCK_VIRTUAL);
}

static void test_input_ends(void)
{
    static const struct step script[] = {
        PIC_INIT(0x10), {OUT, 0x3fc, 1, 0x0b}, {OUT, 0x3f9, 1, 1}, {SET_IF, .value = 1}, {HLT}, {DONE}};

    for (int clock = CLOCK_REAL; clock <= CLOCK_VIRTUAL; clock++) {
        struct machine_config config = plain;
        struct machine_result result;

        config.clock = (enum clock_mode)clock;
        config.console_in = open("/dev/null", O_RDONLY);
        result = play(&config, script);
        CHECK_EQ_U64(result.end, MACHINE_HALTED);
        CHECK(strstr(result.why.text, "nothing can wake") != NULL);
        close(config.console_in);
    }
}

/* ---- how it ends ---- */

static const struct {
    const char *name;
    struct step step;
    enum machine_end end;
    int status;
    const char *reason; /* part of it */
} endings[] = {
    {"power off", {OUT, SERVICE_PORT, 4, SERVICE_POWEROFF << 16 | 42}, MACHINE_POWEROFF, 42, ""},
    {"debug exit 0", {OUT, 0xf4, 4, 0}, MACHINE_DEBUG_EXIT, 1, ""},
    {"debug exit 5", {OUT, 0xf4, 1, 5}, MACHINE_DEBUG_EXIT, 11, ""},
    {"keyboard controller", {OUT, 0x64, 1, 0xfe}, MACHINE_RESET, 0, "reset"},
    {"port 0xcf9", {OUT, 0xcf9, 1, 6}, MACHINE_RESET, 0, "0xcf9"},
    {"triple fault", {TRIPLE}, MACHINE_RESET, 0, "triple fault"},
    {"death", {DEATH}, MACHINE_DEATH, 0, "it died"},
    {"error without a reason", {ERROR}, MACHINE_ERROR, 0, "fake/script: the engine gave no reason"},
    {"HLT, interrupts off", {HLT}, MACHINE_HALTED, 0, "interrupts disabled"},
    {"exit of kind 99", {BAD_EXIT, .value = 99}, MACHINE_ERROR, 0, "no known reason (99)"},
    {"port access of 3 bytes", {OUT, 0x80, 3, 0}, MACHINE_ERROR, 0, "impossible port I/O"},
    {"burst of 0", {INS, 0x80, 2, .count = 0}, MACHINE_ERROR, 0, "impossible port I/O"},
    {"burst too long", {INS, 0x80, 4, .count = 1025}, MACHINE_ERROR, 0, "impossible port I/O"},
    {"MMIO access of 16 bytes", {LOAD, 0xfee00000, 16, 0}, MACHINE_ERROR, 0, "impossible MMIO"},
};

static void test_endings(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(endings); i++) {
        struct step script[] = {endings[i].step, {DONE}};
        struct machine *machine = make(&plain, script);
        struct machine_result result = machine_run(machine), again = machine_run(machine);

        vltest_row("%s: \"%s\"", endings[i].name, result.why.text);
        CHECK_EQ_U64(result.end, endings[i].end);
        CHECK_EQ_U64((unsigned)result.status, (unsigned)endings[i].status);
        CHECK(strstr(result.why.text, endings[i].reason) != NULL);
        CHECK(endings[i].reason[0] || !result.why.text[0]);
        CHECK(!memcmp(&result, &again, sizeof(result))); /* what has ended stays so */
        machine_destroy(machine);
    }
    vltest_row("%s", "");
}

static void test_halted_for_good(void)
{
    static const struct step script[] = {{SET_IF, .value = 1}, {HLT}, {DONE}};
    struct machine_config config = real_config();

    CHECK_EQ_U64(play(&plain, script).end, MACHINE_HALTED);
    CHECK_EQ_U64(play(&config, script).end, MACHINE_HALTED);
}

static void note_mark(void *context, unsigned mark)
{
    unsigned *marks = context;

    *marks = *marks * 10 + mark;
}

static void test_marks(void)
{
    static const struct step script[] = {{OUT, SERVICE_PORT, 4, SERVICE_MARK << 16 | MARK_BEGIN},
                                         {OUT, SERVICE_PORT, 4, SERVICE_MARK << 16 | MARK_END},
                                         {OUT, SERVICE_PORT, 4, SERVICE_MARK << 16 | 7},
                                         {OUT, SERVICE_PORT, 1, 1},
                                         {DONE}};
    struct machine_config config = plain;
    unsigned marks = 0;

    config.mark = note_mark;
    config.mark_context = &marks;
    CHECK_EQ_U64(play(&config, script).end, MACHINE_POWEROFF);
    CHECK_EQ_U64(marks, 127);
    check_done(script); /* and without a callback */
}

/* ---- stopping ---- */

static void *stop_later(void *machine)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * (long)MS}, NULL);
    machine_stop(machine);
    return NULL;
}

static void check_stops(const struct machine_config *config, const struct step *script)
{
    struct machine *machine = make(config, script);
    struct machine_result result;
    pthread_t stopper;
    uint64_t start = wall_ns();

    for (unsigned i = 0; i < 2; i++) { /* it can go on, and be stopped again */
        CHECK_FATAL(pthread_create(&stopper, NULL, stop_later, machine) == 0);
        result = machine_run(machine);
        pthread_join(stopper, NULL);
        CHECK_EQ_U64(result.end, MACHINE_STOPPED);
    }
    CHECK(wall_ns() - start < 2000 * MS);
    machine_destroy(machine);
}

static void test_stop(void)
{
    static const struct step spin[] = {{SPIN}, {DONE}};
    static const struct step sleep[] = {
        PIC_INIT(0x10), {OUT, 0x3fc, 1, 0x0b}, {OUT, 0x3f9, 1, 1}, {SET_IF, .value = 1}, {HLT}, {DONE}};
    struct machine_config config = real_config();
    int in[2];

    check_stops(&config, spin);
    check_stops(&plain, spin);
    CHECK_FATAL(pipe(in) == 0); /* asleep, waiting for input that doesn't come */
    config.console_in = in[0];
    check_stops(&config, sleep);
    config.clock = CLOCK_VIRTUAL;
    check_stops(&config, sleep);
    close(in[0]);
    close(in[1]);
}

static void test_stop_before_run(void)
{
    static const struct step script[] = {{DONE}};
    struct machine *machine = make(&plain, script);

    machine_stop(machine);
    CHECK_EQ_U64(machine_run(machine).end, MACHINE_STOPPED);
    CHECK_EQ_U64(machine_run(machine).end, MACHINE_POWEROFF);
    machine_destroy(machine);
}

static struct machine *to_stop;

static void stop_in_handler(int signal)
{
    (void)signal;
    machine_stop(to_stop);
}

static void test_stop_from_signal(void)
{
    static const struct step script[] = {{SPIN}, {DONE}};
    struct machine_config config = real_config();
    struct machine *machine = make(&config, script);
    struct sigaction action = {.sa_handler = stop_in_handler}, old;
    timer_t timer;
    struct itimerspec when = {.it_value = {.tv_nsec = 20 * (long)MS}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

    to_stop = machine;
    sigaction(SIGUSR1, &action, &old);
    CHECK_FATAL(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0);
    CHECK_EQ_U64(machine_run(machine).end, MACHINE_STOPPED);
    timer_delete(timer);
    sigaction(SIGUSR1, &old, NULL);
    machine_destroy(machine);
}

/* ---- making, loading, state ---- */

static int refuse_probe(struct reason *why)
{
    return fail(why, ENODEV, "not on this host");
}

static struct engine *refuse_create(const struct engine_host *host, struct reason *why)
{
    (void)host, (void)why;
    return NULL;
}

static void check_not_made(const struct machine_config *config, const struct engine_ops *ops, const char *expected)
{
    struct reason why = {""};

    vltest_row("%s", expected);
    CHECK(machine_create(config, ops, &why) == NULL);
    vltest_check(strstr(why.text, expected) != NULL, __FILE__, __LINE__, "\"%s\" does not say so", why.text);
    vltest_row("%s", "");
}

static void test_not_made(void)
{
    struct machine_config config = plain;
    struct engine_ops ops = fake_ops;

    config.mem = 1 << 20;
    check_not_made(&config, &fake_ops, "RAM of 1048576 bytes");
    config = plain;
    config.drive = "/nowhere/disk";
    check_not_made(&config, &fake_ops, "/nowhere/disk");
    ops.capabilities = ENGINE_OS;
    check_not_made(&plain, &ops, "can't run in virtual time");
    ops = fake_ops;
    ops.abi = 99;
    check_not_made(&plain, &ops, "ABI 99");
    ops = fake_ops;
    ops.probe = refuse_probe;
    check_not_made(&plain, &ops, "not on this host");
    ops = fake_ops;
    ops.create = refuse_create;
    check_not_made(&plain, &ops, "gave no reason");
}

static void test_load(void)
{
    static const struct step script[] = {{DONE}};
    struct machine *machine = make(&plain, script);
    struct reason why = {""};
    struct cpu_state state;
    char path[64];
    struct blob blob;
    int fd;

    CHECK(machine_load(machine, "/nowhere/kernel", NULL, NULL, &why) < 0);
    CHECK_EQ_STR(why.text, "/nowhere/kernel: No such file or directory");
    make_pvh(&blob);
    snprintf(path, sizeof(path), "%s/test_machine.XXXXXX", P_tmpdir);
    fd = mkstemp(path);
    CHECK_FATAL(fd >= 0 && write(fd, blob.bytes, blob.size) == (ssize_t)blob.size);
    memset(&why, 0, sizeof(why));
    CHECK(machine_load(machine, path, NULL, "x", &why) == 0);
    machine_get_state(machine, &state);
    CHECK_EQ_U64(state.rip, PVH_ENTRY);
    CHECK(!memcmp(ram_at(machine_ram(machine), gpa(PVH_CODE), 0x100), blob.bytes + 0x200, 0x100));
    close(fd);
    unlink(path);
    machine_destroy(machine);
}

static void test_halted_state(void)
{
    static const struct step script[] = {{SPIN}, {DONE}};
    struct machine *machine = make(&plain, script);
    struct reason why = {""};
    struct cpu_state state;

    machine_get_state(machine, &state);
    state.halted = true;
    CHECK(machine_set_state(machine, &state, &why) == 0);
    CHECK_EQ_U64(machine_run(machine).end, MACHINE_HALTED); /* it wasn't run: it would spin for ever */
    machine_destroy(machine);
}

static void test_reset_state(void)
{
    struct cpu_state s;

    cpu_state_reset(&s);
    CHECK_EQ_U64(s.seg[SEG_CS].base + s.rip, 0xfffffff0);
    CHECK_EQ_U64(s.rflags, 2);
    CHECK_EQ_U64(s.cr0, 0x60000010);
    CHECK_EQ_U64(s.dr6, 0xffff0ff0);
    CHECK_EQ_U64(s.dr7, 0x400);
    CHECK_EQ_U64(s.fpu.fcw, 0x37f);
    CHECK_EQ_U64(s.fpu.mxcsr, 0x1f80);
}

static void test_names(void)
{
    struct stats a = {.counter = {[COUNTER_HYPERCALLS] = 5}}, b = a, since;

    for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
        CHECK(exit_name((enum exit_index)i)[0] && exit_text((enum exit_index)i)[0]);
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        CHECK(counter_name((enum counter)i)[0] && counter_text((enum counter)i)[0]);
    CHECK_EQ_STR(exit_name(EXIT_INDEX_IO), "io");
    CHECK_EQ_STR(counter_name(COUNTER_TLB_HITS), "tlb_hits");
    COUNT(&b, HYPERCALLS);
    COUNT_TAKEN(&b, CPUID);
    COUNT_AVOIDED(&b, CPUID);
    since = stats_since(&b, &a);
    CHECK_EQ_U64(since.counter[COUNTER_HYPERCALLS], 1);
    CHECK_EQ_U64(since.exits[EXIT_INDEX_CPUID].taken, 1);
    CHECK_EQ_U64(since.exits[EXIT_INDEX_CPUID].avoided, 1);
}

static void test_reason(void)
{
    struct reason why = {""};

    CHECK_EQ_U64((unsigned)-fail(&why, 5, "first %d", 1), 5);
    CHECK_EQ_U64((unsigned)-fail(&why, 6, "second"), 6);
    CHECK_EQ_STR(why.text, "first 1");
    CHECK_EQ_U64((unsigned)-fail(NULL, 7, "nobody listens"), 7);
}

static const struct vltest tests[] = {
    {"the first reason is kept", test_reason},
    {"exits and counters have names, and differences", test_names},
    {"the CPU's state after RESET", test_reset_state},
    {"port accesses reach devices", test_ports},
    {"unclaimed accesses read as all ones and are counted", test_unclaimed},
    {"the local APIC is at its place, and its task priority is CR8", test_local_apic},
    {"the local APIC can be switched off", test_apic_base},
    {"an unknown hypercall is answered with -ENOSYS", test_hypercall},
    {"string output arrives in order", test_burst_order},
    {"disk bursts equal single accesses", test_disk_bursts},
    {"trace_io prints one line an access", test_trace},
    {"an interrupt is injected when the CPU can take it", test_injected},
    {"else a window is asked for, and taken back", test_window},
    {"virtual time: interrupts come at the same instruction in each run", test_virtual_time_repeats},
    {"virtual time: HLT leaps", test_virtual_halt},
    {"real time: HLT sleeps until the timer", test_real_halt},
    {"real time: the alarm interrupts a busy guest", test_real_alarm},
    {"three machines in three threads", test_machines_side_by_side},
    {"real time: the TSC ticks at the frequency given", test_tsc},
    {"console input wakes the CPU", test_input},
    {"the end of console input ends the wait", test_input_ends},
    {"a machine ends as its last exit says, with its reason", test_endings},
    {"HLT that nothing can end", test_halted_for_good},
    {"marks reach their callback", test_marks},
    {"stop from another thread, awake or asleep, twice", test_stop},
    {"a stop that comes before the run isn't lost", test_stop_before_run},
    {"stop from a signal handler", test_stop_from_signal},
    {"what can't be made says why", test_not_made},
    {"loading sets RAM and state, or says why not", test_load},
    {"a CPU that is set halted waits", test_halted_state},
};

int main(void)
{
    return vltest_run("machine", tests, ARRAY_SIZE(tests));
}
