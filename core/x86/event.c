/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event.c - events before they reach their handler: raising exceptions, merging faults that come on the way, and INT n.
 *
 * An exception leaves its instruction by cpu_raise(): it is put into cpu->event, and the run loop calls cpu_deliver().
 * INT n is an instruction like any other: its handler delivers, and when that faults the instruction has done nothing.
 * Either way interrupt_deliver() does the work (interrupt.c), which changes the CPU only after its last access to
 * memory.
 *
 * Read next: interrupt.c.
 */
#include "x86/protect.h"

/* ---- raising ---- */

void cpu_raise(struct cpu *cpu, const struct insn *in, uint8_t vector)
{
    cpu->event = (struct pending_event){.valid = true, .type = EVENT_EXCEPTION, .vector = vector};
    cpu_unwind(cpu, in, UNWIND_EXCEPTION);
}

void cpu_raise_error(struct cpu *cpu, const struct insn *in, uint8_t vector, uint32_t error_code)
{
    cpu->event = (struct pending_event){
        .valid = true, .type = EVENT_EXCEPTION, .vector = vector, .has_error = true, .error_code = error_code};
    cpu_unwind(cpu, in, UNWIND_EXCEPTION);
}

void cpu_raise_pf(struct cpu *cpu, const struct insn *in, gva_t at, uint32_t error_code)
{
    if (cpu->nonroot)
        cpu->nonroot->cr2 = cpu->cr2; /* should it exit, CR2 stays */
    cpu->cr2 = at.v;
    cpu_raise_error(cpu, in, VEC_PF, error_code);
}

/* ---- cpu_deliver: with faults on the way (SDM 3, 6.15, interrupt 8, table 6-5) ---- */

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum severity severity_of(const struct pending_event *event)
{
    if (event->type != EVENT_EXCEPTION)
        return BENIGN;
    switch (event->vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP: return CONTRIBUTORY;
    case VEC_PF: return PAGE_FAULT;
    case VEC_DF: return DOUBLE_FAULT;
    default: return BENIGN;
    }
}

/* What is to be delivered when delivering `first` raised `second`. False: nothing any more, a triple fault. */
static bool merge(const struct pending_event *first, const struct pending_event *second, struct pending_event *next)
{
    enum severity one = severity_of(first), two = severity_of(second);
    *next = *second;
    if (one == DOUBLE_FAULT && two != BENIGN)
        return false;
    if ((one == CONTRIBUTORY && two == CONTRIBUTORY) || (one == PAGE_FAULT && two != BENIGN))
        *next = (struct pending_event){.valid = true, .type = EVENT_EXCEPTION, .vector = VEC_DF, .has_error = true};
    return true;
}

/* One attempt. UNWIND_NONE: delivered. In a function of its own because it is where a longjmp comes back to. */
static enum unwind attempt(struct cpu *cpu, const struct pending_event *event)
{
    static const struct insn no_instruction; /* fn is NULL: see cpu_unwind() */
    switch (setjmp(cpu->unwind)) {
    case UNWIND_NONE: interrupt_deliver(cpu, &no_instruction, event, cpu->rip + event->length); return UNWIND_NONE;
    case UNWIND_EXCEPTION: return UNWIND_EXCEPTION;
    case UNWIND_INTERCEPT: return UNWIND_INTERCEPT;
    default: return UNWIND_EXIT;
    }
}

/* What a hypervisor injected is no exit avoided. */
static void count_delivery(struct cpu *cpu, enum exit_index what, bool injected)
{
    if (!injected)
        cpu_count_sensitive(cpu, what);
}

static void count(struct cpu *cpu, const struct pending_event *event, bool injected)
{
    if (event->type == EVENT_EXTERNAL) {
        COUNT(cpu->stats, INTERRUPTS);
        count_delivery(cpu, EXIT_INDEX_EXTERNAL_INTERRUPT, injected);
        return;
    }
    COUNT(cpu->stats, EXCEPTIONS);
    if (event->type == EVENT_EXCEPTION && event->vector == VEC_PF) {
        COUNT(cpu->stats, TRUE_FAULTS);
        count_delivery(cpu, EXIT_INDEX_TRUE_FAULT, injected);
    } else {
        count_delivery(cpu, EXIT_INDEX_EXCEPTION, injected);
    }
}

/* In VMX non-root operation: does this exception exit, rather than be delivered? */
static bool intercepted(struct cpu *cpu, const struct pending_event *event)
{
    return cpu->nonroot && event->type == EVENT_EXCEPTION && cpu->nonroot->exception(cpu, event);
}

/*
 * The CPU turns to delivering `event`. True: it can't, because it is a double fault that exits. A double fault is not
 * seen as happening during the delivery of what caused it (SDM 3, 28.2.4).
 */
