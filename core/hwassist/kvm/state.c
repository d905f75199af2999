/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.c - between struct cpu_state and KVM's four ways to the same registers: regs, sregs, FPU, MSRs, events.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

/* KVM's order of general registers is not that of the encoding. */
#define GENERAL(X) \
    X(RAX, rax)    \
    X(RBX, rbx)    \
    X(RCX, rcx)    \
    X(RDX, rdx)    \
    X(RSI, rsi)    \
    X(RDI, rdi)    \
    X(RSP, rsp) X(RBP, rbp) X(R8, r8) X(R9, r9) X(R10, r10) X(R11, r11) X(R12, r12) X(R13, r13) X(R14, r14) X(R15, r15)

#define SEGMENTS(X) \
    X(SEG_ES, es) X(SEG_CS, cs) X(SEG_SS, ss) X(SEG_DS, ds) X(SEG_FS, fs) X(SEG_GS, gs) X(SEG_LDTR, ldt) X(SEG_TR, tr)

/* Model-specific registers that struct cpu_state has a field for (SDM 4, chapter 2). */
static const struct msr_field {
    uint32_t index;
    size_t at;
} msr_fields[] = {
    {0xc0000081, offsetof(struct cpu_state, star)},
    {0xc0000082, offsetof(struct cpu_state, lstar)},
    {0xc0000083, offsetof(struct cpu_state, cstar)},
    {0xc0000084, offsetof(struct cpu_state, sfmask)},
    {0xc0000102, offsetof(struct cpu_state, kernel_gs_base)},
    {0x174, offsetof(struct cpu_state, sysenter_cs)},
    {0x175, offsetof(struct cpu_state, sysenter_esp)},
    {0x176, offsetof(struct cpu_state, sysenter_eip)},
    {0x277, offsetof(struct cpu_state, pat)},
    {0x10, offsetof(struct cpu_state, tsc)},
    {0x1a0, offsetof(struct cpu_state, misc_enable)},
    {0xc0000103, offsetof(struct cpu_state, tsc_aux)},
};
#define MSRS ARRAY_SIZE(msr_fields)

/* struct kvm_msrs, with room for its open array. */
struct msr_list {
    uint32_t count, padding;
    struct kvm_msr_entry entry[MSRS];
};
_Static_assert(offsetof(struct msr_list, entry) == sizeof(struct kvm_msrs), "struct kvm_msrs with its entries");

static struct segment_reg from_kvm(const struct kvm_segment *k)
{
    return (struct segment_reg){.base = k->base,
                                .limit = k->limit,
                                .selector = k->selector,
                                .attr = k->type | (uint32_t)k->s << 4 | (uint32_t)k->dpl << 5 |
                                        (uint32_t)k->present << 7 | (uint32_t)k->avl << 12 | (uint32_t)k->l << 13 |
                                        (uint32_t)k->db << 14 | (uint32_t)k->g << 15 | (uint32_t)k->unusable << 16};
}

static struct kvm_segment to_kvm(const struct segment_reg *s)
{
    return (struct kvm_segment){.base = s->base,
                                .limit = s->limit,
                                .selector = s->selector,
                                .type = s->attr & ATTR_TYPE,
                                .s = s->attr >> 4 & 1,
                                .dpl = s->attr >> 5 & 3,
                                .present = s->attr >> 7 & 1,
                                .avl = s->attr >> 12 & 1,
                                .l = s->attr >> 13 & 1,
                                .db = s->attr >> 14 & 1,
                                .g = s->attr >> 15 & 1,
                                .unusable = s->attr >> 16 & 1};
}

/* ---- a flat guest's ring 0 in ring 3 ---- */

#define RPL_3         3u
#define ATTR_BUSY_TSS 0xbu

static void lower(struct engine *e, struct cpu_state *s)
{
    e->tr = s->seg[SEG_TR];
    s->rflags |= FLAG_IOPL;
    s->seg[SEG_TR] = (struct segment_reg){
        .base = OPEN_TSS, .limit = OPEN_TSS_LAST, .attr = ATTR_P | ATTR_BUSY_TSS, .selector = e->tr.selector};
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        s->seg[i].attr |= ATTR_DPL;
        s->seg[i].selector |= RPL_3;
    }
}

static void raise_again(const struct engine *e, struct cpu_state *s)
{
    s->seg[SEG_TR] = e->tr;
    s->rflags &= ~(uint64_t)FLAG_IOPL; /* a flat guest has no use for it */
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        s->seg[i].attr &= ~ATTR_DPL;
        s->seg[i].selector &= (uint16_t)~RPL_3;
    }
}

/* ---- out ---- */

