/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.c - the loop of a hypervisor: prepare an entry, enter, look why the guest came out, do something about it.
 *
 *     vcpu_run -> enter_guest -> vmlaunch/vmresume -> ... guest ... -> handle_exit -> RESUME: again
 *                                                                                    TO_MACHINE: back to the machine
 *
 * Read next: handlers.c.
 */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <errno.h>
#include <string.h>

#define SHADOW          ((uint64_t)(BLOCKING_STI | BLOCKING_MOV_SS))
#define DR6_SINGLE_STEP UINT64_C(0x4000)

/* ---- what handlers share ---- */

void inject_exception(struct vcpu *vcpu, uint8_t vector)
{
    vcpu->event = (struct pending_event){.valid = true, .type = EVENT_EXCEPTION, .vector = vector};
}

void inject_error(struct vcpu *vcpu, uint8_t vector, uint32_t error_code)
{
    inject_exception(vcpu, vector);
    vcpu->event.has_error = true;
    vcpu->event.error_code = error_code;
}

/* What the processor does behind each instruction: RIP, the interrupt shadow's end, the trap of single-stepping. */
void skip_instruction(struct vcpu *vcpu)
{
    uint64_t rip = rd(vcpu, VMCS_GUEST_RIP) + rd(vcpu, VMCS_EXIT_INSTRUCTION_LENGTH);
    uint64_t attr = rd(vcpu, VMCS_GUEST_CS_ATTR);
    bool code64 = (rd(vcpu, VMCS_GUEST_EFER) & EFER_LMA) && (attr & ATTR_L);
    wr(vcpu, VMCS_GUEST_RIP, code64 ? rip : attr & ATTR_DB ? (uint32_t)rip : (uint16_t)rip);
    wr(vcpu, VMCS_GUEST_INTERRUPTIBILITY, rd(vcpu, VMCS_GUEST_INTERRUPTIBILITY) & ~SHADOW);
    if (rd(vcpu, VMCS_GUEST_RFLAGS) & FLAG_TF) {
        *vmx_registers(vcpu->vmx).dr6 |= DR6_SINGLE_STEP;
        inject_exception(vcpu, VEC_DB);
    }
    vmx_retire(vcpu->vmx, 1);
}

void reclassify(struct vcpu *vcpu, enum exit_index from, enum exit_index to)
{
    vcpu->machine->stats->exits[from].taken--;
    vcpu->machine->stats->exits[to].taken++;
}

bool vcpu_can_inject(struct vcpu *vcpu)
{
    if (emulating(vcpu))
        return emulator_can_inject(vcpu);
    return !vcpu->event.valid && !vcpu->in_pending && (rd(vcpu, VMCS_GUEST_RFLAGS) & FLAG_IF) &&
           !(rd(vcpu, VMCS_GUEST_INTERRUPTIBILITY) & SHADOW);
}

void vcpu_inject(struct vcpu *vcpu, uint8_t vector)
{
    if (emulating(vcpu))
        emulator_inject(vcpu, vector);
    else
        vcpu->event = (struct pending_event){.valid = true, .type = EVENT_EXTERNAL, .vector = vector};
}

/* ---- before an entry ---- */

/* VM-entry event injection (SDM 3, 27.6). */
static void prepare_event(struct vcpu *vcpu)
{
    const struct pending_event *event = &vcpu->event;
    if (!event->valid)
        return;
    wr(vcpu, VMCS_ENTRY_INTERRUPTION,
       INTERRUPTION_VALID | event->vector | (uint32_t)event->type << 8 | (event->has_error ? INTERRUPTION_ERROR : 0));
    wr(vcpu, VMCS_ENTRY_ERROR_CODE, event->error_code);
    wr(vcpu, VMCS_ENTRY_INSTRUCTION_LENGTH, event->length);
    vcpu->event.valid = vcpu->halted = false;
}

static void prepare_window(struct vcpu *vcpu)
{
    uint32_t controls = vcpu->cpu_controls & ~CPU_INTERRUPT_WINDOW;
    if (vcpu->window_wanted)
        controls |= CPU_INTERRUPT_WINDOW;
    if (controls != vcpu->cpu_controls)
        wr(vcpu, VMCS_CPU_CONTROLS, vcpu->cpu_controls = controls);
}

