/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_para.c - a hypervisor and a kernel that wants more than it should have: every call with bad arguments, page
 * tables that would open a door, trap frames where tables are. The answer is an error code or the guest's death.
 *
 * VIRTLAB_HOSTILE_CALLS=N in the environment makes N random calls instead of some thousands.
 */
#include <signal.h>
#include <sys/time.h>

#include "para/gate.h"
#include "para_rig.h"
#include "world/layout.h"

#define P 1
#define W 2
#define U 4

/* ---- good and bad arguments, a row a call ---- */

struct row {
    const char *text;
    uint64_t number, args[5];
    int64_t result;
};

static const struct row rows[] = {
    {"the interface has a version", PARA_CALL_VERSION, {0}, PARA_VERSION},
    {"there is no call beyond the last one", PARA_CALL_COUNT, {0}, -PARA_ENOSYS},
    {"nor a negative one", UINT64_MAX, {0}, -PARA_ENOSYS},

    {"a list must lie in the window", PARA_CALL_MMU_UPDATE, {0x1000, 1}, -PARA_EFAULT},
    {"a list must not leave RAM", PARA_CALL_MMU_UPDATE, {VA(F_COUNT) - 8, 1}, -PARA_EFAULT},
    {"nor begin in the upper half", PARA_CALL_MMU_UPDATE, {UINT64_MAX - 7, 1}, -PARA_EFAULT},
    {"an empty list is good", PARA_CALL_MMU_UPDATE, {VA(F_DATA), 0}, 0},
    {"a list is not endless", PARA_CALL_MMU_UPDATE, {VA(F_DATA), PARA_LIST_MAX + 1}, -PARA_EINVAL},
    {"nor so long that its size overflows", PARA_CALL_MMU_UPDATE, {VA(F_DATA), UINT64_MAX / 16 + 2}, -PARA_EINVAL},
    {"a multicall's results must be writable", PARA_CALL_MULTICALL, {VA(F_CALLS), 1}, -PARA_EFAULT},
    {"a multicall is not endless", PARA_CALL_MULTICALL, {VA(F_DATA), UINT64_MAX}, -PARA_EINVAL},

    {"a pin wants a whole frame", PARA_CALL_PIN, {PA(F_L4) + 8}, -PARA_EINVAL},
    {"in RAM", PARA_CALL_PIN, {PA(F_COUNT)}, -PARA_EINVAL},
    {"and not the hypervisor's", PARA_CALL_PIN, {PA(F_SHARED)}, -PARA_EPERM},
    {"nor its map of tables", PARA_CALL_PIN, {PA(F_MAP)}, -PARA_EPERM},
    {"what isn't pinned can't be unpinned", PARA_CALL_UNPIN, {PA(F_L4)}, -PARA_EINVAL},
    {"what isn't pinned can't be loaded", PARA_CALL_SET_CR3, {PA(F_L4)}, -PARA_EINVAL},
    {"a tree of tables can be pinned", PARA_CALL_PIN, {PA(F_L4)}, 0},
    {"but once", PARA_CALL_PIN, {PA(F_L4)}, -PARA_EINVAL},
    {"its lower tables can't be roots", PARA_CALL_PIN, {PA(F_L4 + 1)}, -PARA_EPERM},
    {"it can be loaded", PARA_CALL_SET_CR3, {PA(F_L4)}, 0},
    {"its tables can't take results", PARA_CALL_MULTICALL, {VA(F_L4 + 3), 1}, -PARA_EFAULT},
    {"nor input", PARA_CALL_IO_STRING, {0x1f0, 2, PARA_IO_IN, VA(F_L4 + 3), 1}, -PARA_EFAULT},
    {"nor input that ends there", PARA_CALL_IO_STRING, {0x1f0, 2, PARA_IO_IN, VA(F_L4) - 2, 2}, -PARA_EFAULT},
    {"an unpinned root is a page again", PARA_CALL_UNPIN, {PA(F_L4)}, 0},

    {"a trap has a number", PARA_CALL_SET_TRAPS, {VA(F_DATA), 1}, 0},
    {"a stack can be anywhere until it is used", PARA_CALL_SET_STACK, {VA(F_STACK + 1)}, 0},
    {"a time is a time", PARA_CALL_SET_TIMER, {UINT64_MAX}, -PARA_EINVAL},
    {"a timer can be set far off", PARA_CALL_SET_TIMER, {UINT64_C(1) << 59}, 0},
    {"and be called off", PARA_CALL_SET_TIMER, {0}, 0},
    {"a port has 16 bits", PARA_CALL_IO, {0x10000, 1, PARA_IO_IN}, -PARA_EINVAL},
    {"and 1, 2 or 4 bytes", PARA_CALL_IO, {0x60, 3, PARA_IO_IN}, -PARA_EINVAL},
    {"a direction is in or out", PARA_CALL_IO, {0x60, 1, 2}, -PARA_EINVAL},
    {"what nobody answers reads as ones", PARA_CALL_IO, {0x60, 2, PARA_IO_IN}, 0xffff},
    {"a burst is a page at most", PARA_CALL_IO_STRING, {0x1f0, 2, PARA_IO_IN, VA(F_DATA), 2049}, -PARA_EINVAL},
    {"and something", PARA_CALL_IO_STRING, {0x1f0, 2, PARA_IO_IN, VA(F_DATA), 0}, -PARA_EINVAL},
    {"its size can't overflow", PARA_CALL_IO_STRING, {0x1f0, 4, PARA_IO_IN, VA(F_DATA), UINT64_MAX / 4}, -PARA_EINVAL},
    {"a console has two directions", PARA_CALL_CONSOLE, {7, VA(F_DATA), 4}, -PARA_EINVAL},
    {"its text is in the window", PARA_CALL_CONSOLE, {PARA_CONSOLE_WRITE, 0x400000, 4}, -PARA_EFAULT},
};

