/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * para_rig.h - a guest kernel of a hundred bytes for para/direct, whose hypercalls the test writes: one row of a list a
 * call. And the invariants that must hold whatever it asks for. (core/para/direct.h is included to look inside.)
 */
#ifndef VIRTLAB_TESTS_PARA_RIG_H
#define VIRTLAB_TESTS_PARA_RIG_H

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/engines.h"
#include "para/direct.h"
#include "vltest.h"

/* Where things are in the guest's RAM: frame numbers. */
enum {
    F_START = 1,
    F_SHARED,
    F_MAP,
    F_CALLS,
    F_CODE,
    F_STACK,
    F_LIST,      /* the calls to make; 4 pages */
    F_DATA = 16, /* lists for mmu_update and the like */
    F_USER,      /* user code */
    F_L4 = 32,   /* a tree of tables that maps frame F_USER at USER_VA: L4, L3, L2, L1 */
    F_FREE = 64, /* pages that are nothing yet */
    F_GATE = 400,
    F_COUNT = 512 /* of RAM */
};

#define USER_VA   UINT64_C(0x400000)
#define VA(frame) (PARA_WINDOW + (uint64_t)(frame)*PAGE_SIZE)
#define PA(frame) ((uint64_t)(frame)*PAGE_SIZE)

#define LIST_MAX 256

/* One call: what the guest loads, and the result that it stores. */
struct call {
    uint64_t number, args[6];
    int64_t result;
};

/* RBX: list, R12: how many; then the calls by their numbers, as a hostile kernel would: without the stubs. */
extern const uint8_t guest_code[], guest_code_end[], guest_trap[], guest_syscall[];
__asm__(".pushsection .rodata\n"
        "guest_code:\n"
        "1: test %r12, %r12\n"
        "   jz 2f\n"
        "   mov (%rbx), %rax\n"
        "   mov 8(%rbx), %rdi\n"
        "   mov 16(%rbx), %rsi\n"
        "   mov 24(%rbx), %rdx\n"
        "   mov 32(%rbx), %r10\n"
        "   mov 40(%rbx), %r8\n"
        "   mov 48(%rbx), %r9\n"
        "   syscall\n"
        "   mov %rax, 56(%rbx)\n"
        "   add $64, %rbx\n"
        "   dec %r12\n"
        "   jmp 1b\n"
        "2: mov $20, %eax\n" /* shutdown(7) */
        "   mov $7, %edi\n"
        "   syscall\n"
        "   hlt\n"
        "guest_trap:\n" /* an exception with its error code: shutdown(100) */
        "   mov $20, %eax\n"
        "   mov $100, %edi\n"
        "   syscall\n"
        "   hlt\n"
        "guest_syscall:\n" /* user code has made a system call: shutdown(RAX) */
        "   mov %rax, %rdi\n"
        "   mov $20, %eax\n"
        "   syscall\n"
        "   hlt\n"
        "guest_code_end:\n"
        ".popsection");

struct rig {
    struct ram ram;
    struct stats stats;
    struct engine_host host;
    struct engine *engine;
    struct vm_exit exit;
    struct call *list;
    unsigned count;
    bool impatient; /* a kick ends it */
    int status;     /* of the guest's shutdown; -1: it died, exit.why tells */
};

static inline uint64_t rig_tsc(void *context, uint64_t retired)
{
    (void)context, (void)retired;
    return 0;
}

static inline uint64_t *rig_entry(struct rig *rig, unsigned frame, unsigned slot)
{
    return (uint64_t *)(rig->ram.base + PA(frame)) + slot;
}

static inline uint64_t code_at(const uint8_t *label)
{
    return VA(F_CODE) + (uint64_t)(label - guest_code);
}

static inline struct call *rig_call(struct rig *rig, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                    uint64_t e)
{
    struct call *call = &rig->list[rig->count++];

    *call = (struct call){number, {a, b, c, d, e}, 0x5a5a};
    return call;
}

static inline void rig_start_with(struct rig *rig, const char *drive)
{
    const struct para_start_info info = {.magic = PARA_MAGIC,
                                         .version = PARA_VERSION,
                                         .shared = PA(F_SHARED),
                                         .hypercall_page = PA(F_CALLS),
                                         .table_map = PA(F_MAP),
                                         .table_map_size = PAGE_SIZE,
                                         .gate = PA(F_GATE),
                                         .frames = F_COUNT,
                                         .image_end = PA(F_DATA)};
    struct reason why = {""};
    struct cpu_state state;

    *rig = (struct rig){.host = {.tsc = rig_tsc, .tsc_hz = 1000000000, .drive = drive}};
    CHECK_FATAL(ram_create(&rig->ram, PA(F_COUNT), &why) == 0);
    rig->host.ram = &rig->ram;
    rig->host.stats = &rig->stats;
    rig->engine = para_direct.create(&rig->host, &why);
    if (!rig->engine)
        fprintf(stderr, "%s\n", why.text);
    CHECK_FATAL(rig->engine != NULL);
    rig->list = (struct call *)(rig->ram.base + PA(F_LIST));
    memcpy(rig->ram.base + PA(F_START), &info, sizeof info);
    memcpy(rig->ram.base + PA(F_CODE), guest_code, (size_t)(guest_code_end - guest_code));
    for (unsigned i = 0; i < 3; i++)
        *rig_entry(rig, F_L4 + i, (unsigned[]){0, 0, USER_VA >> 21}[i]) = PA(F_L4 + i + 1) | 7;
    *rig_entry(rig, F_L4 + 3, 0) = PA(F_USER) | 7;
    cpu_state_reset(&state);
    state.rip = VA(F_CODE);
    state.gpr[RSI] = PA(F_START);
    state.gpr[RBX] = VA(F_LIST);
    state.gpr[RSP] = VA(F_STACK + 1);
    CHECK_FATAL(para_direct.set_state(rig->engine, &state, &why) == 0);
    rig->engine->shared->kernel_stack = VA(F_STACK + 1);
    rig->exit.kind = VM_EXIT_INTERRUPTED;
}

