/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep_state.c - the table of the fields of struct cpu_state (lockstep_state.h).
 *
 * The padding of the structure is in no field, so it counts in no comparison; nor do the six unused bytes of each x87
 * register.
 */
#include "lockstep_state.h"

#include <stdio.h>
#include <string.h>

#define SIZED(text, member, bytes, shown)                      \
    {                                                          \
        text, offsetof(struct cpu_state, member), bytes, shown \
    }
#define FIELD(text, member) SIZED(text, member, sizeof(((struct cpu_state *)0)->member), false)
#define SHOWN(text, member) SIZED(text, member, sizeof(((struct cpu_state *)0)->member), true)
#define SEGMENT(text, index)                                                                                        \
    FIELD(text, seg[index].selector), FIELD(text ".base", seg[index].base), FIELD(text ".limit", seg[index].limit), \
        FIELD(text ".attr", seg[index].attr)
#define X87(text, index) SIZED(text, fpu.st[index], 10, false)
#define XMM(text, index) FIELD(text, fpu.xmm[index])

const struct state_field state_fields[] = {
    SHOWN("rip", rip),
    SHOWN("rflags", rflags),
    SHOWN("rax", gpr[RAX]),
    SHOWN("rbx", gpr[RBX]),
    SHOWN("rcx", gpr[RCX]),
    SHOWN("rdx", gpr[RDX]),
    SHOWN("rsi", gpr[RSI]),
    SHOWN("rdi", gpr[RDI]),
    SHOWN("rbp", gpr[RBP]),
    SHOWN("rsp", gpr[RSP]),
    SHOWN("r8", gpr[R8]),
    SHOWN("r9", gpr[R9]),
    SHOWN("r10", gpr[R10]),
    SHOWN("r11", gpr[R11]),
    SHOWN("r12", gpr[R12]),
    SHOWN("r13", gpr[R13]),
    SHOWN("r14", gpr[R14]),
    SHOWN("r15", gpr[R15]),
    SEGMENT("es", SEG_ES),
    SEGMENT("cs", SEG_CS),
    SEGMENT("ss", SEG_SS),
    SEGMENT("ds", SEG_DS),
    SEGMENT("fs", SEG_FS),
    SEGMENT("gs", SEG_GS),
    SEGMENT("ldtr", SEG_LDTR),
    SEGMENT("tr", SEG_TR),
    FIELD("gdtr.base", gdtr.base),
    FIELD("gdtr.limit", gdtr.limit),
    FIELD("idtr.base", idtr.base),
    FIELD("idtr.limit", idtr.limit),
    FIELD("cr0", cr0),
    FIELD("cr2", cr2),
    FIELD("cr3", cr3),
    FIELD("cr4", cr4),
    FIELD("cr8", cr8),
    FIELD("dr0", dr[0]),
    FIELD("dr1", dr[1]),
    FIELD("dr2", dr[2]),
    FIELD("dr3", dr[3]),
    FIELD("dr6", dr6),
    FIELD("dr7", dr7),
    FIELD("efer", efer),
    FIELD("star", star),
    FIELD("lstar", lstar),
    FIELD("cstar", cstar),
    FIELD("sfmask", sfmask),
    FIELD("kernel_gs_base", kernel_gs_base),
    FIELD("sysenter_cs", sysenter_cs),
    FIELD("sysenter_esp", sysenter_esp),
    FIELD("sysenter_eip", sysenter_eip),
    FIELD("pat", pat),
    FIELD("apic_base", apic_base),
    FIELD("tsc", tsc),
    FIELD("tsc_aux", tsc_aux),
    FIELD("misc_enable", misc_enable),
    FIELD("fcw", fpu.fcw),
    FIELD("fsw", fpu.fsw),
    FIELD("ftw", fpu.ftw),
    FIELD("fop", fpu.fop),
    FIELD("fip", fpu.fip),
    FIELD("fdp", fpu.fdp),
    FIELD("mxcsr", fpu.mxcsr),
    X87("st0", 0),
    X87("st1", 1),
    X87("st2", 2),
    X87("st3", 3),
    X87("st4", 4),
    X87("st5", 5),
    X87("st6", 6),
    X87("st7", 7),
    XMM("xmm0", 0),
    XMM("xmm1", 1),
    XMM("xmm2", 2),
    XMM("xmm3", 3),
    XMM("xmm4", 4),
    XMM("xmm5", 5),
    XMM("xmm6", 6),
    XMM("xmm7", 7),
    XMM("xmm8", 8),
    XMM("xmm9", 9),
    XMM("xmm10", 10),
    XMM("xmm11", 11),
    XMM("xmm12", 12),
    XMM("xmm13", 13),
    XMM("xmm14", 14),
    XMM("xmm15", 15),
    FIELD("event.valid", event.valid),
    FIELD("event.has_error", event.has_error),
    FIELD("event.vector", event.vector),
    FIELD("event.type", event.type),
    FIELD("event.error_code", event.error_code),
    FIELD("interrupt_shadow", interrupt_shadow),
    FIELD("nmi_blocked", nmi_blocked),
    FIELD("halted", halted),
};

const unsigned state_field_count = ARRAY_SIZE(state_fields);

bool field_differs(const struct state_field *field, const struct cpu_state *a, const struct cpu_state *b,
                   const struct cpu_state *ignore)
{
    const uint8_t *in_a = (const uint8_t *)a + field->offset, *in_b = (const uint8_t *)b + field->offset;
    const uint8_t *left_out = (const uint8_t *)ignore + field->offset;

    for (unsigned i = 0; i < field->size; i++) {
        if ((in_a[i] ^ in_b[i]) & ~left_out[i])
            return true;
    }
    return false;
}

bool states_differ(const struct cpu_state *a, const struct cpu_state *b, const struct cpu_state *ignore)
{
    if (memcmp(a, b, sizeof *a) == 0) /* nearly always */
        return false;
    for (unsigned i = 0; i < state_field_count; i++) {
        if (field_differs(&state_fields[i], a, b, ignore))
            return true;
    }
    return false;
}

void field_ignore(struct cpu_state *ignore, const struct state_field *field)
{
    memset((uint8_t *)ignore + field->offset, 0xff, field->size);
}

void field_text(const struct state_field *field, const struct cpu_state *state, char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)state + field->offset;
    size_t at = (size_t)snprintf(text, size, "0x");

    for (unsigned i = field->size; i-- > 0 && at + 3 <= size;)
        at += (size_t)snprintf(text + at, size - at, "%02x", bytes[i]);
}