static void test_arguments(void)
{
    struct rig rig;

    rig_start(&rig);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        rig_call(&rig, rows[i].number, rows[i].args[0], rows[i].args[1], rows[i].args[2], rows[i].args[3],
                 rows[i].args[4]);
    rig_go(&rig);
    CHECK_EQ_U64(rig.status, 7);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        CHECK_EQ_U64(rig.list[i].result, rows[i].result);
    }
    CHECK(accounts_hold(&rig));
    CHECK(host_holds(&rig));
    rig_end(&rig);
}

/* ---- page-table entries ---- */

struct update_row {
    const char *text;
    uint64_t entry, value;
    int64_t result;
};

#define ENTRY(frame, slot) (PA(frame) + 8 * (slot))
#define L3                 (F_L4 + 1)
#define L2                 (F_L4 + 2)
#define L1                 (F_L4 + 3)

/* With the tree of para_rig.h pinned, one after the other. */
static const struct update_row updates[] = {
    {"a page is mapped", ENTRY(L1, 1), PA(F_FREE) | P | W | U, 0},
    {"and another one, read-only", ENTRY(L1, 2), PA(F_FREE + 1) | P | U, 0},
    {"an entry is 8 bytes", ENTRY(L1, 1) + 4, 0, -PARA_EINVAL},
    {"in RAM", PA(F_COUNT), 0, -PARA_EINVAL},
    {"and of a table", PA(F_FREE), PA(F_FREE) | P, -PARA_EINVAL},
    {"not of the hypervisor's pages", PA(F_SHARED), 1, -PARA_EINVAL},
    {"what isn't RAM can't be mapped", ENTRY(L1, 3), PA(F_COUNT) | P | U, -PARA_EINVAL},
    {"nor what has high address bits", ENTRY(L1, 3), UINT64_C(1) << 45 | P | U, -PARA_EINVAL},
    {"nor the shared page", ENTRY(L1, 3), PA(F_SHARED) | P | U, -PARA_EPERM},
    {"nor the hypercall page", ENTRY(L1, 3), PA(F_CALLS) | P | U, -PARA_EPERM},
    {"nor the map of tables", ENTRY(L1, 3), PA(F_MAP) | P | W | U, -PARA_EPERM},
    {"a table can't be mapped writable", ENTRY(L1, 3), PA(L1) | P | W | U, -PARA_EPERM},
    {"not even its root, to the kernel only", ENTRY(L1, 3), PA(F_L4) | P | W, -PARA_EPERM},
    {"read-only it can", ENTRY(L1, 3), PA(L2) | P | U, 0},
    {"what isn't present may say anything", ENTRY(L1, 4), UINT64_MAX - 1, 0},
    {"large pages aren't there", ENTRY(L2, 3), P | W | U | PTE_PS, -PARA_EINVAL},
    {"nor huge ones", ENTRY(L3, 3), P | W | U | PTE_PS, -PARA_EINVAL},
    {"a page that is mapped writable can't become a table", ENTRY(L2, 3), PA(F_FREE) | P | W | U, -PARA_EBUSY},
    {"one that isn't, can", ENTRY(L2, 3), PA(F_FREE + 2) | P | W | U, 0},
    {"then it can't be mapped writable", ENTRY(L1, 5), PA(F_FREE + 2) | P | W | U, -PARA_EPERM},
    {"a table stays at its level", ENTRY(L3, 3), PA(F_FREE + 2) | P | W | U, -PARA_EPERM},
    {"a table doesn't refer to itself", ENTRY(L2, 4), PA(L2) | P | W | U, -PARA_EPERM},
    {"nor the root to itself", ENTRY(F_L4, 5), PA(F_L4) | P | W | U, -PARA_EPERM},
    {"two entries may share a table", ENTRY(L2, 5), PA(F_FREE + 2) | P | W | U, 0},
    {"the window isn't the guest's to describe", ENTRY(F_L4, USER_SLOTS), PA(L3) | P | W | U, -PARA_EPERM},
    {"nor what lies above", ENTRY(F_L4, 192), PA(L3) | P | W | U, -PARA_EPERM},
    {"nor the upper half", ENTRY(F_L4, 511), PA(F_L4) | P | W | U, -PARA_EPERM},
    {"not even with something that isn't present", ENTRY(F_L4, 511), 2, -PARA_EPERM},
    {"the user's last slot is", ENTRY(F_L4, USER_SLOTS - 1), PA(F_FREE + 3) | P | W | U, 0},
    {"an entry can be replaced", ENTRY(L1, 1), PA(F_FREE + 4) | P | W | U, 0},
    {"then its old page may become a table", ENTRY(L2, 6), PA(F_FREE) | P | W | U, 0},
    {"an unlinked table is a page", ENTRY(L2, 6), 0, 0},
    {"that may be mapped writable", ENTRY(L1, 6), PA(F_FREE) | P | W | U, 0},
    {"garbage doesn't become a table", ENTRY(L2, 7), PA(F_FREE + 8) | P | W | U, -PARA_EINVAL},
    {"nor one that maps the hypervisor", ENTRY(L2, 7), PA(F_FREE + 9) | P | W | U, -PARA_EPERM},
    {"nor one that maps itself", ENTRY(L2, 7), PA(F_FREE + 10) | P | W | U, -PARA_EPERM},
};