static void get_event(struct cpu_state *s, const struct kvm_vcpu_events *v)
{
    s->interrupt_shadow = v->interrupt.shadow;
    s->nmi_blocked = v->nmi.masked;
    if (v->exception.injected)
        s->event = (struct pending_event){.valid = true,
                                          .vector = v->exception.nr,
                                          .type = EVENT_EXCEPTION,
                                          .has_error = v->exception.has_error_code,
                                          .error_code = v->exception.error_code};
    else if (v->interrupt.injected)
        s->event = (struct pending_event){
            .valid = true, .vector = v->interrupt.nr, .type = v->interrupt.soft ? EVENT_SOFTWARE : EVENT_EXTERNAL};
    else if (v->nmi.injected)
        s->event = (struct pending_event){.valid = true, .vector = VEC_NMI, .type = EVENT_NMI};
}

static void get_fpu(struct fpu_state *f, const struct kvm_fpu *k)
{
    f->fcw = k->fcw, f->fsw = k->fsw, f->ftw = k->ftwx, f->fop = k->last_opcode;
    f->fip = k->last_ip, f->fdp = k->last_dp, f->mxcsr = k->mxcsr;
    memcpy(f->st, k->fpr, sizeof(f->st));
    memcpy(f->xmm, k->xmm, sizeof(f->xmm));
}

static void get_msrs(struct engine *e, struct cpu_state *s)
{
    struct msr_list list = {.count = MSRS};

    for (unsigned i = 0; i < MSRS; i++)
        list.entry[i].index = msr_fields[i].index;
    int got = ioctl(e->vcpu, KVM_GET_MSRS, &list); /* stops at the first that this KVM doesn't have */
    for (int i = 0; i < got; i++)
        memcpy((uint8_t *)s + msr_fields[i].at, &list.entry[i].data, sizeof(uint64_t));
}

/* Where the chips are in the kernel, the kernel waits in HLT, and knows. */
static bool is_halted(const struct engine *e)
{
    struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};

    if (!e->variant->chips)
        return e->halted;
    return ioctl(e->vcpu, KVM_GET_MP_STATE, &mp) == 0 && mp.mp_state == KVM_MP_STATE_HALTED;
}

static int put_halted(struct engine *e, bool halted, struct reason *why)
{
    struct kvm_mp_state mp = {.mp_state = halted ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE};

    return e->variant->chips ? kvm_vcpu(e, KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &mp, why) : 0;
}