/* A budget of instructions is the preemption timer's affair: in virtual time a tick of the TSC is an instruction. */
static void prepare_timer(struct vcpu *vcpu)
{
    uint64_t pin = rd(vcpu, VMCS_PIN_CONTROLS), left = vcpu->limit - vmx_retired(vcpu->vmx);
    uint64_t wanted = vcpu->limit ? pin | PIN_PREEMPTION_TIMER : pin & ~(uint64_t)PIN_PREEMPTION_TIMER;
    if (wanted != pin)
        wr(vcpu, VMCS_PIN_CONTROLS, wanted);
    if (vcpu->limit)
        wr(vcpu, VMCS_PREEMPTION_TIMER, left < UINT32_MAX ? left : UINT32_MAX);
}

/* ---- entry ---- */

/* The assembler around VMRESUME: the guest's general registers in, and out again. */
static enum vmx_result switch_to_guest(struct vcpu *vcpu)
{
    uint64_t *registers = vmx_registers(vcpu->vmx).gpr;
    wr(vcpu, VMCS_GUEST_RSP, vcpu->gpr[RSP]);
    memcpy(registers, vcpu->gpr, sizeof(vcpu->gpr));
    enum vmx_result result = vcpu->launched ? vmresume(vcpu->vmx) : vmlaunch(vcpu->vmx);
    memcpy(vcpu->gpr, registers, sizeof(vcpu->gpr));
    vcpu->gpr[RSP] = rd(vcpu, VMCS_GUEST_RSP);
    return result;
}

/* An event whose delivery led to the exit is injected again, unless a handler thinks better of it (SDM 3, 28.2.4). */
static void take_back_event(struct vcpu *vcpu)
{
    uint32_t info = (uint32_t)rd(vcpu, VMCS_VECTORING);
    if (!(info & INTERRUPTION_VALID))
        return;
    vcpu->event = (struct pending_event){.valid = true, .vector = (uint8_t)info, .type = info >> 8 & 7};
    if (info & INTERRUPTION_ERROR) {
        vcpu->event.has_error = true;
        vcpu->event.error_code = (uint32_t)rd(vcpu, VMCS_VECTORING_ERROR_CODE);
    }
    if (vcpu->event.type >= EVENT_SOFTWARE)
        vcpu->event.length = (uint8_t)rd(vcpu, VMCS_EXIT_INSTRUCTION_LENGTH);
}

static enum handled back_to_machine(struct vcpu *vcpu, enum vm_exit_kind kind)
{
    vcpu->exit->kind = kind;
    return TO_MACHINE;
}

static enum handled no_entry(struct vcpu *vcpu)
{
    vcpu->exit->kind = VM_EXIT_ERROR;
    (void)fail(&vcpu->exit->why, EIO, "VM entry failed with error %u: %s", (unsigned)rd(vcpu, VMCS_INSTRUCTION_ERROR),
               vmx_refusal(vcpu->vmx));
    return TO_MACHINE;
}

/* One entry, and what to do about the exit that ends it. */
static enum handled enter_guest(struct vcpu *vcpu)
{
    struct pending_event event = vcpu->event;
    prepare_event(vcpu);
    prepare_window(vcpu);
    prepare_timer(vcpu);
    if (switch_to_guest(vcpu) != VMX_EXITED)
        return no_entry(vcpu);
    uint32_t reason = (uint32_t)rd(vcpu, VMCS_EXIT_REASON);
    if (reason & EXIT_ENTRY_FAILED) { /* a state that VT-x can't enter: software carries the guest on */
        wr(vcpu, VMCS_ENTRY_INTERRUPTION, 0);
        vcpu->event = event;
        return vmx_take_interrupt(vcpu->vmx) ? back_to_machine(vcpu, VM_EXIT_INTERRUPTED) : emulate(vcpu);
    }
    vcpu->launched = true;
    take_back_event(vcpu);
    return handle_exit(vcpu, reason & EXIT_BASIC);
}

/* One turn of the loop. */
static enum handled turn(struct vcpu *vcpu)
{
    if (emulating(vcpu))
        return emulate_continue(vcpu);
    if (vcpu->halted && !vcpu->event.valid)
        return back_to_machine(vcpu, VM_EXIT_HLT);
    if (vcpu->limit && vmx_retired(vcpu->vmx) >= vcpu->limit && !vcpu->event.valid)
        return back_to_machine(vcpu, VM_EXIT_INTERRUPTED);
    if (vcpu->shadow && !vtx_shadow_enterable(vcpu))
        return emulate(vcpu);
    return enter_guest(vcpu);
}

void vcpu_run(struct vcpu *vcpu, struct vm_exit *exit, uint64_t budget)
{
    vcpu->exit = exit;
    vcpu->limit = budget ? vmx_retired(vcpu->vmx) + budget : 0;
    if (vcpu->in_pending)
        finish_in(vcpu);
    while (turn(vcpu) == RESUME)
        ;
}
