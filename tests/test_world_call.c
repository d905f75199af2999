/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_world_call.c - guest code that leaves by itself: nothing of its state is lost, whatever comes in between, and
 * what it forges is its own loss. (core/world/private.h is included to know where to strike.)
 */
#include "test_world.h"
#include "world/private.h"

#define BACK (CODE + 0x100) /* where it wants to go on */

static bool open_with_calls(struct guest *guest)
{
    return guest_open(guest, (struct world_options){.calls = true});
}

/* jmp *2(%rip) to `target`; only RCX is as the caller has set it. */
static void load_jump(struct guest *guest, uint64_t target)
{
    uint8_t code[16] = {0xff, 0x25, 2};

    memcpy(code + 8, &target, sizeof target);
    guest_load(guest, code, sizeof code);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        guest->regs.gpr[i] = UINT64_C(0x1111111111111111) * i + 7;
    guest->regs.gpr[RSP] = STACK - 0x100;
    guest->regs.gpr[RCX] = BACK;
    for (unsigned i = 0; i < 256; i++)
        guest->regs.fxsave[160 + i] = (uint8_t)(i * 3 + 1);
    guest->regs.fs_base = DATA;
    guest->regs.gs_base = STACK;
}

static void check_left(const struct guest *guest, const struct world_regs *before)
{
    CHECK_EQ_U64(guest->exit.kind, WORLD_EXIT_CALL);
    CHECK(guest->exit.entered && !guest->exit.in_hole);
    CHECK_EQ_U64(guest->regs.rip, BACK);
    CHECK_EQ_U64(guest->regs.rflags, before->rflags);
    for (unsigned i = 0; i < GPR_COUNT; i++)
        vltest_check(guest->regs.gpr[i] == before->gpr[i], __FILE__, __LINE__, "register %u", i);
    CHECK_EQ_U64(guest->regs.fs_base, before->fs_base);
    CHECK_EQ_U64(guest->regs.gs_base, before->gs_base);
    CHECK(!memcmp(guest->regs.fxsave, before->fxsave, 24));
    CHECK(!memcmp(guest->regs.fxsave + 160, before->fxsave + 160, 256));
}

static void test_registers(void)
{
    static const uint64_t flags[] = {0, FLAG_CF | FLAG_ZF, FLAG_DF | FLAG_OF, FLAG_NT | FLAG_AC | FLAG_ID, FLAG_TF};
    struct guest guest;

    CHECK_FATAL(open_with_calls(&guest));
    for (int general = 0; general < 2; general++) {
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
            struct world_regs before;

            vltest_row("%s, flags 0x%" PRIx64, general ? "general registers only" : "all registers", flags[i]);
            load_jump(&guest, world_call_at(guest.pool));
            guest.regs.rflags |= flags[i]; /* a single step that ends in the world's text is no step of the guest's */
            before = guest.regs;
            CHECK_FATAL(!guest_go(&guest));
            check_left(&guest, &before);
        }
        world_space_general(guest.space);
    }
    vltest_row("%s", "");
    guest_close(&guest);
}

/* Without options.calls there is nothing at that place: a jump there is a fault there, registers untouched. */
static void test_not_offered(void)
{
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){0}));
    for (const uint8_t *at = world_call; at < world_call_end; at++) {
        load_jump(&guest, text_at(guest.pool, at));
        CHECK_FATAL(!guest_go(&guest));
        CHECK(guest.exit.kind == WORLD_EXIT_EXCEPTION && guest.exit.vector == VEC_GP && guest.exit.in_hole);
        CHECK_EQ_U64(guest.regs.rip, text_at(guest.pool, at));
        CHECK_EQ_U64(guest.regs.gpr[R11], UINT64_C(0x1111111111111111) * R11 + 7);
    }
    guest_close(&guest);
}

/*
 * A guest that counts and leaves, over and over, while kicks rain: no turn is lost, and none is made twice.
 *     inc %rbx; lea 5(%rip), %rcx; jmp *%rdi; nop...; jmp to the start
 */
