/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the loop around the blocks: what happens between two of them, and how an instruction is left in the middle.
 *
 * cpu_run() is called by an engine's run(). Most of the time it sits in the innermost line of run_blocks(), where
 * handlers call each other and come back only when a block ends in something that must be looked at: an event to
 * deliver, an exit to return, a jump to code not seen before.
 *
 * Read next: alu.c, the simplest family of handlers.
 */
#include "x86/block.h"
#include "x86/fpu.h"
#include "x86/protect.h"

static void attention_set(struct cpu *cpu, uint32_t bits)
{
    __atomic_fetch_or(&cpu->attention, bits, __ATOMIC_SEQ_CST);
}
static void attention_clear(struct cpu *cpu, uint32_t bits)
{
    __atomic_fetch_and(&cpu->attention, ~bits, __ATOMIC_SEQ_CST);
}

void cpu_kick(struct cpu *cpu)
{
    attention_set(cpu, ATTENTION_KICK);
    if (cpu->executor)
        cpu->executor->kick(cpu);
}

/* ---- leaving an instruction in the middle ---- */

/* Instructions and accesses are counted when a block is entered: give back those from `in` on. */
static void give_back(struct cpu *cpu, const struct insn *in)
{
    const struct block *block = cpu->block;
    cpu->icount -= block->count - in->pos;
    for (unsigned i = in->pos + 1u; i <= block->count; i++)
        cpu->mem_accesses -= block->insn[i].refs;
}

void cpu_run_next_alone(struct cpu *cpu)
{
    attention_set(cpu, ATTENTION_SINGLE);
}

uint64_t cpu_icount(const struct cpu *cpu, const struct insn *in)
{
    return in ? cpu->icount - (cpu->block->count - in->pos) : cpu->icount;
}

void cpu_unwind(struct cpu *cpu, const struct insn *in, enum unwind why)
{
    if (in && in->fn)
        (void)cpu_stop_at(cpu, in);
    longjmp(cpu->unwind, (int)why);
}

const struct insn *cpu_stop_at(struct cpu *cpu, const struct insn *in)
{
    give_back(cpu, in);
    return end_block(cpu, cpu_rip(cpu, in));
}

/* ---- one record of a block, for translators ---- */

static const struct insn *op_pause(struct cpu *cpu, const struct insn *in)
{
    (void)cpu;
    return in;
}

bool cpu_execute(struct cpu *cpu, const struct insn *in)
{
    struct insn alone[2] = {*in, {.fn = op_pause}};
    return in->fn(cpu, alone) == &alone[1];
}

/* What to do about an instruction that left. True: run() returns. */
static bool unwound(struct cpu *cpu, enum unwind why)
{
    cpu->single = false;
    attention_clear(cpu, ATTENTION_SINGLE);
    cpu->posted_count = 0; /* of an attempt that did not come to its end */
    bool shadowed = cpu->shadowed;
    cpu->shadowed = false;
    switch (why) {
    case UNWIND_EXIT: cpu->io_pending = true; return true;
    case UNWIND_SINGLE: attention_set(cpu, ATTENTION_SINGLE); return false;
    case UNWIND_INTERCEPT: cpu->interrupt_shadow = shadowed; return true;
    default: /* an exception: cpu->event */ cpu->latch = (struct io_latch){0}; return false;
    }
}

/* ---- events ---- */

bool cpu_can_inject(const struct cpu *cpu)
{
    return (cpu->sysflags & FLAG_IF) && !cpu->interrupt_shadow && !cpu->event.valid && !cpu->io_pending &&
           !cpu->latch.reads && !cpu->latch.port_valid && cpu->posted_next == cpu->posted_count;
}

void cpu_inject(struct cpu *cpu, uint8_t vector)
{
    cpu->event = (struct pending_event){.valid = true, .vector = vector, .type = EVENT_EXTERNAL};
}

void cpu_ram_written(struct cpu *cpu, gpa_t at, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        uint64_t here = at.v + done, left = PAGE_SIZE - (here & ~PAGE_MASK);
        uint64_t piece = len - done < left ? len - done : left;
        block_written(cpu, gpa(here), piece);
        done += piece;
    }
    if (cpu->watch)
        watch_written(cpu->watch, at, len);
}

/* ---- between blocks ---- */

/* An exit to the machine. In VMX non-root operation it is none: what the hypervisor is told is counted there. */
static void count_taken(struct cpu *cpu, enum exit_index why)
{
    if (!cpu->nonroot)
        cpu->stats->exits[why].taken++;
}

static bool leave_with(struct cpu *cpu, enum vm_exit_kind kind)
{
    cpu->exit->kind = kind;
    return true;
}

/* Device writes of the instruction that has just completed, one run() each. */
static bool leave_with_posted(struct cpu *cpu)
{
    if (cpu->posted_next == cpu->posted_count) {
        cpu->posted_next = cpu->posted_count = 0;
        return false;
    }
    const struct posted_write *w = &cpu->posted[cpu->posted_next++];
    cpu->exit->mmio.gpa = w->gpa;
    cpu->exit->mmio.size = w->size;
    cpu->exit->mmio.write = true;
    cpu->exit->mmio.value = w->value;
    return leave_with(cpu, VM_EXIT_MMIO);
}

