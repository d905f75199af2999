/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.c - when a user thread runs beside the kernel's thread, and how it is fetched back.
 *
 * The hypervisor starts both, user code where it is to go on, the kernel's thread at gate_wait, and sleeps. They hand
 * over by themselves (gate.c) until something else comes up: the kernel asks for something, a fault, the timer, or the
 * one who waits loses patience. Who is to go on then is read from where the kernel's thread was found.
 *
 * What the host relies on holds all the same: before page tables change, user code is fetched back (calls.c) and proven
 * to stand still (core/world). What the *guest* must know: a user thread that cheats can run on while the kernel works
 * on its call, as a thread on another CPU could; its registers were taken once, at the gate.
 *
 * It is worth it while calls come by the gate one after the other; after a session without one, some are skipped.
 *
 * Next: patch.c.
 */
#include "para/direct.h"
#include "para/gate.h"

#include <string.h>
#include <sys/mman.h>

#define STUBS_END       0x400 /* in the hypercall page: gate_kernel */
#define KERNEL_PATIENCE 1500  /* turns of a loop with PAUSE */
#define USER_PATIENCE   6000
#define BACKOFF_MAX     64

_Static_assert(PARA_CALL_COUNT *PARA_STUB_SIZE <= STUBS_END, "the stubs come first");

static uint64_t kernel_text(const struct engine *e, const uint8_t *label)
{
    return PARA_WINDOW + e->info.hypercall_page + STUBS_END + (uint64_t)(label - gate_kernel);
}

static bool kernel_within(const struct engine *e, const uint8_t *from, const uint8_t *to)
{
    return e->kernel.rip >= kernel_text(e, from) && e->kernel.rip < kernel_text(e, to);
}

static struct gate_words *words_of(struct engine *e)
{
    return ram_at(e->host->ram, gpa(e->info.hypercall_page + STUBS_END), sizeof(struct gate_words));
}

void peer_create(struct engine *e)
{
    const struct ram *ram = e->host->ram;
    uint8_t *page = ram_at(ram, gpa(e->info.hypercall_page), PAGE_SIZE);
    uint8_t *iret = page + PARA_CALL_IRET * PARA_STUB_SIZE;
    uint32_t distance = (uint32_t)(STUBS_END + (gate_iret - gate_kernel) - (PARA_CALL_IRET * PARA_STUB_SIZE + 5));

    memcpy(ram_at(ram, gpa(e->info.gate), PAGE_SIZE), gate_user, (size_t)(gate_user_end - gate_user));
    memcpy(page + STUBS_END, gate_kernel, (size_t)(gate_kernel_end - gate_kernel));
    e->gate_in = ram_at(ram, gpa(e->info.gate + GATE_IN_AT), PAGE_SIZE);
    e->gate_out = ram_at(ram, gpa(e->info.gate + GATE_OUT_AT), PAGE_SIZE);
    e->gate_in->patience = USER_PATIENCE;
    e->gate_in->kernel_patience = KERNEL_PATIENCE;
    *words_of(e) = (struct gate_words){.shared = PARA_WINDOW + e->info.shared,
                                       .in = PARA_WINDOW + e->info.gate + GATE_IN_AT,
                                       .out = PARA_WINDOW + e->info.gate + GATE_OUT_AT};
    *iret++ = 0xe9; /* jmp gate_iret */
    memcpy(iret, &distance, sizeof distance);
}

bool gate_fault(struct engine *e, uint64_t address)
{
    static const int rights[] = {PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE};
    struct world_space *space = world_space_find(e->pool, e->cr3);
    uint64_t page = (address - GATE_VA) >> PAGE_SHIFT;

    if (page >= ARRAY_SIZE(rights) || !space)
        return false;
    for (page = 0; page < ARRAY_SIZE(rights); page++) {
        if (world_map(space, gva(GATE_VA + (page << PAGE_SHIFT)), e->info.gate + (page << PAGE_SHIFT), PAGE_SIZE,
                      rights[page], WORLD_POPULATE, NULL))
            return false;
    }
    return true;
}

static bool hopeful(struct engine *e)
{
    if (!e->peer_hopeful || !world_spins(e->pool))
        return false;
    if (e->peer_skip == 0)
        return true;
    e->peer_skip--;
    return false;
}

bool peer_begin(struct engine *e)
{
    struct gate_page *in = e->gate_in;
    struct world_space *space;
    bool fresh;

    if (!hopeful(e))
        return false;
    space = world_space_get(e->pool, e->cr3, &fresh, NULL);
    if (!space)
        return false;
    words_of(e)->handler = e->handler[PARA_TRAP_SYSCALL];
    in->cr3 = e->cr3;
    in->fs_base = e->user.fs_base;
    in->gs_base = e->user.gs_base;
    e->shared->fs_base = e->user.fs_base;
    e->shared->gs_base = e->user.gs_base;
    e->shared->fpu_written = 0;
    e->peer_first = in->number;
    e->gate_out->number = in->number - 1;
    __atomic_store_n(&in->active, 1, __ATOMIC_SEQ_CST);
    if (!e->handler[PARA_TRAP_SYSCALL] || world_begin(space, &e->user, NULL)) {
        in->active = 0;
        return false;
    }
    e->peer = space;
    e->kernel.rip = kernel_text(e, gate_wait);
    e->kernel.gpr[RAX] = in->number;
    e->kernel.gpr[RCX] = PARA_WINDOW + e->info.gate + GATE_IN_AT;
    e->kernel.gpr[R11] = PARA_WINDOW + e->info.shared;
    return true;
}