static bool now_delivers(struct cpu *cpu, const struct pending_event *event)
{
    if (likely(!cpu->nonroot))
        return false;
    cpu->nonroot->vectoring.valid = false;
    if (event->vector == VEC_DF && intercepted(cpu, event))
        return true;
    cpu->nonroot->vectoring = *event;
    return false;
}

/* The first event of a delivery: VM entry may have injected it, and then it is not intercepted. */
static bool first_exits(struct cpu *cpu, const struct pending_event *event)
{
    if (likely(!cpu->nonroot))
        return false;
    if (!cpu->nonroot->injected && intercepted(cpu, event))
        return true;
    cpu->nonroot->injected = false;
    cpu->nonroot->vectoring = *event;
    return false;
}

enum delivery cpu_deliver(struct cpu *cpu)
{
    jmp_buf outer;
    struct pending_event event = cpu->event;
    enum unwind how = UNWIND_NONE;
    const bool single = cpu->single, injected = cpu->nonroot && cpu->nonroot->injected;
    memcpy(&outer, &cpu->unwind, sizeof(outer));
    cpu->single = true; /* no block runs: stores to code pages and devices are simply done */
    bool alive = true, exits = first_exits(cpu, &event);
    while (alive && !exits && (how = attempt(cpu, &event)) == UNWIND_EXCEPTION) {
        struct pending_event first = event, second = cpu->event;
        exits = intercepted(cpu, &second);
        if (exits)
            break;
        alive = merge(&first, &second, &event);
        exits = alive && now_delivers(cpu, &event);
    }
    cpu->single = single;
    memcpy(&cpu->unwind, &outer, sizeof(outer));
    cpu->event = event;
    if (exits) {
        cpu->event.valid = false;
        return INTERCEPTED;
    }
    if (!alive) {
        cpu->event.valid = false;
        return TRIPLE_FAULT;
    }
    if (how != UNWIND_NONE)
        longjmp(cpu->unwind, (int)how);
    if (cpu->nonroot)
        cpu->nonroot->vectoring.valid = false;
    count(cpu, &event, injected);
    cpu->event.valid = false;
    cpu->interrupt_shadow = false;
    cpu->halted = false;
    cpu->latch = (struct io_latch){0};
    if (event.type == EVENT_NMI)
        cpu->nmi_blocked = true; /* until IRET (SDM 3, 6.7.1) */
    return DELIVERED;
}

/* ---- INT n, INT3, INTO, INT1 ---- */

static const struct insn *software_interrupt(struct cpu *cpu, const struct insn *in, enum event_type type,
                                             uint8_t vector)
{
    const struct pending_event event = {.valid = true, .type = (uint8_t)type, .vector = vector, .length = in->len};
    const uint8_t cpl = cpu->cpl;
    if (cpu->nonroot) {
        if (type != EVENT_SOFTWARE && cpu->nonroot->exception(cpu, &event))
            cpu_unwind(cpu, in, UNWIND_INTERCEPT);
        cpu->nonroot->vectoring = event;
    }
    interrupt_deliver(cpu, in, &event, cpu_next_rip(cpu, in));
    if (cpu->nonroot)
        cpu->nonroot->vectoring.valid = false;
    if (cpl == 3 && cpu->cpl < 3)
        cpu_count_sensitive(cpu, EXIT_INDEX_SYSCALL);
    return NULL;
}

static const struct insn *op_int(struct cpu *cpu, const struct insn *in)
{
    if (cpu_v86(cpu) && cpu_iopl(cpu) < 3)
        cpu_raise_error(cpu, in, VEC_GP, 0);
    return software_interrupt(cpu, in, EVENT_SOFTWARE, (uint8_t)in->imm);
}

static const struct insn *op_int3(struct cpu *cpu, const struct insn *in)
{
    return software_interrupt(cpu, in, EVENT_SOFTWARE_EXCEPTION, VEC_BP);
}

static const struct insn *op_into(struct cpu *cpu, const struct insn *in)
{
    if (!flag_of(&cpu->lf))
        return end_block(cpu, cpu_next_rip(cpu, in));
    return software_interrupt(cpu, in, EVENT_SOFTWARE_EXCEPTION, VEC_OF);
}

/* INT1 asks no gate for permission: a hardware event but for the address it pushes. */
static const struct insn *op_int1(struct cpu *cpu, const struct insn *in)
{
    return software_interrupt(cpu, in, EVENT_PRIVILEGED, VEC_DB);
}

bool select_int(const struct decoded *d, struct insn *in)
{
    in->flags |= INSN_LAST;
    switch (d->z.mnemonic) {
    case ZYDIS_MNEMONIC_INT: in->fn = op_int; break;
    case ZYDIS_MNEMONIC_INT3: in->fn = op_int3; break;
    case ZYDIS_MNEMONIC_INTO: in->fn = op_into; break;
    default: in->fn = op_int1; break;
    }
    return true;
}
