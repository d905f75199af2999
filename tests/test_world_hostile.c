/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_world_hostile.c - guest code that wants out. Nothing may come of it but its own death or a guest exception.
 *
 * Around every test stand witnesses: a file, a process, a checksum of the VMM's own memory and of the pages that guest
 * code may only read, and a page of guest RAM that was never mapped. None may change. (core/world/private.h is included
 * to know where to strike.)
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test_world.h"
#include "world/private.h"

#define HOLE       WORLD_HOLE
#define SECRET_RAM UINT64_C(0x300000) /* never mapped */
#define COUNTER    (DATA + 0x8000)    /* what endless code counts in */
#define FORGED     (DATA + 0x4000)    /* command lists and the like, made by the guest */

/* ---- the witnesses ---- */

static uint8_t vmm_memory[65536];

struct witness {
    char path[64];
    pid_t process;
    uint64_t vmm, secret, read_only;
};

static uint64_t checksum(const void *from, size_t size)
{
    const uint8_t *bytes = from;
    uint64_t sum = 14695981039346656037u;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

/* The pages that only the VMM writes, but for the words that it does write as it goes. */
static uint64_t start_page_sum(const struct guest *guest)
{
    return checksum(guest->space->shared + FILE_CONTROL + (HOLE_START - HOLE_CONTROL), PAGE_SIZE);
}

static void witness_begin(struct witness *witness, struct guest *guest)
{
    int fd;

    strcpy(witness->path, "/tmp/virtlab-canary-XXXXXX");
    fd = mkstemp(witness->path);
    CHECK(fd >= 0 && write(fd, "canary", 6) == 6);
    close(fd);
    witness->process = fork();
    if (witness->process == 0) {
        for (;;)
            pause();
    }
    memset(vmm_memory, 0xa5, sizeof vmm_memory);
    memset(guest->ram + SECRET_RAM, 0x77, PAGE_SIZE);
    strcpy((char *)guest->ram + DATA_RAM + 0x100, witness->path);
    witness->vmm = checksum(vmm_memory, sizeof vmm_memory);
    witness->secret = checksum(guest->ram + SECRET_RAM, PAGE_SIZE);
    witness->read_only = start_page_sum(guest);
}

static void witness_check(struct witness *witness, struct guest *guest)
{
    char text[16] = "";
    int fd = open(witness->path, O_RDONLY);

    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) == 6);
    CHECK_EQ_STR(text, "canary");
    close(fd);
    CHECK_EQ_U64((uint64_t)waitpid(witness->process, NULL, WNOHANG), 0);
    CHECK_EQ_U64(checksum(vmm_memory, sizeof vmm_memory), witness->vmm);
    CHECK_EQ_U64(checksum(guest->ram + SECRET_RAM, PAGE_SIZE), witness->secret);
    CHECK_EQ_U64(start_page_sum(guest), witness->read_only);
}

static void witness_end(struct witness *witness, struct guest *guest)
{
    witness_check(witness, guest);
    kill(witness->process, SIGKILL);
    waitpid(witness->process, NULL, 0);
    unlink(witness->path);
}

/* The process holds the hole and what was mapped, and no more: its own list of mappings says so. */
static void only_mapped(const struct guest *guest)
{
    char path[64], line[512];

    snprintf(path, sizeof path, "/proc/%d/maps", world_space_pid(guest->space));
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long start, end, offset;
        char rights[8];
        if (sscanf(line, "%llx-%llx %7s %llx", &start, &end, rights, &offset) != 4)
            continue;
        bool hole = start >= HOLE && end <= HOLE + HOLE_SIZE;
        bool piece = start == CODE || start == DATA || start == STACK - PIECE;
        bool vsyscall = start == 0xffffffffff600000;
        vltest_check(hole || piece || vsyscall, __FILE__, __LINE__, "unexpected mapping: %s", line);
        vltest_check(!hole || start != HOLE || !strcmp(rights, "r-xp"), __FILE__, __LINE__, "text is %s", rights);
        vltest_check(!hole || start != HOLE + HOLE_CONTROL || rights[1] == '-', __FILE__, __LINE__, "control is %s",
                     rights);
    }
    if (file)
        fclose(file);
}