/* Looks at everything that can stop the CPU between two instructions. True: run() returns. */
static bool must_leave(struct cpu *cpu)
{
    if (leave_with_posted(cpu))
        return true;
    if (cpu->exit_ready) {
        cpu->exit_ready = false;
        return true;
    }
    if ((cpu->attention & ATTENTION_KICK) && !(cpu->nonroot && cpu->event.valid)) { /* what is injected comes first */
        attention_clear(cpu, ATTENTION_KICK);
        count_taken(cpu, EXIT_INDEX_INTERRUPTED);
        return leave_with(cpu, VM_EXIT_INTERRUPTED);
    }
    if (cpu->event.valid) {
        cpu->halted = false;
        switch (cpu_deliver(cpu)) {
        case DELIVERED: break;
        case INTERCEPTED: return true;
        case TRIPLE_FAULT: count_taken(cpu, EXIT_INDEX_TRIPLE_FAULT); return leave_with(cpu, VM_EXIT_SHUTDOWN);
        }
    }
    if (unlikely(cpu->nonroot != NULL) && cpu->nonroot->boundary(cpu))
        return true;
    if (cpu->halted)
        return leave_with(cpu, VM_EXIT_HLT);
    if (cpu->window_wanted && cpu_can_inject(cpu)) {
        count_taken(cpu, EXIT_INDEX_INTERRUPT_WINDOW);
        return leave_with(cpu, VM_EXIT_WINDOW);
    }
    if (cpu->icount >= cpu->icount_limit)
        return leave_with(cpu, VM_EXIT_INTERRUPTED);
    return false;
}

/* Must the next instruction run alone, with a look around behind it? */
static bool must_run_alone(const struct cpu *cpu)
{
    return (cpu->attention & ATTENTION_SINGLE) || (cpu->sysflags & FLAG_TF) || cpu->interrupt_shadow ||
           cpu->icount_limit - cpu->icount < BLOCK_MAX;
}

/* The trap of single-stepping comes behind the instruction that began with TF set (SDM 3, 17.3.1.4). */
static void raise_single_step(struct cpu *cpu)
{
    if (cpu->event.valid)
        return;
    cpu->dr6 |= DR6_BS;
    cpu->event = (struct pending_event){.valid = true, .vector = VEC_DB, .type = EVENT_EXCEPTION};
}

static void run_alone(struct cpu *cpu)
{
    bool stepping = cpu->sysflags & FLAG_TF;
    cpu->shadowed = cpu->interrupt_shadow;
    cpu->interrupt_shadow = false; /* it covers this one instruction */
    attention_set(cpu, ATTENTION_SINGLE);
    cpu->single = true;
    const struct insn *in = block_find(cpu, true)->insn;
    while (in)
        in = in->fn(cpu, in);
    cpu->single = cpu->shadowed = false;
    attention_clear(cpu, ATTENTION_SINGLE);
    cpu->latch = (struct io_latch){0};
    if (stepping && !cpu->interrupt_shadow)
        raise_single_step(cpu);
}

bool cpu_step(struct cpu *cpu)
{
    jmp_buf outer;
    memcpy(&outer, &cpu->unwind, sizeof(outer));
    enum unwind why = (enum unwind)setjmp(cpu->unwind);
    if (why == UNWIND_NONE)
        run_alone(cpu);
    else
        cpu->exit_ready |= unwound(cpu, why);
    memcpy(&cpu->unwind, &outer, sizeof(outer));
    return why == UNWIND_NONE;
}

#define LOOK_EVERY (UINT64_C(1) << 18) /* instructions */

/* Does the direct executor take what comes next? */
static bool run_directly(struct cpu *cpu)
{
    if (!cpu->executor)
        return false;
    cpu->trapped = false;
    cpu->look_at = cpu->icount + LOOK_EVERY;
    return cpu->executor->run(cpu);
}

static void run_blocks(struct cpu *cpu)
{
    while (!must_leave(cpu)) {
        if (unlikely(must_run_alone(cpu))) {
            run_alone(cpu);
            continue;
        }
        if (run_directly(cpu))
            continue;
        const struct insn *in = block_find(cpu, false)->insn;
        while (in)
            in = in->fn(cpu, in);
    }
}

/* The machine has answered the read that the last run() came back with. */
static void accept_answer(struct cpu *cpu, const struct vm_exit *exit)
{
    if (!cpu->io_pending)
        return;
    cpu->io_pending = false;
    cpu->latch.used = 0;
    if (exit->kind == VM_EXIT_IO)
        cpu->latch.port_valid = true;
    else if (cpu->latch.reads < MMIO_LATCH_MAX)
        cpu->latch.value[cpu->latch.reads++] = exit->mmio.value;
    attention_set(cpu, ATTENTION_SINGLE);
}

void cpu_run(struct cpu *cpu, struct vm_exit *exit, uint64_t budget)
{
    accept_answer(cpu, exit);
    cpu->exit = exit;
    cpu->icount_limit = budget ? cpu->icount + budget : UINT64_MAX;
    fpu_enter(cpu);
    enum unwind why = (enum unwind)setjmp(cpu->unwind);
    if (why == UNWIND_NONE || !unwound(cpu, why))
        run_blocks(cpu);
    fpu_leave(cpu);

    struct stats *stats = cpu->stats;
    stats->counter[COUNTER_INSTRUCTIONS] = cpu->icount;
    uint64_t misses = stats->counter[COUNTER_TLB_MISSES];
    stats->counter[COUNTER_TLB_HITS] = cpu->mem_accesses > misses ? cpu->mem_accesses - misses : 0;
}