static void test_kicks(void)
{
    static const uint8_t code[] = {0x48, 0xff, 0xc3, 0x48, 0x8d, 0x0d, 0x02, 0, 0, 0, 0xff, 0xe7, 0xeb, 0xf2};
    struct guest guest;
    unsigned kicked = 0, calls = 0;

    CHECK_FATAL(open_with_calls(&guest));
    for (int general = 0; general < 2; general++) {
        guest_load(&guest, code, sizeof code);
        guest.regs.gpr[RDI] = world_call_at(guest.pool);
        guest.regs.gpr[RBX] = 0;
        guest.regs.gpr[R15] = 4711;
        kick_every(guest.pool, 40);
        for (uint64_t count = 0; count < 20000 && kicked < 3000;) {
            CHECK_FATAL(!world_run(guest.space, &guest.regs, &guest.exit, &guest.why));
            kicked += guest.exit.kind == WORLD_EXIT_KICKED;
            if (guest.exit.kind == WORLD_EXIT_KICKED)
                continue;
            calls++;
            CHECK_FATAL(guest.exit.kind == WORLD_EXIT_CALL);
            CHECK_FATAL(guest.regs.gpr[RBX] == ++count);
            CHECK_EQ_U64(guest.regs.rip, CODE + 12);
            CHECK_EQ_U64(guest.regs.gpr[R15], 4711);
        }
        kick_every(NULL, 0);
        world_space_general(guest.space);
    }
    printf("[%u calls, %u kicks] ", calls, kicked);
    CHECK(kicked > 0);
    guest_close(&guest);
}

/* A kick that finds the thread at any instruction of world_call: by entering there, as if it had just come so far. */
static void test_signal_inside(void)
{
    struct guest guest;

    CHECK_FATAL(open_with_calls(&guest));
    for (const uint8_t *at = world_call; at < world_call_end; at++) {
        load_jump(&guest, text_at(guest.pool, at));
        guest.regs.rflags |= FLAG_TF; /* the trap behind the jump */
        vltest_row("offset 0x%zx", (size_t)(at - world_call));
        CHECK_FATAL(!guest_go(&guest));
        CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_CALL);
        if (at < world_call_saved) {
            CHECK_EQ_U64(guest.regs.rip, BACK);
            CHECK_EQ_U64(guest.regs.gpr[R11], UINT64_C(0x1111111111111111) * R11 + 7);
        }
    }
    vltest_row("%s", "");
    guest_close(&guest);
}

/* Claims in the report page: impossible ones are refused at the next entry, or lose the space. */
static void test_forged(void)
{
    /* mov %rdx, R_FRAME(%rbx); mov %rsi, R_RIP(%rbx); mov %r8, R_GS_BASE(%rbx); claim the turn; jmp . */
    static const uint8_t code[] = {0x48, 0x89,      0x53, R_FRAME,   0x48,   0x89, 0x73,  R_RIP,
                                   0x4c, 0x89,      0x43, R_GS_BASE, 0x8b,   0x41, C_RUN, 0x89,
                                   0x43, R_ENTERED, 0x89, 0x43,      R_TURN, 0xeb, 0xfe};
    static const struct {
        uint64_t rip, base;
    } rows[] = {
        {CODE, DATA},
        {UINT64_C(0x8000000000000000), DATA},
        {WORLD_HOLE + HOLE_REPORT, DATA},
        {CODE, UINT64_C(0x8000000000000000)},
    };
    struct guest guest;

    CHECK_FATAL(open_with_calls(&guest));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int err;

        vltest_row("case %zu", i);
        CHECK_FATAL(guest_enter_space(&guest, 1));
        guest_load(&guest, code, sizeof code);
        guest.regs.gpr[RBX] = WORLD_HOLE + HOLE_REPORT;
        guest.regs.gpr[RCX] = WORLD_HOLE + HOLE_CONTROL;
        guest.regs.gpr[RDX] = WORLD_HOLE + HOLE_STACK;
        guest.regs.gpr[RSI] = rows[i].rip;
        guest.regs.gpr[R8] = rows[i].base;
        err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        if (i == 3 && world_costs(guest.pool)->fsgsbase) {
            CHECK_EQ_U64((uint64_t)err, (uint64_t)-EIO);
            continue;
        }
        CHECK_FATAL(!err);
        CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_CALL);
        CHECK_EQ_U64(guest.regs.rip, rows[i].rip);
        guest.regs.gpr[RSP] = STACK - 0x100;
        kick_every(guest.pool, 2000); /* it still runs */
        err = world_run(guest.space, &guest.regs, &guest.exit, &guest.why);
        kick_every(NULL, 0);
        CHECK_EQ_U64((uint64_t)err, i == 0 ? 0 : (uint64_t)-EINVAL);
        CHECK_FATAL(!world_unmap(guest.space, gva(0x900000), PAGE_SIZE, &guest.why)); /* this stops it */
    }
    vltest_row("%s", "");
    guest_close(&guest);
}