/* The space still does what it should: else it has been lost, which is allowed, and a new one takes its place. */
static bool still_works(struct guest *guest)
{
    static const uint8_t code[] = {0x48, 0x89, 0xd0, 0x0f, 0x05}; /* mov rax, rdx; syscall */

    bool works = false;

    kick_every(guest->pool, 3000); /* code that has forged an exit may still be running */
    for (int attempt = 0; attempt < 10 && !works; attempt++) {
        if (!guest_enter_space(guest, 1))
            break;
        guest_load(guest, code, sizeof code);
        guest->regs.gpr[RDX] = 4711;
        if (world_run(guest->space, &guest->regs, &guest->exit, &guest->why))
            continue; /* lost */
        if (guest->exit.kind == WORLD_EXIT_KICKED)
            continue;
        works = guest->exit.kind == WORLD_EXIT_SYSCALL && guest->regs.gpr[RAX] == 4711 &&
                guest->regs.rip == CODE + sizeof code;
        if (!works)
            break;
    }
    kick_every(NULL, 0);
    return works;
}

/* ---- jumps into the text ---- */

/*
 * Code that loads RSP and jumps: mov rsp, [rip + 7]; jmp [rip + 8]; (1 byte) RSP; target. All other registers are
 * entered with.
 */
static void load_jump(struct guest *guest, uint64_t rsp, uint64_t target)
{
    uint8_t code[32] = {0x48, 0x8b, 0x25, 0x09, 0, 0, 0, 0xff, 0x25, 0x0b, 0, 0, 0, 0x90, 0x90, 0x90};

    memcpy(code + 16, &rsp, 8);
    memcpy(code + 24, &target, 8);
    guest_load(guest, code, sizeof code);
}

enum { PLAIN, WRITE, KILL, MMAP, EXEC, COMMANDS, FUTEX, FRAME, ALT_STACK, SET_COUNT };

/* Registers for a system call that would hurt, if any `syscall` in the text let it through. */
static void crafted_regs(struct guest *guest, const struct witness *witness, int set)
{
    uint64_t *r = guest->regs.gpr;
    const uint64_t calls[SET_COUNT][7] = {
        [WRITE] = {SYS_pwrite64, FD_RAM, CODE, 4096, SECRET_RAM, 0, 0},
        [KILL] = {SYS_kill, (uint64_t)witness->process, SIGKILL, 0, 0, 0, 0},
        [MMAP] = {SYS_mmap, HOLE + HOLE_CONTROL, PAGE_SIZE, 7, MAP_SHARED | MAP_FIXED, FD_RAM, SECRET_RAM},
        [EXEC] = {SYS_open, DATA + 0x100, O_WRONLY | O_TRUNC, 0, 0, 0, 0},
        [COMMANDS] = {SYS_mprotect, HOLE + HOLE_CONTROL, PAGE_SIZE, 7, 0, 0, 0},
        [FUTEX] = {SYS_futex, HOLE + HOLE_CONTROL + C_RUN, 0, 0, 0, 0, 0},
        [FRAME] = {SYS_rt_sigreturn, HOLE, HOLE, HOLE, HOLE, HOLE, HOLE},
        [ALT_STACK] = {SYS_exit_group, 3, 0, 0, 0, 0, 0},
    };
    const uint64_t *call = calls[set];

    r[RAX] = call[0], r[RDI] = call[1], r[RSI] = call[2], r[RDX] = call[3], r[R10] = call[4], r[R8] = call[5];
    r[R9] = call[6];
    r[R12] = FORGED, r[R13] = 1000, r[R15] = CODE + 0x1000; /* run_list's: a forged list, and where to go on */
    r[RBX] = r[RBP] = r[RCX] = DATA;
}