static void test_updates(void)
{
    struct para_mmu_update *list;
    struct rig rig;

    rig_start(&rig);
    memset(rig.ram.base + PA(F_FREE + 8), 0xa5, PAGE_SIZE);
    *rig_entry(&rig, F_FREE + 9, 0) = PA(F_FREE + 12) | P | W | U; /* must be undone */
    *rig_entry(&rig, F_FREE + 9, 511) = PA(F_SHARED) | P | W | U;
    *rig_entry(&rig, F_FREE + 10, 100) = PA(F_FREE + 10) | P | W | U;
    list = (struct para_mmu_update *)(rig.ram.base + PA(F_DATA));
    rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(updates); i++) {
        list[i] = (struct para_mmu_update){updates[i].entry, updates[i].value};
        rig_call(&rig, PARA_CALL_MMU_UPDATE, VA(F_DATA) + i * sizeof *list, 1, 0, 0, 0);
    }
    rig_go(&rig);
    CHECK_EQ_U64(rig.status, 7);
    for (unsigned i = 0; i < ARRAY_SIZE(updates); i++) {
        vltest_row("%s", updates[i].text);
        CHECK_EQ_U64(rig.list[i + 1].result, updates[i].result);
        if (!updates[i].result && i + 4 > ARRAY_SIZE(updates))
            CHECK(accounts_hold(&rig));
    }
    CHECK(accounts_hold(&rig));
    CHECK(host_holds(&rig));
    rig_end(&rig);
}

static void test_a_list_stops_at_the_first_bad_update(void)
{
    struct para_mmu_update *list;
    struct rig rig;

    rig_start(&rig);
    list = (struct para_mmu_update *)(rig.ram.base + PA(F_DATA));
    list[0] = (struct para_mmu_update){ENTRY(L1, 1), PA(F_FREE) | P | W | U};
    list[1] = (struct para_mmu_update){ENTRY(L1, 2), PA(F_SHARED) | P | W | U};
    list[2] = (struct para_mmu_update){ENTRY(L1, 3), PA(F_FREE) | P | W | U};
    rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
    rig_call(&rig, PARA_CALL_MMU_UPDATE, VA(F_DATA), 3, 0, 0, 0);
    rig_go(&rig);
    CHECK_EQ_U64(rig.list[1].result, -PARA_EPERM);
    CHECK_EQ_U64(rig.engine->shared->done, 1);
    CHECK_EQ_U64(*rig_entry(&rig, L1, 1), PA(F_FREE) | P | W | U);
    CHECK_EQ_U64(*rig_entry(&rig, L1, 2), 0);
    CHECK_EQ_U64(*rig_entry(&rig, L1, 3), 0);
    rig_end(&rig);
}

static void test_multicall(void)
{
    static const uint64_t alone[] = {
        PARA_CALL_MULTICALL, PARA_CALL_IRET, PARA_CALL_BLOCK, PARA_CALL_IO, PARA_CALL_SHUTDOWN, PARA_CALL_CONSOLE, 99,
        UINT64_MAX};
    struct para_multicall *list;
    struct rig rig;

    rig_start(&rig);
    list = (struct para_multicall *)(rig.ram.base + PA(F_DATA));
    for (unsigned i = 0; i < ARRAY_SIZE(alone); i++)
        list[i] = (struct para_multicall){.call = alone[i], .args = {VA(F_DATA), 1}};
    list[8] = (struct para_multicall){.call = PARA_CALL_PIN, .args = {PA(F_L4)}};
    list[9] = (struct para_multicall){.call = PARA_CALL_SET_CR3, .args = {PA(F_L4)}};
    rig_call(&rig, PARA_CALL_MULTICALL, VA(F_DATA), 10, 0, 0, 0);
    rig_go(&rig);
    CHECK_EQ_U64(rig.status, 7);
    CHECK_EQ_U64(rig.list[0].result, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(alone); i++)
        CHECK_EQ_U64(list[i].result, -PARA_EINVAL);
    CHECK_EQ_U64(list[8].result, 0);
    CHECK_EQ_U64(list[9].result, 0);
    rig_end(&rig);
}