void kvm_get_state(struct engine *e, struct cpu_state *s)
{
    struct kvm_regs regs = {0};
    struct kvm_sregs sregs = {0};
    struct kvm_fpu fpu = {0};
    struct kvm_vcpu_events events = {0};
    struct kvm_debugregs debug = {0};
    struct reason ignored = {""}; /* reading registers of a vCPU that exists doesn't fail; else they show as 0 */

    kvm_finish(e);
    cpu_state_reset(s);
    if (kvm_vcpu(e, KVM_GET_REGS, "KVM_GET_REGS", &regs, &ignored) ||
        kvm_vcpu(e, KVM_GET_SREGS, "KVM_GET_SREGS", &sregs, &ignored) ||
        kvm_vcpu(e, KVM_GET_FPU, "KVM_GET_FPU", &fpu, &ignored) ||
        kvm_vcpu(e, KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS", &debug, &ignored) ||
        kvm_vcpu(e, KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS", &events, &ignored))
        return;
#define X(ours, kvms) s->gpr[ours] = regs.kvms;
    GENERAL(X)
#undef X
#define X(ours, kvms) s->seg[ours] = from_kvm(&sregs.kvms);
    SEGMENTS(X)
#undef X
    s->rip = regs.rip, s->rflags = regs.rflags;
    s->gdtr = (struct table_reg){.base = sregs.gdt.base, .limit = sregs.gdt.limit};
    s->idtr = (struct table_reg){.base = sregs.idt.base, .limit = sregs.idt.limit};
    s->cr0 = sregs.cr0, s->cr2 = sregs.cr2, s->cr3 = sregs.cr3, s->cr4 = sregs.cr4, s->cr8 = sregs.cr8;
    s->efer = sregs.efer, s->apic_base = sregs.apic_base;
    memcpy(s->dr, debug.db, sizeof(s->dr));
    s->dr6 = debug.dr6, s->dr7 = debug.dr7;
    s->halted = is_halted(e);
    get_fpu(&s->fpu, &fpu);
    get_event(s, &events);
    get_msrs(e, s);
    if (e->variant->ring3)
        raise_again(e, s);
}

/* ---- in ---- */

static void put_event(struct kvm_vcpu_events *v, const struct cpu_state *s)
{
    const struct pending_event *event = &s->event;

    *v = (struct kvm_vcpu_events){.flags = KVM_VCPUEVENT_VALID_SHADOW};
    v->interrupt.shadow = s->interrupt_shadow ? KVM_X86_SHADOW_INT_STI : 0;
    v->nmi.masked = s->nmi_blocked;
    if (!event->valid)
        return;
    if (event->type == EVENT_EXCEPTION) {
        v->exception.injected = 1;
        v->exception.nr = event->vector;
        v->exception.has_error_code = event->has_error;
        v->exception.error_code = event->error_code;
    } else if (event->type == EVENT_NMI) {
        v->nmi.injected = 1;
    } else {
        v->interrupt.injected = 1;
        v->interrupt.nr = event->vector;
        v->interrupt.soft = event->type == EVENT_SOFTWARE;
    }
}

static int put_msrs(struct engine *e, const struct cpu_state *s, struct reason *why)
{
    struct msr_list list = {.count = MSRS};

    for (unsigned i = 0; i < MSRS; i++) {
        list.entry[i].index = msr_fields[i].index;
        memcpy(&list.entry[i].data, (const uint8_t *)s + msr_fields[i].at, sizeof(uint64_t));
    }
    int put = ioctl(e->vcpu, KVM_SET_MSRS, &list);
    if (put < 0)
        return fail(why, errno, "hwassist/kvm: KVM_SET_MSRS: %s", strerror(errno));
    if (put < (int)MSRS && list.entry[put].data) /* a register that isn't there may keep 0 */
        return fail(why, EINVAL, "hwassist/kvm: state refused: MSR %#x can't be %#llx", list.entry[put].index,
                    (unsigned long long)list.entry[put].data);
    return 0;
}

static int put_sregs(struct engine *e, const struct cpu_state *s, struct reason *why)
{
    struct kvm_sregs sregs = {0};

#define X(ours, kvms) sregs.kvms = to_kvm(&s->seg[ours]);
    SEGMENTS(X)
#undef X
    sregs.gdt.base = s->gdtr.base, sregs.gdt.limit = s->gdtr.limit;
    sregs.idt.base = s->idtr.base, sregs.idt.limit = s->idtr.limit;
    sregs.cr0 = s->cr0, sregs.cr2 = s->cr2, sregs.cr3 = s->cr3, sregs.cr4 = s->cr4, sregs.cr8 = s->cr8;
    sregs.efer = s->efer, sregs.apic_base = s->apic_base;
    return kvm_vcpu(e, KVM_SET_SREGS, "KVM_SET_SREGS (state refused)", &sregs, why);
}

static void put_fpu(struct kvm_fpu *k, const struct fpu_state *f)
{
    *k = (struct kvm_fpu){.fcw = f->fcw, .fsw = f->fsw, .ftwx = f->ftw, .last_opcode = f->fop};
    k->last_ip = f->fip, k->last_dp = f->fdp, k->mxcsr = f->mxcsr;
    memcpy(k->fpr, f->st, sizeof(f->st));
    memcpy(k->xmm, f->xmm, sizeof(f->xmm));
}

static int put_all(struct engine *e, const struct cpu_state *s, struct reason *why)
{
    struct kvm_regs regs = {.rip = s->rip, .rflags = s->rflags};
    struct kvm_debugregs debug = {.dr6 = s->dr6, .dr7 = s->dr7};
    struct kvm_vcpu_events events;
    struct kvm_fpu fpu;
    int err;

#define X(ours, kvms) regs.kvms = s->gpr[ours];
    GENERAL(X)
#undef X
    memcpy(debug.db, s->dr, sizeof(s->dr));
    put_fpu(&fpu, &s->fpu);
    put_event(&events, s);
    (void)((err = put_sregs(e, s, why)) || (err = kvm_vcpu(e, KVM_SET_REGS, "KVM_SET_REGS", &regs, why)) ||
           (err = put_msrs(e, s, why)) || (err = kvm_vcpu(e, KVM_SET_FPU, "KVM_SET_FPU", &fpu, why)) ||
           (err = kvm_vcpu(e, KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", &debug, why)) ||
           (err = kvm_vcpu(e, KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS", &events, why)) ||
           (err = put_halted(e, s->halted, why)));
    return err;
}

/* Refused states leave the old one in place: what was already taken over is put back. */
int kvm_set_state(struct engine *e, const struct cpu_state *wanted, struct reason *why)
{
    struct reason ignored = {""};
    struct segment_reg tr = e->tr;
    struct cpu_state s = *wanted, old;

    kvm_get_state(e, &old);
    if (e->variant->ring3) {
        lower(e, &old);
        lower(e, &s);
    }
    int err = put_all(e, &s, why);
    if (err) {
        (void)put_all(e, &old, &ignored);
        e->tr = tr;
        return err;
    }
    e->halted = s.halted && !e->variant->chips;
    e->injected = s.event.valid && s.event.type == EVENT_EXTERNAL;
    e->run->cr8 = e->cr8 = s.cr8;
    e->run->apic_base = e->apic_base = s.apic_base;
    e->run->if_flag = !!(s.rflags & FLAG_IF);
    e->run->ready_for_interrupt_injection = (s.rflags & FLAG_IF) && !s.interrupt_shadow && !s.event.valid;
    return 0;
}