static void jump_everywhere(struct world_options options)
{
    static const uint8_t back[] = {0x0f, 0x05};
    size_t text_size = (size_t)(world_text_end - world_text);
    unsigned kinds[5] = {0}, lost = 0;
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, options));
    witness_begin(&witness, &guest);
    for (int set = 0; set < SET_COUNT; set++) {
        for (size_t offset = 0; offset < text_size; offset++) {
            uint64_t rsp = set == FRAME ? FORGED : set == ALT_STACK ? HOLE + HOLE_STACK + 0x4000 : STACK - 0x1000;
            struct world_command *forged = (struct world_command *)(guest.ram + DATA_RAM + (FORGED - DATA));

            load_jump(&guest, rsp, HOLE + offset);
            memcpy(guest.ram + CODE_RAM + 0x1000, back, sizeof back);
            crafted_regs(&guest, &witness, set);
            *forged = (struct world_command){SYS_mmap, {PLAIN, 0, 7, MAP_SHARED | MAP_FIXED, FD_RAM, SECRET_RAM}, 0};
            vltest_row("set %d, offset 0x%zx", set, offset);
            kick_every(guest.pool, 300);
            int err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
            kick_every(NULL, 0);
            if (err) {
                CHECK_EQ_U64((uint64_t)err, (uint64_t)-EIO);
                lost++;
                CHECK_FATAL(guest_enter_space(&guest, 1));
                witness.read_only = start_page_sum(&guest);
            } else {
                kinds[guest.exit.kind]++;
            }
        }
        CHECK_FATAL(still_works(&guest));
        witness.read_only = start_page_sum(&guest);
        witness_check(&witness, &guest);
        only_mapped(&guest);
    }
    vltest_row("%s", "");
    printf("[%zu jumps: %u system calls, %u exceptions, %u kicked, %u calls, %u lost] ", text_size * SET_COUNT,
           kinds[WORLD_EXIT_SYSCALL], kinds[WORLD_EXIT_EXCEPTION], kinds[WORLD_EXIT_KICKED], kinds[WORLD_EXIT_CALL],
           lost);
    CHECK(kinds[WORLD_EXIT_SYSCALL] > 100 && kinds[WORLD_EXIT_EXCEPTION] > 1000);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

static void test_jumps_spin(void)
{
    jump_everywhere((struct world_options){.wait = WORLD_WAIT_SPIN});
}
static void test_jumps_sleep(void)
{
    jump_everywhere((struct world_options){.wait = WORLD_WAIT_SLEEP});
}
static void test_jumps_calls(void)
{
    jump_everywhere((struct world_options){.calls = true, .yield = true, .together = true});
}

/* ---- system calls ---- */

/* Every number through every gate is an exit, at the right place, with the registers untouched. */
static void test_every_system_call(void)
{
    static const uint32_t bases[] = {0, 0x40000000, 0xfffffff0}; /* native, x32, around -1 */
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    for (int gate = 0; gate < 2; gate++) {
        for (size_t base = 0; base < ARRAY_SIZE(bases); base++) {
            for (uint32_t n = 0; n < (base == 2 ? 17 : 550); n++) {
                uint64_t number = base == 2 ? (uint64_t)(int64_t)(int32_t)(bases[base] + n) : bases[base] + n;

                vltest_row("%s, number 0x%" PRIx64, gate ? "int 0x80" : "syscall", number);
                guest_load(&guest, gate ? "\xcd\x80" : "\x0f\x05", 2);
                crafted_regs(&guest, &witness, 1 + (int)(n % (SET_COUNT - 1)));
                guest.regs.gpr[RAX] = number;
                if (gate == 1) { /* 32-bit calls take other registers */
                    guest.regs.gpr[RBX] = guest.regs.gpr[RDI];
                    guest.regs.gpr[RCX] = guest.regs.gpr[RSI];
                }
                struct world_regs before = guest.regs;
                CHECK_FATAL(!guest_go(&guest));
                if (gate == 1 && guest.exit.kind == WORLD_EXIT_EXCEPTION && guest.exit.vector == VEC_GP)
                    continue; /* a host without 32-bit calls */
                CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_SYSCALL);
                CHECK_EQ_U64(guest.exit.gate, gate ? WORLD_GATE_LEGACY : WORLD_GATE_SYSCALL);
                CHECK_EQ_U64(guest.regs.rip, CODE + 2);
                CHECK_EQ_U64(guest.regs.gpr[RAX], gate ? (uint32_t)number : number);
                CHECK_EQ_U64(guest.regs.gpr[RDI], before.gpr[RDI]);
                CHECK_EQ_U64(guest.regs.gpr[RDX], before.gpr[RDX]);
                CHECK_EQ_U64(guest.regs.gpr[RSP], before.gpr[RSP]);
            }
        }
    }
    vltest_row("%s", "");
    CHECK(still_works(&guest));
    only_mapped(&guest);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

