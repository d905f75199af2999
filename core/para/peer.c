/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.c - the kernel's thread beside user code: when it listens at the gate, and how both are brought to a stand.
 *
 * With two cores to ourselves, the kernel's thread spins on one; user code and the hypervisor share the other, and only
 * one of them is awake. Before user code is entered, the kernel's thread is: at gate_wait (peer_listen). They hand over
 * by themselves (gate.c) until the hypervisor is needed. Whoever needs it closes the gate; user code that waits there
 * leaves then, which wakes the hypervisor (so does a fault, or the timer's kick). So whenever the hypervisor runs, user
 * code has been left. It then fetches the kernel's thread (peer_meet), which is at one of three places, told by its
 * RIP:
 *
 *   waiting at the gate         user code goes on, or its exit is looked at; a call just published is taken for it
 *   between gate and handler    the call is taken for it
 *   anywhere else               the kernel is at work on user code's call, and has left for a reason of its own
 *
 * What the host relies on holds all the same: before a space's mappings change, its guest thread is proven to stand
 * still (core/world). What the *guest* must know: a user thread that cheats can run on while the kernel works on its
 * call, as a thread on another CPU could; its registers were taken once, at the gate.
 *
 * A kernel that nobody calls for long gives up; then it sleeps on the hypervisor's core, until calls come quickly
 * again.
 *
 * Next: patch.c.
 */
#include "para/direct.h"
#include "para/gate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#define STUBS_END       0x400 /* in the hypercall page: gate_kernel */
#define KERNEL_PATIENCE 8000  /* turns of a loop with PAUSE */
#define USER_PATIENCE   4000
#define CLOSING         100   /* of the same: how long it takes to come out of the gate */
#define QUICK_PER_S     10000 /* user code is left within 100 us, */
#define QUICK_ENOUGH    2     /* twice in a row: the kernel had better listen */

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

/* mov $number, %eax; jmp gate_call. But the stub of IRET must keep RAX: jmp gate_iret. */
static void write_stub(uint8_t *page, uint32_t number)
{
    uint8_t *at = page + number * PARA_STUB_SIZE;
    const uint8_t *to = number == PARA_CALL_IRET ? gate_iret : gate_call;
    int32_t distance;

    if (number != PARA_CALL_IRET) {
        *at++ = 0xb8;
        memcpy(at, &number, sizeof number);
        at += sizeof number;
    }
    *at++ = 0xe9;
    distance = (int32_t)(STUBS_END + (to - gate_kernel) - (at + sizeof distance - page));
    memcpy(at, &distance, sizeof distance);
}

void peer_create(struct engine *e)
{
    const struct ram *ram = e->host->ram;
    uint8_t *page = ram_at(ram, gpa(e->info.hypercall_page), PAGE_SIZE);

    memset(page, 0xcc, PAGE_SIZE);
    for (uint32_t number = 0; number < PARA_CALL_COUNT; number++)
        write_stub(page, number);
    memcpy(ram_at(ram, gpa(e->info.gate), PAGE_SIZE), gate_user, (size_t)(gate_user_end - gate_user));
    memcpy(page + STUBS_END, gate_kernel, (size_t)(gate_kernel_end - gate_kernel));
    e->gate_in = ram_at(ram, gpa(e->info.gate + GATE_IN_AT), PAGE_SIZE);
    e->gate_out = ram_at(ram, gpa(e->info.gate + GATE_OUT_AT), PAGE_SIZE);
    e->gate_in->world = world_call_at(e->pool);
    e->gate_in->patience = USER_PATIENCE;
    e->gate_in->kernel_patience = KERNEL_PATIENCE;
    *words_of(e) = (struct gate_words){.shared = PARA_WINDOW + e->info.shared,
                                       .in = PARA_WINDOW + e->info.gate + GATE_IN_AT,
                                       .out = PARA_WINDOW + e->info.gate + GATE_OUT_AT,
                                       .world = world_call_at(e->pool)};
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

/* All user spaces see the same two pages: what one has left there is no business of the next one's. */
static void change_owner(struct engine *e)
{
    struct gate_page *in = e->gate_in;

    if (in->cr3 == e->cr3)
        return;
    in->cr3 = e->cr3;
    in->rip = in->flags = 0;
    memset(in->gpr, 0, sizeof in->gpr);
    memset(e->gate_out, 0, G_STACK);
}

void peer_listen(struct engine *e)
{
    struct gate_page *in = e->gate_in;
    struct world_space *space;

    if (!e->listening)
        change_owner(e);
    e->user_since = __rdtsc();
    if (e->listening || e->kernel_near || !world_spins(e->pool) || !e->handler[PARA_TRAP_SYSCALL])
        return;
    space = update_kernel_space(e, NULL);
    if (!space)
        return;
    world_space_general(space);
    world_space_near(space, false);
    words_of(e)->handler = e->handler[PARA_TRAP_SYSCALL];
    in->fs_base = e->user.fs_base;
    in->gs_base = e->user.gs_base;
    e->shared->fs_base = e->user.fs_base;
    e->shared->gs_base = e->user.gs_base;
    e->shared->fpu_written = 0;
    e->heard = in->number;
    e->gate_out->number = in->number - 1;
    e->kernel.rip = kernel_text(e, gate_wait);
    e->kernel.gpr[RAX] = in->number;
    e->kernel.gpr[RCX] = PARA_WINDOW + e->info.gate + GATE_IN_AT;
    e->kernel.gpr[R11] = PARA_WINDOW + e->info.shared;
    __atomic_store_n(&in->open, 1, __ATOMIC_SEQ_CST);
    e->listening = !world_begin(space, &e->kernel, NULL);
    if (!e->listening)
        in->open = 0;
}

/* The call that the kernel's thread was about to take, taken for it. */
static void take_call(struct engine *e)
{
    memcpy(e->kernel.gpr, e->gate_out->gpr, sizeof e->kernel.gpr);
    e->kernel.gpr[RCX] = e->gate_out->rip;
    e->kernel.gpr[R11] = e->gate_out->flags;
    e->kernel.rip = e->handler[PARA_TRAP_SYSCALL];
    e->shared->masked = 1;
}

static void load_gprs(struct engine *e, const struct gate_page *page)
{
    memcpy(e->user.gpr, page->gpr, sizeof e->user.gpr);
}

/* User code was found in the gate's own code: what is its state? True: it has made a call that nobody has taken. */
static bool leave_gate(struct engine *e, uint64_t at)
{
    const uint8_t *label = gate_user + at;
    bool answered = label >= gate_published && e->gate_in->number != e->gate_out->number; /* just now */

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
    e->user.rip = e->gate_out->rip;
    e->user.rflags = e->gate_out->flags;
    return true;
}

static void learn(struct engine *e)
{
    uint32_t calls = e->gate_in->number - e->heard;

    e->host->stats->exits[EXIT_INDEX_SYSCALL].avoided += calls;
    e->host->stats->exits[EXIT_INDEX_KERNEL_RETURN].avoided += calls;
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

/* User code stands still while the kernel works on its call: the rest of its state, as leave_user() in traps.c. */
static void keep_user_state(struct engine *e)
{
    struct para_shared *shared = e->shared;

    store_fpu(e);
    if (shared->fs_base == e->gate_in->fs_base)
        shared->fs_base = e->user.fs_base;
    if (shared->gs_base == e->gate_in->gs_base)
        shared->gs_base = e->user.gs_base;
    shared->fpu_elsewhere = 0;
    e->in_user = false;
}

/* Is the kernel's thread to sleep on our core, or spin on another? By how long it had nothing to do. */
static void settle(struct engine *e, bool gave_up)
{
    if (e->listening && gave_up)
        e->kernel_near = true;
    if (!e->kernel_near)
        return;
    e->quick = __rdtsc() - e->user_since < e->host->tsc_hz / QUICK_PER_S ? e->quick + 1 : 0;
    if (e->quick < QUICK_ENOUGH)
        return;
    e->kernel_near = false;
    e->quick = 0;
}

static bool user_in_gate(const struct engine *e)
{
    return e->user.rip - GATE_VA < (uint64_t)(gate_user_end - gate_user);
}

/* The kernel's thread comes out of the gate when that is closed; out of its own code only by a kick. */
static int fetch_kernel(struct engine *e, bool kick, struct world_exit *exit)
{
    struct world_space *space = world_space_find(e->pool, KERNEL_KEY);
    struct reason why = {"para/direct: the kernel's space is gone"};

    settle(e, space && world_has_left(space) && !user_in_gate(e));
    __atomic_store_n(&e->gate_in->open, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; kick && space && i < CLOSING && !world_has_left(space); i++)
        _mm_pause();
    if (kick && space && !world_has_left(space))
        world_kick_entered(space);
    e->listening = false;
    if (space && !world_end(space, &e->kernel, exit, &why))
        return 0;
    direct_die(e, "%s", why.text);
    return -EIO;
}

enum meeting peer_meet(struct engine *e, const struct world_exit *user, struct world_exit *kernel)
{
    if (!e->listening) {
        settle(e, false);
        return MEET_USER;
    }
    if (fetch_kernel(e, user->kind == WORLD_EXIT_KICKED, kernel))
        return MEET_DONE;
    learn(e);
    if (kernel_within(e, gate_got, gate_kernel_end)) {
        take_call(e);
        keep_user_state(e);
        return MEET_DONE;
    }
    if (!kernel_within(e, gate_wait, gate_got)) {
        keep_user_state(e);
        return MEET_KERNEL;
    }
    if (!user_in_gate(e))
        return MEET_USER;
    if (leave_gate(e, e->user.rip - GATE_VA))
        trap_syscall(e);
    return MEET_DONE;
}

bool peer_answered(struct engine *e, const struct world_exit *exit)
{
    if (exit->kind != WORLD_EXIT_CALL || e->kernel.gpr[RAX] != PARA_CALL_PEER || !kernel_within(e, gate_wait, gate_got))
        return false;
    load_gprs(e, e->gate_in);
    e->user.rip = e->gate_in->rip;
    e->user.rflags = e->gate_in->flags;
    e->in_user = true;
    return true;
}