/* The call that the kernel's thread was about to take, taken for it. */
static void take_call(struct engine *e)
{
    memcpy(e->kernel.gpr, e->gate_out->gpr, sizeof e->kernel.gpr);
    e->kernel.gpr[RCX] = e->gate_out->rip;
    e->kernel.gpr[R11] = e->gate_out->flags;
    e->kernel.rip = e->handler[PARA_TRAP_SYSCALL];
    e->shared->masked = 1;
    e->shared->fpu_elsewhere = 1;
    e->in_user = false;
}

void peer_look(struct engine *e, const struct world_exit *exit)
{
    bool gave_up = exit->kind == WORLD_EXIT_SYSCALL && e->kernel.gpr[RAX] == PARA_CALL_PEER;

    e->in_user = kernel_within(e, gate_wait, gate_got) && (gave_up || exit->kind != WORLD_EXIT_SYSCALL);
    if (kernel_within(e, gate_got, gate_kernel_end))
        take_call(e);
}

static void load_gprs(struct engine *e, const struct gate_page *page)
{
    memcpy(e->user.gpr, page->gpr, sizeof e->user.gpr);
}

/* User code was found in the gate's own code: what is its state? True: it has made a call that nobody has taken. */
static bool leave_gate(struct engine *e, uint64_t at)
{
    const uint8_t *label = gate_user + at;
    bool answered = label >= gate_published && e->gate_in->number != e->gate_out->number; /* it hadn't the patience */

    if (label >= gate_plain)
        return false;
    if (label >= gate_load || answered) {
        load_gprs(e, e->gate_in);
        e->user.rip = e->gate_in->rip;
        e->user.rflags = e->gate_in->flags;
        return false;
    }
    if (label >= gate_saved) {
        load_gprs(e, e->gate_out);
        e->user.gpr[RCX] = e->gate_out->rip;
    }
    e->user.rip = GATE_VA + (uint64_t)(gate_entry - gate_user); /* to be begun again */
    if (label < gate_published)
        return false;
    e->user.rflags = e->gate_out->flags;
    return true;
}

static void learn(struct engine *e)
{
    uint32_t calls = e->gate_in->number - e->peer_first;

    e->host->stats->exits[EXIT_INDEX_SYSCALL].avoided += calls;
    e->host->stats->exits[EXIT_INDEX_KERNEL_RETURN].avoided += calls;
    if (calls > 1)
        e->peer_backoff = 0;
    else if (e->peer_backoff < BACKOFF_MAX)
        e->peer_backoff = e->peer_backoff ? 2 * e->peer_backoff : 1;
    e->peer_skip = e->peer_backoff;
}

/* User code's FPU state goes where the kernel wants it: a task's own memory, or the shared page. */
static void store_fpu(struct engine *e)
{
    void *task = e->shared->fpu_save_at ? guest_at(e, e->shared->fpu_save_at, PARA_FPU_SIZE, true) : NULL;

    e->shared->fpu_save_at = 0;
    if (task)
        memcpy(task, e->user.xsave, PARA_FPU_SIZE);
    else if (!e->shared->fpu_written)
        memcpy(e->shared->fpu, e->user.xsave, sizeof e->shared->fpu);
}

void peer_end(struct engine *e, struct world_exit *exit)
{
    struct world_space *space = e->peer;
    struct world_regs *user = &e->user;
    struct world_exit left;
    struct reason why = {""};
    bool logically_user = e->in_user, call = false;

    if (!exit)
        world_kick_entered(space);
    e->peer = NULL;
    learn(e);
    if (world_end(space, user, &left, &why)) {
        e->gate_in->active = 0;
        direct_die(e, "%s", why.text);
        return;
    }
    e->gate_in->active = 0;
    if (!logically_user) {
        store_fpu(e);
        if (e->shared->fs_base == e->gate_in->fs_base)
            e->shared->fs_base = user->fs_base;
        if (e->shared->gs_base == e->gate_in->gs_base)
            e->shared->gs_base = user->gs_base;
        e->shared->fpu_elsewhere = 0;
        return;
    }
    if (user->rip - GATE_VA < (uint64_t)(gate_user_end - gate_user)) {
        bool plain = user->rip == GATE_VA + (uint64_t)(gate_plain - gate_user);

        call = leave_gate(e, user->rip - GATE_VA);
        if (!plain)
            left.kind = WORLD_EXIT_KICKED;
    }
    if (!exit) {
        if (left.kind == WORLD_EXIT_SYSCALL)
            user->rip -= 2; /* the call is made again */
        return;
    }
    *exit = left;
    if (call) {
        e->peer_hopeful = true;
        user->rip = e->gate_out->rip;
        trap_syscall(e);
    }
}