/* The gates without a clean way back: SYSENTER, and the host's vsyscall page. */
static void test_odd_gates(void)
{
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    for (int number = 0; number < 400; number += 13) {
        guest_load(&guest, "\x0f\x34", 2); /* sysenter */
        crafted_regs(&guest, &witness, KILL);
        guest.regs.gpr[RAX] = (uint64_t)number;
        guest.regs.gpr[RBP] = STACK - 0x800;
        CHECK_FATAL(!guest_go(&guest));
        CHECK(guest.exit.kind == WORLD_EXIT_EXCEPTION || guest.exit.kind == WORLD_EXIT_SYSCALL);
    }
    for (int entry = 0; entry < 3; entry++) {
        load_jump(&guest, STACK - 0x800, UINT64_C(0xffffffffff600000) + 0x400 * (uint64_t)entry);
        memcpy(guest.ram + STACK_RAM + PIECE - 0x800, &(uint64_t){CODE + 0x1000}, 8);
        memcpy(guest.ram + CODE_RAM + 0x1000, "\x0f\x0b", 2);
        guest.regs.gpr[RDI] = DATA;
        memset(guest.ram + DATA_RAM, 0, 16);
        CHECK_FATAL(!guest_go(&guest));
        CHECK(guest.exit.kind == WORLD_EXIT_SYSCALL ||
              (guest.exit.kind == WORLD_EXIT_EXCEPTION && guest.exit.vector != VEC_UD));
        CHECK_EQ_U64(*(uint64_t *)(guest.ram + DATA_RAM), 0); /* no time of day came back */
        if (guest.exit.kind == WORLD_EXIT_SYSCALL) {
            CHECK_EQ_U64(guest.regs.rip, UINT64_C(0xffffffffff600000) + 0x400 * (uint64_t)entry);
            CHECK_EQ_U64(guest.regs.gpr[RSP], STACK - 0x800);
        }
    }
    CHECK(still_works(&guest));
    witness_end(&witness, &guest);
    guest_close(&guest);
}

/* ---- the processor's own means ---- */