/* Two spaces at the same time: each is entered and left for itself, and kicked for itself. */
static void test_beside(void)
{
    struct guest guest;
    struct world_space *endless;
    struct world_regs regs;
    struct world_exit exit;

    CHECK_FATAL(guest_open(&guest, (struct world_options){.calls = true, .together = true}));
    endless = guest.space;
    guest_load(&guest, "\xeb\xfe", 2);
    regs = guest.regs;
    CHECK_FATAL(guest_enter_space(&guest, 2));
    for (int round = 0; round < 50; round++) {
        world_space_near(guest.space, round % 2);
        CHECK_FATAL(!world_begin(endless, &regs, &guest.why));
        CHECK(world_map(endless, gva(0x900000), 0, PAGE_SIZE, PROT_READ, 0, NULL) == -EBUSY);
        guest_load(&guest, "\xeb\xfe\x0f\x05", 4);
        guest.regs.rip = CODE + 2;
        CHECK_FATAL(!guest_go(&guest));
        CHECK_EQ_U64(guest.exit.kind, WORLD_EXIT_SYSCALL);
        CHECK(!world_has_left(endless));
        world_kick_entered(endless);
        CHECK_FATAL(!world_end(endless, &regs, &exit, &guest.why));
        CHECK_EQ_U64(exit.kind, WORLD_EXIT_KICKED);
        CHECK_EQ_U64(regs.rip, CODE);
    }
    guest_close(&guest);
}

static bool holds(const struct guest *guest, uint64_t secret)
{
    for (size_t at = 0; at + sizeof secret <= FILE_SIZE; at += sizeof secret) {
        if (at >= FILE_REPORT && !memcmp(guest->space->shared + at, &secret, sizeof secret))
            return true;
    }
    return false;
}

/* A process that is given to another key shows nothing of the registers of its last owner's code. */
static void test_nothing_left(void)
{
    const uint64_t secret = UINT64_C(0x5ec4e7005ec4e700);
    struct guest guest;

    CHECK_FATAL(guest_open(&guest, (struct world_options){.calls = true, .max_spaces = 1}));
    for (uint64_t key = 2; key < 6; key++) {
        load_jump(&guest, key % 2 ? world_call_at(guest.pool) : 0x300000); /* a fault: by a signal frame */
        guest.regs.gpr[RBX] = secret;
        CHECK_FATAL(!guest_go(&guest));
        CHECK(holds(&guest, secret));
        CHECK_FATAL(guest_enter_space(&guest, key));
        CHECK(!holds(&guest, secret));
    }
    guest_close(&guest);
}

static const struct vltest tests[] = {
    {"leaving by world_call loses no register", test_registers},
    {"... is not there for pools that don't want it", test_not_offered},
    {"... is exact under a rain of kicks", test_kicks},
    {"... is finished when a signal comes inside", test_signal_inside},
    {"... forged, harms nobody else", test_forged},
    {"a process that changes hands shows nothing of its last owner", test_nothing_left},
    {"two spaces run beside each other", test_beside},
};

int main(void)
{
    return vltest_run("world, leaving by itself", tests, ARRAY_SIZE(tests));
}