/* A list in a page that one of its own entries makes a page table: the results must not be written into it. */
static void test_multicall_that_pins_itself(void)
{
    struct para_multicall *list;
    struct rig rig;

    rig_start(&rig);
    list = (struct para_multicall *)(rig.ram.base + PA(F_FREE) + PAGE_SIZE / 2);
    *list = (struct para_multicall){.call = PARA_CALL_PIN, .args = {PA(F_FREE)}, .result = 2};
    rig_call(&rig, PARA_CALL_MULTICALL, VA(F_FREE) + PAGE_SIZE / 2, 1, 0, 0, 0);
    rig_go(&rig);
    CHECK(rig.list[0].result < 0 || list->result < 0);
    CHECK(accounts_hold(&rig));
    rig_end(&rig);
}

/* ---- what the kernel does with its own hands ---- */

/* Kernel code at VA(F_CODE) + 0x800: a store of RAX to RBX; then shutdown(8). */
static const uint8_t poke[] = {0x48, 0x89, 0x03, 0xb8, 20, 0, 0, 0, 0xbf, 8, 0, 0, 0, 0x0f, 0x05};

static void set_trap(struct rig *rig, unsigned vector, uint64_t handler)
{
    rig->engine->handler[vector] = handler;
}

static void test_stores_of_the_kernel(void)
{
    static const struct {
        const char *text;
        uint64_t at;
        int status;
    } stores[] = {
        {"a page of its own", VA(F_FREE), 8},  {"the shared page", VA(F_SHARED) + 0x20, 8},
        {"a page table", VA(L1) + 8, 100},     {"a root", VA(F_L4) + 8, 100},
        {"the map of tables", VA(F_MAP), 100}, {"the hypercall page", VA(F_CALLS), 100},
        {"user space", USER_VA, 100},          {"beyond RAM", VA(F_COUNT), 100},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(stores); i++) {
        struct rig rig;

        vltest_row("%s", stores[i].text);
        rig_start(&rig);
        memcpy(rig.ram.base + PA(F_CODE) + 0x800, poke, sizeof poke);
        set_trap(&rig, VEC_PF, code_at(guest_trap));
        CHECK_EQ_U64(update_pin(rig.engine, (uint64_t[]){PA(F_L4)}), 0);
        rig.engine->kernel.rip = VA(F_CODE) + 0x800;
        rig.engine->kernel.gpr[RBX] = stores[i].at;
        rig_go(&rig);
        CHECK_EQ_U64(rig.status, stores[i].status);
        if (stores[i].status == 100)
            CHECK_EQ_U64(rig.engine->shared->cr2, stores[i].at);
        CHECK(accounts_hold(&rig));
        rig_end(&rig);
    }
}

static void test_trap_frames(void)
{
    static const uint64_t stacks[] = {VA(L1 + 1), VA(L1) + 16, VA(F_CALLS + 1), VA(F_MAP + 1),   0,
                                      8,          UINT64_MAX,  USER_VA,         VA(F_COUNT + 1), VA(0) + 8};

    for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
        static uint8_t before[PAGE_SIZE];
        struct rig rig;

        vltest_row("stack 0x%llx", (unsigned long long)stacks[i]);
        rig_start(&rig);
        memcpy(rig.ram.base + PA(F_CODE) + 0x800, poke, sizeof poke);
        set_trap(&rig, VEC_PF, code_at(guest_trap));
        CHECK_EQ_U64(update_pin(rig.engine, (uint64_t[]){PA(F_L4)}), 0);
        memcpy(before, rig.ram.base + PA(L1), PAGE_SIZE);
        rig.engine->kernel.rip = VA(F_CODE) + 0x800;
        rig.engine->kernel.gpr[RBX] = USER_VA;
        rig.engine->kernel.gpr[RSP] = stacks[i];
        rig_go(&rig);
        CHECK_EQ_U64(rig.status, -1);
        CHECK_EQ_U64(rig.exit.kind, VM_EXIT_DEATH);
        CHECK(rig.exit.why.text[0] != '\0');
        CHECK(!memcmp(before, rig.ram.base + PA(L1), PAGE_SIZE));
        rig_end(&rig);
    }
}

/* ---- user code ---- */