static void test_far_jumps(void)
{
    /* ljmp *(%rip) to 0x23:CODE+0x100, 32-bit code there: mov $5, %eax; int $0x80 */
    static const uint8_t code[] = {0xff, 0x2d, 0, 0, 0, 0, 0, 0x01, 0x40, 0, 0x23, 0};
    static const uint8_t code32[] = {0xb8, 5, 0, 0, 0, 0xcd, 0x80};
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    for (unsigned selector = 0; selector < 0x100; selector++) {
        vltest_row("selector 0x%x", selector);
        guest_load(&guest, code, sizeof code);
        crafted_regs(&guest, &witness, EXEC);
        guest.regs.gpr[RBX] = DATA + 0x100; /* open's path in 32-bit code */
        guest.regs.gpr[RCX] = O_WRONLY | O_TRUNC;
        guest.ram[CODE_RAM + 10] = (uint8_t)selector;
        memcpy(guest.ram + CODE_RAM + 0x100, code32, sizeof code32);
        memcpy(guest.ram + CODE_RAM + 0x107, "\x0f\x0b", 2);
        CHECK_FATAL(!guest_go(&guest));
        CHECK(guest.exit.kind != WORLD_EXIT_KICKED);
        if ((selector | 3) == 0x23) {
            CHECK_EQ_U64(guest.exit.cs, 0x23);
            CHECK(guest.exit.kind == WORLD_EXIT_SYSCALL ? guest.exit.gate == WORLD_GATE_LEGACY
                                                        : guest.exit.kind == WORLD_EXIT_EXCEPTION);
        }
    }
    vltest_row("%s", "");
    CHECK(still_works(&guest)); /* 64-bit code again */
    CHECK_EQ_U64(guest.exit.cs, 0x33);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

static void test_segments(void)
{
    static const uint64_t bases[] = {HOLE, HOLE + HOLE_REPORT, UINT64_C(0xffff888000000000), 0,
                                     UINT64_C(0x7ffffffff000)};
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    if (world_costs(guest.pool)->fsgsbase) {
        for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
            /* wrfsbase %rbx; wrgsbase %rbx; syscall */
            static const uint8_t code[] = {0xf3, 0x48, 0x0f, 0xae, 0xd3, 0xf3, 0x48, 0x0f, 0xae, 0xdb, 0x0f, 0x05};
            guest_load(&guest, code, sizeof code);
            guest.regs.gpr[RBX] = bases[i];
            CHECK_FATAL(!guest_go(&guest));
            CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_SYSCALL);
            CHECK_EQ_U64(guest.regs.fs_base, bases[i]);
            CHECK_EQ_U64(guest.regs.gs_base, bases[i]);
        }
    }
    /* Selectors of one run aren't the next one's. mov $0x2b, %eax; mov to ds, es, fs, gs; syscall */
    RUN_CODE(&guest, 0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0x0f, 0x05);
    CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_SYSCALL);
    static const uint8_t read[] = {0x8c, 0xd8, 0x8c, 0xc3, 0x8c, 0xe2, 0x8c, 0xee, 0x64, 0x48,
                                   0x8b, 0x3c, 0x25, 0,    0,    0,    0,    0x0f, 0x05};
    guest_load(&guest, read, sizeof read);
    guest.regs.fs_base = DATA;
    memcpy(guest.ram + DATA_RAM, "fsbase!!", 8);
    CHECK_FATAL(!guest_go(&guest));
    CHECK_EQ_U64(guest.regs.gpr[RAX] | guest.regs.gpr[RBX] | guest.regs.gpr[RDX] | guest.regs.gpr[RSI], 0);
    CHECK(!memcmp(&guest.regs.gpr[RDI], "fsbase!!", 8));
    guest_close(&guest);
}

