/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_oracle_self.c - the oracle itself: it notices every kind of difference, masks what is undefined and no more, and
 * comes back from code that never ends.
 */
#include "oracle_test.h"

static const uint8_t nop[] = {0x90}, store[] = {0x89, 0x03} /* mov [rbx], eax */, forever[] = {0xeb, 0xfe};

/* ---- a CPU that answers as the true guest does, but for one lie ---- */

static struct oracle_cpu *honest;
static void (*lie)(struct oracle_outcome *out);

static void liar_run(struct oracle_cpu *cpu, const struct oracle_regs *in, struct oracle_outcome *out)
{
    (void)cpu;
    honest->run(honest, in, out);
    lie(out);
}

static void liar_code_changed(struct oracle_cpu *cpu)
{
    (void)cpu;
    honest->code_changed(honest);
}

static void no_lie(struct oracle_outcome *out)
{
    (void)out;
}
static void flag_lie(struct oracle_outcome *out)
{
    out->regs.rflags ^= FLAG_AF;
}
static void register_lie(struct oracle_outcome *out)
{
    out->regs.gpr[R15] ^= UINT64_C(1) << 63;
}
static void xmm_lie(struct oracle_outcome *out)
{
    out->regs.xmm[15][15] ^= 1;
}
static void mxcsr_lie(struct oracle_outcome *out)
{
    out->regs.mxcsr ^= 1;
}
static void base_lie(struct oracle_outcome *out)
{
    out->regs.gs_base ^= 1;
}
static void rip_lie(struct oracle_outcome *out)
{
    out->regs.rip++;
}
static void vector_lie(struct oracle_outcome *out)
{
    out->vector = VEC_UD;
}
static void error_lie(struct oracle_outcome *out)
{
    out->error ^= 2;
}
static void cr2_lie(struct oracle_outcome *out)
{
    out->cr2 ^= 1;
}
static void memory_lie(struct oracle_outcome *out)
{
    (void)out;
    honest->memory->stack[ORACLE_STACK_SIZE - 1] ^= 1;
}

/* Runs the code on the host and on a guest that lies so. RBX points where nothing is mapped. */
static bool agree(void (*how)(struct oracle_outcome *), const uint8_t *code, size_t length, uint32_t undefined,
                  struct oracle_outcome *host)
{
    struct oracle_regs in = {.rip = ORACLE_CODE, .rflags = FLAG_ONE | FLAG_IF, .mxcsr = 0x1f80};
    struct oracle_outcome guest;
    struct oracle_cpu liar = *oracle.guest;
    in.gpr[RBX] = ORACLE_DATA - 2;
    honest = oracle.guest, lie = how;
    liar.run = liar_run, liar.code_changed = liar_code_changed;
    oracle.guest = &liar;
    oracle_load_code(&oracle, ORACLE_CODE, code, length);
    bool same = oracle_agree(&oracle, &in, oracle.image, undefined, host, &guest);
    oracle.guest = honest;
    return same;
}

/* ---- the tests ---- */

static void test_notices(void)
{
    static const struct {
        const char *what;
        void (*lie)(struct oracle_outcome *);
    } lies[] = {{"AF", flag_lie},          {"R15", register_lie}, {"XMM15", xmm_lie}, {"MXCSR", mxcsr_lie},
                {"GS base", base_lie},     {"RIP", rip_lie},      {"CR2", cr2_lie},   {"vector", vector_lie},
                {"error code", error_lie}, {"memory", memory_lie}};
    struct oracle_outcome host;
    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        vltest_row("%s", lies[i].what);
        if (lies[i].lie == base_lie && !oracle.host->has_bases)
            continue; /* can't be seen on this host */
        CHECK(!agree(lies[i].lie, nop, sizeof(nop), 0, &host));
        CHECK(!agree(lies[i].lie, store, sizeof(store), 0, &host));
    }
}

static void test_masks(void)
{
    struct oracle_outcome host;
    CHECK(agree(no_lie, nop, sizeof(nop), 0, &host));
    CHECK(agree(flag_lie, nop, sizeof(nop), FLAG_AF, &host));
    CHECK(!agree(flag_lie, nop, sizeof(nop), FLAGS_STATUS & ~FLAG_AF, &host));
    CHECK(!agree(register_lie, nop, sizeof(nop), FLAGS_STATUS, &host));
}

static void test_outcome(void)
{
    struct oracle_outcome host;
    CHECK(agree(no_lie, nop, sizeof(nop), 0, &host));
    CHECK_EQ_U64((uint64_t)host.vector, VEC_BP);
    CHECK_EQ_U64(host.regs.rip, ORACLE_CODE + 2);
    CHECK(agree(no_lie, store, sizeof(store), 0, &host));
    CHECK_EQ_U64((uint64_t)host.vector, VEC_PF);
    CHECK_EQ_U64(host.error, PF_WRITE | PF_USER);
    CHECK_EQ_U64(host.cr2, ORACLE_DATA - 2);
    CHECK_EQ_U64(host.regs.rip, ORACLE_CODE);
}

static void test_hang(void)
{
    struct oracle_outcome host;
    CHECK(agree(no_lie, forever, sizeof(forever), 0, &host));
    CHECK(host.vector == ORACLE_HUNG);
    CHECK(agree(no_lie, nop, sizeof(nop), 0, &host)); /* and all goes on as before */
    CHECK_EQ_U64((uint64_t)host.vector, VEC_BP);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"the oracle notices a wrong flag, register, byte, exception", test_notices},
        {"it masks undefined flags, and no others", test_masks},
        {"it sees how a run ended", test_outcome},
        {"it comes back from code that never ends", test_hang},
    };
    return oracle_test_main("oracle_self", tests, ARRAY_SIZE(tests));
}