static inline void rig_start(struct rig *rig)
{
    rig_start_with(rig, NULL);
}

/* Runs the calls of the list until the guest has shut down or is dead; port I/O reads as ones. */
static inline void rig_go(struct rig *rig)
{
    rig->engine->kernel.gpr[R12] = rig->count;
    rig->status = -2;
    while (rig->status == -2) {
        para_direct.run(rig->engine, &rig->exit, 0);
        switch (rig->exit.kind) {
        case VM_EXIT_IO:
            if (rig->exit.io.in)
                memset(rig->exit.io.data, 0xff, rig->exit.io.size * rig->exit.io.count);
            else if (rig->exit.io.port == 0xf8 && rig->exit.io.data[2] == 2)
                rig->status = rig->exit.io.data[0];
            break;
        case VM_EXIT_INTERRUPTED: rig->status = rig->impatient ? -3 : rig->status; break;
        case VM_EXIT_HLT: break;
        default: rig->status = -1;
        }
    }
}

static inline void rig_end(struct rig *rig)
{
    para_direct.destroy(rig->engine);
    ram_destroy(&rig->ram);
}

/* ---- what must hold, whatever the guest has asked ---- */

static inline bool is_table(const struct engine *e, uint64_t frame)
{
    return e->frame[frame].type >= FRAME_L1 && e->frame[frame].type <= FRAME_L4;
}

/* The account of every frame is what a count of all tables' entries says, and no table is writable. */
static inline bool accounts_hold(struct rig *rig)
{
    static uint32_t uses[F_COUNT], writable[F_COUNT];
    const struct engine *e = rig->engine;
    bool good = true;

    memset(uses, 0, sizeof uses);
    memset(writable, 0, sizeof writable);
    for (unsigned i = 0; i < PARA_GRANTS_MAX; i++) /* a page that is granted counts as writable */
        writable[e->grant[i].frame] += e->grant[i].used;
    for (unsigned frame = 0; frame < F_COUNT; frame++) {
        uses[frame] += e->frame[frame].pinned;
        for (unsigned i = 0; is_table(e, frame) && i < ENTRIES; i++) {
            uint64_t entry = *rig_entry(rig, frame, i), target = (entry & PTE_ADDRESS) >> PAGE_SHIFT;

            if (!(entry & PTE_P))
                continue;
            if (target >= F_COUNT || e->frame[target].type == FRAME_HYPERVISOR)
                good = false;
            else if (e->frame[frame].type == FRAME_L1)
                writable[target] += (entry & PTE_W) != 0;
            else if (e->frame[target].type != e->frame[frame].type - 1)
                good = false;
            else
                uses[target]++;
        }
    }
    for (unsigned frame = 0; frame < F_COUNT; frame++) {
        const struct frame *f = &e->frame[frame];
        bool marked = e->table_map[frame / 8] >> (frame % 8) & 1;

        if (marked != is_table(e, frame) || (is_table(e, frame) && (f->uses != uses[frame] || writable[frame])) ||
            (f->type == FRAME_PAGE && f->writable != writable[frame]) || (f->type == FRAME_L4 && !f->pinned)) {
            fprintf(stderr, "frame %u: type %u, uses %u (%u), writable %u (%u), marked %d\n", frame, f->type, f->uses,
                    uses[frame], f->writable, writable[frame], marked);
            good = false;
        }
    }
    return good;
}

/* What the host's kernel says is mapped: nowhere is a page table or a page of the hypervisor's writable. */
static inline bool space_holds(struct rig *rig, struct world_space *space, bool kernel)
{
    const struct engine *e = rig->engine;
    unsigned long long start, end, offset;
    char path[64], line[256], rights[8], name[64];
    bool good = true;
    FILE *maps;

    if (!space)
        return true;
    if (world_flush(space, NULL))
        return true; /* lost: nothing is mapped */
    snprintf(path, sizeof path, "/proc/%d/maps", world_space_pid(space));
    maps = fopen(path, "re");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %63s", &start, &end, rights, &offset, name) < 5)
            continue;
        if (start - PARA_HOLE < WORLD_HOLE_SIZE)
            continue;
        for (; rights[1] == 'w' && start < end; start += PAGE_SIZE, offset += PAGE_SIZE) {
            uint64_t frame = offset >> PAGE_SHIFT;

            if (frame >= F_COUNT ||
                (e->frame[frame].type != FRAME_PAGE && !(kernel && (frame == F_SHARED || frame == F_GATE + 1)) &&
                 !(!kernel && frame == F_GATE + 2))) {
                fprintf(stderr, "%s: frame %llu is writable at 0x%llx\n", kernel ? "kernel" : "user",
                        (unsigned long long)frame, start);
                good = false;
            }
        }
    }
    if (maps)
        fclose(maps);
    return maps != NULL && good;
}

static inline bool host_holds(struct rig *rig)
{
    struct engine *e = rig->engine;
    bool good = !e->kernel_mapped || space_holds(rig, world_space_find(e->pool, KERNEL_KEY), true);

    for (uint64_t frame = 1; frame < F_COUNT; frame++)
        good &= space_holds(rig, world_space_find(e->pool, PA(frame)), false);
    return good;
}

#endif