static void test_wrpkru(void)
{
    static const uint8_t code[] = {0x0f, 0x01, 0xef, 0x0f, 0x05}; /* wrpkru; syscall */
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    for (int i = 0; i < 8; i++) {
        guest_load(&guest, code, sizeof code);
        guest.regs.gpr[RAX] = i % 2 ? 0xffffffff : 0;
        kick_every(guest.pool, 2000);
        int err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        kick_every(NULL, 0);
        CHECK(!err || err == -EIO); /* #UD without the feature; locked out of its own memory with it */
        CHECK(still_works(&guest));
    }
    witness.read_only = start_page_sum(&guest);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

/* ---- memory ---- */

static void test_memory(void)
{
    struct witness witness;
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    const struct {
        const char *name;
        uint64_t address;
        bool readable, writable;
    } rows[] = {
        {"the VMM's data", (uint64_t)vmm_memory, false, false},
        {"the VMM's stack", (uint64_t)&witness, false, false},
        {"the VMM's library", (uint64_t)&memcpy, false, false},
        {"the VMM's view of RAM", (uint64_t)guest.ram, false, false},
        {"the VMM's view of the control page", (uint64_t)guest.space->shared, false, false},
        {"the vDSO", getauxval(AT_SYSINFO_EHDR), false, false},
        {"the text", HOLE + HOLE_TEXT, true, false},
        {"the control page", HOLE + HOLE_CONTROL, true, false},
        {"the entry image", HOLE + HOLE_CONTROL + C_GPR, true, false},
        {"the command page", HOLE + HOLE_COMMANDS, true, false},
        {"the start page", HOLE + HOLE_START, true, false},
        {"a guard", HOLE + HOLE_START + PAGE_SIZE, false, false},
        {"a guard", HOLE + HOLE_REPORT + PAGE_SIZE, false, false},
        {"the report page", HOLE + HOLE_REPORT + 0x800, true, true},
        {"the signal stack", HOLE + HOLE_STACK, true, true},
        {"before the hole", HOLE - 8, false, false},
        {"behind the hole", HOLE + HOLE_SIZE, false, false},
        {"behind the stack", HOLE + HOLE_STACK + STACK_SIZE, STACK_SIZE + HOLE_STACK < HOLE_SIZE, false},
        {"the vsyscall page", UINT64_C(0xffffffffff600000), true, false},
        {"the host kernel", UINT64_C(0xffffffff81000000), false, false},
        {"page 0", 0, false, false},
        {"guest code", CODE + 0x800, true, false},
        {"guest data", DATA, true, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int write = 0; write < 2; write++) {
            static const uint8_t code[2][5] = {{0x48, 0x8b, 0x03, 0x0f, 0x05}, {0x48, 0x89, 0x03, 0x0f, 0x05}};

            vltest_row("%s, %s", rows[i].name, write ? "write" : "read");
            guest_load(&guest, code[write], sizeof code[write]);
            guest.regs.gpr[RBX] = rows[i].address;
            CHECK_FATAL(!guest_go(&guest));
            if (guest.exit.kind == WORLD_EXIT_SYSCALL) {
                vltest_check(write ? rows[i].writable : rows[i].readable, __FILE__, __LINE__, "it was possible");
                continue;
            }
            CHECK(guest.exit.kind == WORLD_EXIT_EXCEPTION && guest.exit.vector == VEC_PF);
            vltest_check(i + 5 < ARRAY_SIZE(rows) ? !(write ? rows[i].writable : rows[i].readable) : true, __FILE__,
                         __LINE__, "it was not possible");
            CHECK_EQ_U64(guest.exit.address, rows[i].address);
        }
    }
    vltest_row("%s", "");
    witness_end(&witness, &guest);
    guest_close(&guest);
}

/* ---- forged words ---- */

static uint64_t counter(const struct guest *guest)
{
    return __atomic_load_n((uint64_t *)(guest->ram + DATA_RAM + (COUNTER - DATA)), __ATOMIC_ACQUIRE);
}

/*
 * Guest code that claims an exit and runs on: it writes report.turn itself, with a frame of its own making, and counts.
 * rbx: report page, rcx: control page, rdx: frame, rdi: counter
 *     mov %rdx, R_FRAME(%rbx); mov C_RUN(%rcx), %eax; mov %eax, R_ENTERED(%rbx); mov %eax, R_TURN(%rbx)
 *  1: incq (%rdi); jmp 1b
 */
static void load_runaway(struct guest *guest)
{
    static const uint8_t code[] = {0x48,      0x89, 0x53, R_FRAME, 0x8b, 0x41, C_RUN, 0x89, 0x43,
                                   R_ENTERED, 0x89, 0x43, R_TURN,  0x48, 0xff, 0x07,  0xeb, 0xfb};

    guest_load(guest, code, sizeof code);
    guest->regs.gpr[RBX] = HOLE + HOLE_REPORT;
    guest->regs.gpr[RCX] = HOLE + HOLE_CONTROL;
    guest->regs.gpr[RDX] = 0; /* "not entered" */
    guest->regs.gpr[RDI] = COUNTER;
}

/* It runs beside the VMM for a while, but not through a change of mappings, and not beside another space. */
static void runaway(enum world_wait wait)
{
    struct guest guest;
    struct witness witness;

    CHECK_FATAL(guest_open(&guest, (struct world_options){.wait = wait}));
    witness_begin(&witness, &guest);
    for (int way = 0; way < 3; way++) {
        struct reason why = {0};
        uint64_t before;

        vltest_row("way %d", way);
        CHECK_FATAL(guest_enter_space(&guest, 1));
        load_runaway(&guest);
        CHECK_FATAL(!world_run(guest.space, &guest.regs, &guest.exit, &why));
        for (int i = 0; i < 1000 && !counter(&guest); i++)
            usleep(100);
        if (way == 0) {
            CHECK(!world_unmap(guest.space, gva(DATA), PIECE, &why));
        } else if (way == 1) {
            bool fresh;
            struct world_space *other = world_space_get(guest.pool, 2, &fresh, &why);
            struct world_regs regs = {.rip = 0x300000};
            struct world_exit exit;
            CHECK(other && !world_run(other, &regs, &exit, &why));
        } else {
            CHECK(!world_flush(guest.space, &why)); /* nothing to do */
            CHECK(!world_unmap_all(guest.space, &why));
        }
        vltest_check(!why.text[0], __FILE__, __LINE__, "%s", why.text);
        before = counter(&guest);
        usleep(20000);
        CHECK(before > 0);
        CHECK_EQ_U64(counter(&guest), before);
        world_space_drop(guest.space);
        memset(guest.ram + DATA_RAM + (COUNTER - DATA), 0, 8);
    }
    vltest_row("%s", "");
    CHECK(still_works(&guest));
    witness.read_only = start_page_sum(&guest);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

static void test_runaway_spin(void)
{
    runaway(WORLD_WAIT_SPIN);
}
static void test_runaway_sleep(void)
{
    runaway(WORLD_WAIT_SLEEP);
}

/* Entered again while it still runs from before, it is what it is: endless guest code, ended by a kick. */
static void test_runaway_again(void)
{
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    for (int i = 0; i < 5; i++) {
        load_runaway(&guest);
        CHECK_FATAL(!guest_go(&guest));
        load_runaway(&guest);
        kick_every(guest.pool, 2000);
        int err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        CHECK(!err || err == -EIO);
        CHECK(still_works(&guest));
    }
    guest_close(&guest);
}

/* Frames at impossible places, of impossible content: the space is lost, or an exit is told; no more. */
static void test_forged_frames(void)
{
    static const uint64_t places[] = {
        1,
        HOLE + HOLE_STACK - 8,
        HOLE + HOLE_STACK + STACK_SIZE - 8,
        HOLE + HOLE_STACK + STACK_SIZE,
        HOLE + HOLE_STACK + 4,
        HOLE + HOLE_CONTROL,
        DATA,
        UINT64_C(0xffffffffffffff00),
        HOLE + HOLE_STACK,
        HOLE + HOLE_STACK + 0x1000,
    };
    struct guest guest;
    struct witness witness;
    unsigned lost = 0;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    witness_begin(&witness, &guest);
    for (size_t i = 0; i < 4 * ARRAY_SIZE(places); i++) {
        vltest_row("frame 0x%" PRIx64, places[i % ARRAY_SIZE(places)]);
        load_runaway(&guest);
        guest.regs.gpr[RDX] = places[i % ARRAY_SIZE(places)];
        uint8_t *frame = guest.space->shared + FILE_STACK + 0x1000;
        for (int byte = 0; byte < 1024; byte++)
            frame[byte] = (uint8_t)(i * 31 + (unsigned)byte * 7);
        if (i >= 2 * ARRAY_SIZE(places)) { /* a plausible one: #GP, its FPU state where it may be */
            memset(frame, 0, 1024);
            *(uint32_t *)(frame + FRAME_SIGNO) = SIGSEGV;
            *(uint64_t *)(frame + 208) = i % 2 ? VEC_GP : 4711;
            *(uint64_t *)(frame + 232) = HOLE + HOLE_STACK + (i % 4 ? 0x1000 : STACK_SIZE - 512);
        }
        int err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        CHECK(!err || err == -EIO);
        lost += err != 0;
        CHECK_FATAL(still_works(&guest));
    }
    vltest_row("%s", "");
    CHECK(lost >= 2 * ARRAY_SIZE(places));
    witness.read_only = start_page_sum(&guest);
    witness_end(&witness, &guest);
    guest_close(&guest);
}

/* All words that the process writes are turned into nonsense: nothing hangs. */
static void test_forged_report(void)
{
    static const uint8_t code[] = {/* lea (%rbx), %rdi; rep stosb; mov %rdx, %rax; syscall */
                                   0x48, 0x8d, 0x3b, 0xf3, 0xaa, 0x48, 0x89, 0xd0, 0x0f, 0x05};
    struct guest guest;
    struct reason why = {0};

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    for (int byte = 0; byte < 256; byte += 15) {
        uint64_t start = test_now_us();

        vltest_row("bytes 0x%x", byte);
        guest_load(&guest, code, sizeof code);
        guest.regs.gpr[RAX] = (uint64_t)byte;
        guest.regs.gpr[RCX] = PAGE_SIZE - 4; /* all but R_TURN, then all */
        guest.regs.gpr[RBX] = HOLE + HOLE_REPORT + 4;
        if (byte % 2)
            guest.regs.gpr[RCX] = PAGE_SIZE, guest.regs.gpr[RBX] -= 4;
        kick_every(guest.pool, 5000);
        int err = world_run(guest.space, &guest.regs, &guest.exit, &why);
        kick_every(NULL, 0);
        if (!err)
            err = world_map(guest.space, gva(0x900000), 0, PAGE_SIZE, PROT_READ, 0, &why);
        if (!err)
            err = world_flush(guest.space, &why);
        CHECK(!err || err == -EIO);
        CHECK_FATAL(still_works(&guest));
        CHECK(test_now_us() - start < 1000000);
    }
    guest_close(&guest);
}

/* rt_sigreturn with a frame that blocks all signals is an exit as any call; a kick works as before. */
static void test_signal_mask(void)
{
    struct guest guest;
    uint64_t start;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    memset(guest.ram + STACK_RAM, 0xff, PIECE);
    guest_load(&guest, "\x0f\x05", 2);
    guest.regs.gpr[RAX] = SYS_rt_sigreturn;
    CHECK_FATAL(!guest_go(&guest));
    CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_SYSCALL);
    guest_load(&guest, "\xeb\xfe", 2);
    start = test_now_us();
    kick_every(guest.pool, 2000);
    CHECK_FATAL(!guest_go(&guest));
    kick_every(NULL, 0);
    CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_KICKED);
    CHECK(test_now_us() - start < 1000000);
    guest_close(&guest);
}