/* To user mode by an IRET frame at the end of F_STACK; the call is made from the list. */
static void go_to_user(struct rig *rig, uint64_t rip, uint64_t cr3)
{
    const uint64_t frame[] = {0, 0, 0, rip, PARA_USER_CS, FLAG_IF, USER_VA + 0x800, PARA_USER_SS};

    memcpy(rig->ram.base + PA(F_STACK + 1) - sizeof frame, frame, sizeof frame);
    rig->engine->kernel.gpr[RSP] = VA(F_STACK + 1) - sizeof frame;
    rig->engine->shared->cr3 = cr3;
    rig_call(rig, PARA_CALL_IRET, 0, 0, 0, 0, 0);
}

static void test_user_code(void)
{
    static const struct {
        const char *text;
        uint8_t code[16];
        uint64_t rip;
        int status;
    } programs[] = {
        {"makes a system call", {0xb8, 42, 0, 0, 0, 0x0f, 0x05}, USER_VA, 42},
        {"writes its own page", {0x88, 0x05, 0x40, 0, 0, 0, 0xb8, 43, 0, 0, 0, 0x0f, 0x05}, USER_VA, 43},
        {"reads the window", {0x48, 0xb8, 0, 0, 0, 0, 0, 0x40, 0, 0, 0x8a, 0x00}, USER_VA, 100},
        {"jumps into the window", {0}, VA(F_CODE), 100},
        {"runs what isn't mapped", {0}, USER_VA + PAGE_SIZE, 100},
        {"executes a privileged instruction", {0xf4}, USER_VA, 100},
        {"jumps into the hole", {0}, PARA_HOLE, 100},
        {"jumps to no canonical address", {0}, UINT64_C(1) << 63, 100},
        {"uses a gate that isn't there", {0xcd, 0x80}, USER_VA, 100},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(programs); i++) {
        struct rig rig;

        vltest_row("user code %s", programs[i].text);
        rig_start(&rig);
        memcpy(rig.ram.base + PA(F_USER), programs[i].code, sizeof programs[i].code);
        set_trap(&rig, VEC_PF, code_at(guest_trap));
        set_trap(&rig, VEC_GP, code_at(guest_trap));
        set_trap(&rig, PARA_TRAP_SYSCALL, code_at(guest_syscall));
        rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
        go_to_user(&rig, programs[i].rip, PA(F_L4));
        rig_go(&rig);
        CHECK_EQ_U64(rig.status, programs[i].status);
        CHECK(accounts_hold(&rig) && host_holds(&rig));
        rig_end(&rig);
    }
}

/*
 * User code at any byte of the gate and of the world's way out, after writing nonsense where it may: an exit, an
 * exception, a call; no more.
 */
static struct engine *looping;

static void kick_it(int signal)
{
    (void)signal;
    if (looping)
        para_direct.kick(looping);
}