/* RSP in the hole when a signal comes: the frame is put where guest code chose, on a stack that is its own business. */
static void test_stack_in_hole(void)
{
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    for (uint64_t offset = 0; offset < HOLE_SIZE; offset += 0x3f8) {
        static const uint8_t ud2[] = {0x48, 0x89, 0xdc, 0x0f, 0x0b}; /* mov rsp, rbx; ud2 */
        vltest_row("offset 0x%" PRIx64, offset);
        guest_load(&guest, ud2, sizeof ud2);
        guest.regs.gpr[RBX] = HOLE + offset;
        kick_every(guest.pool, 5000);
        int err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        CHECK(!err || err == -EIO);
        CHECK_FATAL(still_works(&guest));
    }
    guest_close(&guest);
}

static const struct vltest tests[] = {
    {"jumps to every byte of the text, with crafted registers (spinning)", test_jumps_spin},
    {"jumps to every byte of the text, with crafted registers (sleeping)", test_jumps_sleep},
    {"jumps to every byte of the text, with crafted registers (it may leave by itself)", test_jumps_calls},
    {"every system call through every gate is an exit", test_every_system_call},
    {"SYSENTER and vsyscalls have no effect", test_odd_gates},
    {"far jumps to all selectors lead nowhere", test_far_jumps},
    {"bases and selectors are the guest's own affair", test_segments},
    {"WRPKRU locks out nobody else", test_wrpkru},
    {"no memory but what was mapped", test_memory},
    {"code that forges an exit is stopped in time (spinning)", test_runaway_spin},
    {"code that forges an exit is stopped in time (sleeping)", test_runaway_sleep},
    {"... and can be run again", test_runaway_again},
    {"forged signal frames are seen through", test_forged_frames},
    {"a report page full of nonsense hangs nothing", test_forged_report},
    {"the signal mask is out of reach", test_signal_mask},
    {"a stack pointer in the hole does no harm", test_stack_in_hole},
};

int main(void)
{
    return vltest_run("world, hostile guests", tests, ARRAY_SIZE(tests));
}