static void test_gate(void)
{
    static const uint8_t nonsense[] = {
        0x48, 0xbf, 0,    0x20, 0, 0, 0, 0x50, 0, 0, /* mov $GATE_VA + GATE_OUT_AT, %rdi */
        0xb9, 0,    2,    0,    0,                   /* mov $512, %ecx */
        0xb0, 0xa5, 0xf3, 0xaa,                      /* rep stosb */
        0xba, 64,   0,    0,    0, /* mov $64, %edx: its patience, if it jumps behind where that is set */
        0x48, 0xb8,                /* mov $..., %rax */
    };
    const struct itimerval often = {.it_interval.tv_usec = 100000, .it_value.tv_usec = 100000};
    size_t gate = (size_t)(gate_user_end - gate_user), size = gate + (size_t)(world_call_end - world_call);

    signal(SIGALRM, kick_it);
    setitimer(ITIMER_REAL, &often, NULL);

    for (size_t at = 0; at < size; at += 5) {
        struct rig rig;
        uint8_t *code;
        uint64_t target = GATE_VA + at;

        rig_start(&rig);
        if (at >= gate)
            target = world_call_at(rig.engine->pool) + at - gate;
        vltest_row("0x%llx", (unsigned long long)target);
        code = rig.ram.base + PA(F_USER);
        memcpy(code, nonsense, sizeof nonsense);
        memcpy(code + sizeof nonsense, &target, sizeof target);
        memcpy(code + sizeof nonsense + sizeof target, "\xff\xe0", 2); /* jmp *%rax */
        for (unsigned i = 0; i < 32; i++)
            set_trap(&rig, i, code_at(guest_trap));
        set_trap(&rig, PARA_TRAP_SYSCALL, code_at(guest_syscall));
        rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
        go_to_user(&rig, USER_VA, PA(F_L4));
        looping = rig.engine;
        rig.impatient = true; /* in the middle of an instruction anything may begin, also an endless loop */
        rig_go(&rig);
        looping = NULL;
        CHECK(rig.status >= 0 || rig.exit.kind == VM_EXIT_DEATH || rig.exit.kind == VM_EXIT_INTERRUPTED);
        CHECK(accounts_hold(&rig) && host_holds(&rig));
        rig_end(&rig);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

static void test_bad_returns(void)
{
    static const uint64_t roots[] = {0, PA(F_FREE), PA(L1), PA(F_L4) + 8, PA(F_COUNT), UINT64_MAX};

    for (unsigned i = 0; i < ARRAY_SIZE(roots); i++) {
        struct rig rig;

        vltest_row("cr3 0x%llx", (unsigned long long)roots[i]);
        rig_start(&rig);
        rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
        go_to_user(&rig, USER_VA, roots[i]);
        rig_go(&rig);
        CHECK_EQ_U64(rig.exit.kind, VM_EXIT_DEATH);
        rig_end(&rig);
    }
}

/* ---- what is done on the way to user mode ---- */

/* User code: the byte at USER_VA + PAGE_SIZE is its exit status. */
static const uint8_t load_and_call[] = {0x0f, 0xb6, 0x05, 0xf9, 0x0f, 0, 0, 0x0f, 0x05};

static void start_at_user(struct rig *rig)
{
    rig_start(rig);
    memcpy(rig->ram.base + PA(F_USER), load_and_call, sizeof load_and_call);
    for (unsigned i = 0; i < 4; i++)
        rig->ram.base[PA(F_FREE + i)] = (uint8_t)(42 + i);
    for (unsigned i = 0; i < 32; i++)
        set_trap(rig, i, code_at(guest_trap));
    set_trap(rig, PARA_TRAP_SYSCALL, code_at(guest_syscall));
}

/* The guest has shut down: it begins with another list. */
static void begin_again(struct rig *rig)
{
    rig->count = 0;
    rig->engine->kernel.rip = VA(F_CODE);
    rig->engine->kernel.gpr[RBX] = VA(F_LIST);
    rig->engine->shared->kernel_stack = VA(F_STACK + 1);
}

static void test_updates_on_the_way(void)
{
    static const struct {
        const char *text;
        uint64_t list, count, entry, value;
        int status;
    } rows[] = {
        {"no list", VA(F_DATA), 0, ENTRY(L1, 1), PA(F_FREE) | P | U, 100},
        {"a list", VA(F_DATA), 1, ENTRY(L1, 1), PA(F_FREE) | P | U, 42},
        {"a list that isn't aligned", VA(F_DATA) + 4, 1, ENTRY(L1, 1), PA(F_FREE) | P | U, 42},
        {"a page table, writable", VA(F_DATA), 1, ENTRY(L1, 1), PA(L1) | P | W | U, -1},
        {"an entry that is none", VA(F_DATA), 1, PA(F_FREE), PA(F_FREE) | P | U, -1},
        {"a root let go, and pinned again", VA(F_DATA), 1, PA(F_L4) + PARA_UPDATE_UNPIN, 0, 100},
        {"one that isn't pinned", VA(F_DATA), 1, PA(F_FREE) + PARA_UPDATE_UNPIN, 0, -1},
        {"one beyond RAM", VA(F_DATA), 1, PA(F_COUNT) + PARA_UPDATE_UNPIN, 0, -1},
        {"an entry across a border", VA(F_DATA), 1, ENTRY(L1, 1) + 2, PA(F_FREE) | P | U, -1},
        {"a list outside the window", 0x1000, 1, ENTRY(L1, 1), PA(F_FREE) | P | U, -1},
        {"a list that leaves it", VA(F_COUNT) - 8, 1, ENTRY(L1, 1), PA(F_FREE) | P | U, -1},
        {"an endless list", VA(F_DATA), UINT32_MAX, ENTRY(L1, 1), PA(F_FREE) | P | U, -1},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct para_mmu_update update = {rows[i].entry, rows[i].value};
        struct rig rig;

        vltest_row("%s", rows[i].text);
        start_at_user(&rig);
        rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
        memcpy(rig.ram.base + PA(F_DATA) + rows[i].list % 8, &update, sizeof update);
        rig.engine->shared->updates = rows[i].list;
        rig.engine->shared->update_count = (uint32_t)rows[i].count;
        go_to_user(&rig, USER_VA, PA(F_L4));
        rig_go(&rig);
        CHECK_EQ_U64(rig.status, rows[i].status);
        CHECK_EQ_U64(rig.engine->shared->update_count, 0);
        CHECK(accounts_hold(&rig) && host_holds(&rig));
        rig_end(&rig);
    }
}

/* The same root, again and again, each time with another page at USER_VA + PAGE_SIZE: who comes later sees only his. */
static void test_spaces_are_kept(void)
{
    static const struct {
        const char *text;
        unsigned frame;
        uint64_t rights;
        int status;
    } rows[] = {
        {"the first", F_FREE, P | U, 42},
        {"the same", F_FREE, P | U, 42},
        {"another page", F_FREE + 1, P | U, 43},
        {"a writable one", F_FREE + 1, P | W | U, 43},
        {"none", F_FREE + 2, 0, 100},
        {"not for user code", F_FREE + 2, P, 100},
        {"and again a page", F_FREE + 2, P | U, 44},
    };
    struct rig rig;

    start_at_user(&rig);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        *rig_entry(&rig, L1, 1) = PA(rows[i].frame) | rows[i].rights;
        go_to_user(&rig, USER_VA, PA(F_L4)); /* which pins it */
        rig_go(&rig);
        CHECK_EQ_U64(rig.status, rows[i].status);
        CHECK_EQ_U64(rig.engine->frame[F_L4].type, FRAME_L4);
        begin_again(&rig);
        rig_call(&rig, PARA_CALL_UNPIN, PA(F_L4), 0, 0, 0, 0);
        rig_go(&rig);
        CHECK_EQ_U64(rig.list[0].result, 0);
        CHECK(accounts_hold(&rig) && host_holds(&rig));
        begin_again(&rig);
    }
    rig_end(&rig);
}

/* What an address space that has gone had mapped writable becomes a page table. */
static void test_a_kept_page_becomes_a_table(void)
{
    struct rig rig;

    start_at_user(&rig);
    *rig_entry(&rig, L1, 1) = PA(F_FREE) | P | W | U;
    go_to_user(&rig, USER_VA, PA(F_L4));
    rig_go(&rig);
    begin_again(&rig);
    rig_call(&rig, PARA_CALL_UNPIN, PA(F_L4), 0, 0, 0, 0);
    rig_go(&rig);
    memset(rig.ram.base + PA(F_FREE), 0, PAGE_SIZE);
    begin_again(&rig);
    rig_call(&rig, PARA_CALL_PIN, PA(F_FREE), 0, 0, 0, 0);
    rig_go(&rig);
    CHECK_EQ_U64(rig.list[0].result, 0);
    CHECK(accounts_hold(&rig) && host_holds(&rig));
    rig_end(&rig);
}

/* A millisecond from now; the kernel blocks until then, and the handler shuts down with 100. */
static void test_timer(void)
{
    struct rig rig;

    rig_start(&rig);
    set_trap(&rig, PARA_TRAP_EVENT, code_at(guest_trap));
    rig_call(&rig, PARA_CALL_SET_TIMER, 1000000, 0, 0, 0, 0);
    rig_call(&rig, PARA_CALL_BLOCK, 0, 0, 0, 0, 0);
    rig_go(&rig);
    CHECK_EQ_U64(rig.status, 100);
    CHECK_EQ_U64(rig.engine->shared->event_pending, 1 << PARA_PORT_TIMER);
    CHECK_EQ_U64(rig.engine->shared->masked, 1);
    rig_end(&rig);
}

/* ---- at random ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Values that mean something, now and then moved a little, now and then anything. */
static uint64_t argument(void)
{
    uint64_t frame = next_random() % 100, kind = next_random() % 16, value;
    static const uint64_t borders[] = {0,
                                       1,
                                       2,
                                       4,
                                       8,
                                       128,
                                       PARA_LIST_MAX,
                                       PAGE_SIZE,
                                       PA(F_COUNT),
                                       VA(F_COUNT),
                                       UINT64_MAX,
                                       UINT64_C(1) << 63,
                                       PARA_HOLE,
                                       PARA_WINDOW};

    if (kind < 5)
        value = PA(frame) | (kind == 1 ? P | W | U : 0);
    else if (kind < 10)
        value = VA(frame) + (kind == 5 ? next_random() % PAGE_SIZE : 0);
    else if (kind < 14)
        value = borders[next_random() % ARRAY_SIZE(borders)];
    else
        value = next_random();
    return next_random() % 8 ? value : value + next_random() % 32 - 16;
}

/* Calls that go elsewhere are tried elsewhere: IRET, BLOCK and SHUTDOWN. */
static uint64_t call_number(void)
{
    for (;;) {
        uint64_t number = next_random() % 3 ? PARA_CALL_MMU_UPDATE + next_random() % 3 : next_random() % 32;

        if (number != PARA_CALL_IRET && number != PARA_CALL_SHUTDOWN && number != PARA_CALL_SET_STACK &&
            number != PARA_CALL_BLOCK)
            return number;
    }
}

/* Lists of updates, most of them near the tables. */
static void fill_data(struct rig *rig)
{
    uint64_t *data = (uint64_t *)(rig->ram.base + PA(F_DATA));

    for (unsigned i = 0; i < PAGE_SIZE / 8; i += 2) {
        data[i] = ENTRY(F_L4 + next_random() % 6, next_random() % 8 ? next_random() % 8 : next_random() % 512);
        if (next_random() % 16 == 0)
            data[i] = PA(F_L4) + PARA_UPDATE_UNPIN;
        data[i + 1] = argument() | (next_random() % 4 ? P | U : 0) | (next_random() % 2 ? W : 0);
    }
}

static void test_random_calls(void)
{
    const char *wanted = getenv("VIRTLAB_HOSTILE_CALLS");
    unsigned long total = wanted ? strtoul(wanted, NULL, 0) : 16 * LIST_MAX, made = 0;

    for (unsigned long done = 0; done < total; done += LIST_MAX) {
        struct rig rig;

        vltest_row("calls from number %lu on", done);
        rig_start(&rig);
        fill_data(&rig);
        rig_call(&rig, PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
        while (rig.count < LIST_MAX) {
            uint64_t number = call_number();
            bool update = number == PARA_CALL_MMU_UPDATE && next_random() % 8;

            rig_call(&rig, number, update ? VA(F_DATA) + 16 * (next_random() % 256) : argument(),
                     update ? next_random() % 4 : argument(), argument(), argument(), argument());
        }
        rig_go(&rig); /* it may die of a page that it made read-only, or of its code; the accounts must be right */
        CHECK(rig.status == 7 || rig.exit.kind == VM_EXIT_DEATH);
        made += rig.stats.counter[COUNTER_HYPERCALLS];
        CHECK(accounts_hold(&rig));
        CHECK(host_holds(&rig));
        rig_end(&rig);
    }
    vltest_row("%lu of %lu calls were made", made, total);
    CHECK(made > total / 2);
}

/* May the test write what the guest's kernel would? */
static bool still_pages(const struct rig *rig)
{
    bool good = true;

    for (unsigned frame = F_CODE; frame <= F_USER; frame++)
        good &= rig->engine->frame[frame].type == FRAME_PAGE;
    return good;
}

/* Returns to user mode with anything in the shared page, and tables that change in every way in between. */
static void test_random_returns(void)
{
    const char *wanted = getenv("VIRTLAB_HOSTILE_CALLS");
    unsigned long total = (wanted ? strtoul(wanted, NULL, 0) : 16 * LIST_MAX) / 64, returned = 0;

    for (unsigned long done = 0; done < total; done++) {
        struct rig rig;
        unsigned lives = 8;

        vltest_row("guest %lu", done);
        start_at_user(&rig);
        for (rig.status = 0; lives-- && rig.status >= 0 && still_pages(&rig);) {
            struct para_shared *shared = rig.engine->shared;

            fill_data(&rig);
            if (rig.engine->frame[L1].type == FRAME_PAGE)
                *rig_entry(&rig, L1, 1 + next_random() % 3) = argument() | (next_random() % 4 ? P | U : 0);
            for (unsigned i = next_random() % 4; i; i--)
                rig_call(&rig, next_random() % 2 ? PARA_CALL_UNPIN : PARA_CALL_PIN, PA(F_L4), 0, 0, 0, 0);
            shared->updates = next_random() % 8 ? VA(F_DATA) + 16 * (next_random() % 256) : argument();
            shared->update_count = next_random() % 4 ? 0 : (uint32_t)(next_random() % 8 ? 1 : argument());
            shared->fpu_save_at = argument();
            go_to_user(&rig, USER_VA, next_random() % 8 ? PA(F_L4) : argument());
            rig_go(&rig);
            returned += rig.status >= 0;
            CHECK(rig.status >= 0 || rig.exit.kind == VM_EXIT_DEATH);
            CHECK(accounts_hold(&rig) && host_holds(&rig));
            begin_again(&rig);
        }
        rig_end(&rig);
    }
    CHECK(returned > total / 2);
}

static void test_other_kernels_are_refused(void)
{
    struct reason why = {""};
    struct cpu_state state;
    struct rig rig;

    rig_start(&rig);
    rig.engine->started = false;
    cpu_state_reset(&state);
    state.gpr[RSI] = PA(F_FREE);
    CHECK_EQ_U64(para_direct.set_state(rig.engine, &state, &why), -EINVAL);
    CHECK(strstr(why.text, "paravirtual") != NULL);
    rig_end(&rig);
}

static const struct vltest tests[] = {
    {"a kernel that isn't paravirtual is refused", test_other_kernels_are_refused},
    {"every argument is checked", test_arguments},
    {"no update opens a door", test_updates},
    {"a list stops at the first bad update", test_a_list_stops_at_the_first_bad_update},
    {"a multicall carries what comes back at once", test_multicall},
    {"a multicall can't write into a table that it makes", test_multicall_that_pins_itself},
    {"the kernel can't store where it may not", test_stores_of_the_kernel},
    {"no trap frame is written where the kernel couldn't", test_trap_frames},
    {"user code reaches its own pages and no more", test_user_code},
    {"the gate does no harm, wherever it is entered", test_gate},
    {"updates are made on the way to user mode", test_updates_on_the_way},
    {"a space that is kept shows the new tables", test_spaces_are_kept},
    {"and maps none of them", test_a_kept_page_becomes_a_table},
    {"the timer ends a wait by an event", test_timer},
    {"a return to no address space is the end", test_bad_returns},
    {"random calls leave the accounts right", test_random_calls},
    {"random returns do, too", test_random_returns},
};

int main(void)
{
    return vltest_run("para", tests, ARRAY_SIZE(tests));
}
