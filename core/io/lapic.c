/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lapic.c - the local APIC: its register page, priorities, and where interrupts come out to the CPU.
 *
 * An interrupt with a vector waits in IRR, moves to ISR when the CPU takes it, and leaves with EOI; TPR and ISR
 * together give PPR, the priority that a new one has to beat. The timer is lapic_timer.c. Section numbers are those of
 * the SDM, volume 3, chapter 11.
 *
 * Read next: pic.c, whose INTR arrives at LINT0.
 */
#include "io/lapic.h"
#include "io/lapic_timer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Register offsets, table 11-1. */
enum {
    REG_ID = 0x020,
    REG_VERSION = 0x030,
    REG_TPR = 0x080,
    REG_APR = 0x090,
    REG_PPR = 0x0a0,
    REG_EOI = 0x0b0,
    REG_RRD = 0x0c0,
    REG_LDR = 0x0d0,
    REG_DFR = 0x0e0,
    REG_SVR = 0x0f0,
    REG_ISR = 0x100, /* eight each of ISR, TMR and IRR, 16 bytes apart */
    REG_TMR = 0x180,
    REG_IRR = 0x200,
    REG_IRR_END = 0x280,
    REG_ESR = 0x280,
    REG_ICR_LOW = 0x300,
    REG_ICR_HIGH = 0x310,
    REG_LVT_TIMER = 0x320, /* the local vector table, 16 bytes apart */
    REG_LVT_END = 0x380,
    REG_INITIAL_COUNT = 0x380,
    REG_CURRENT_COUNT = 0x390,
    REG_DIVIDE = 0x3e0,
};

enum lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

/* The bits of each LVT entry that software can write (figure 11-8). */
static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x300ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

#define LVT_MASKED        0x10000u
#define LVT_PERIODIC      0x20000u
#define LVT_LEVEL         0x08000u
#define LVT_ACTIVE_LOW    0x02000u
#define DELIVERY_MODE     0x00700u /* of LVT and ICR */
#define DELIVER_FIXED     0x00000u
#define DELIVER_LOWEST    0x00100u
#define DELIVER_NMI       0x00400u
#define DELIVER_EXTINT    0x00700u
#define SVR_ENABLE        0x100u
#define SVR_WRITABLE      0x3ffu
#define VERSION           (0x14u | (LVT_COUNT - 1) << 16)
#define ICR_LOW_WRITABLE  0xccfffu /* not bit 12, delivery status: always idle here */
#define ICR_HIGH_WRITABLE 0xff000000u
#define ICR_LOGICAL       0x00800u
#define ICR_SHORTHAND     0xc0000u
#define SHORTHAND_NONE    0x00000u
#define SHORTHAND_SELF    0x40000u
#define SHORTHAND_ALL     0x80000u
#define BROADCAST         0xffu
#define ESR_SEND_VECTOR   0x20u /* a vector below 16 was to be sent */
#define ESR_RECV_VECTOR   0x40u /* ... received */
#define ESR_REGISTER      0x80u /* no such register */

struct vectors {
    uint32_t word[8];
};

struct lapic {
    struct vectors irr, isr;
    uint32_t id, tpr, ldr, dfr, svr, icr_low, icr_high, divide;
    uint32_t esr, errors; /* as read; collected since the last write to ESR */
    uint32_t lvt[LVT_COUNT];
    bool lint[2]; /* levels of the pins */
    bool enabled; /* IA32_APIC_BASE */
    bool nmi;
    struct lapic_timer timer;
    struct pic *pic;
    const struct guest_clock *clock;
};

static void set_vector(struct vectors *vectors, unsigned vector)
{
    vectors->word[vector / 32] |= 1u << vector % 32;
}

static void clear_vector(struct vectors *vectors, unsigned vector)
{
    vectors->word[vector / 32] &= ~(1u << vector % 32);
}

/* The highest vector in the set; 0, which is never in one, when it is empty. */
static unsigned highest(const struct vectors *vectors)
{
    for (int i = 7; i >= 0; i--) {
        if (vectors->word[i])
            return (unsigned)(32 * i + 31 - __builtin_clz(vectors->word[i]));
    }
    return 0;
}

/* 11.8.3.1: the task's priority or that of what is in service, whichever is higher. */
static unsigned ppr(const struct lapic *lapic)
{
    unsigned in_service = highest(&lapic->isr) & 0xf0;
    return (lapic->tpr & 0xf0) >= in_service ? lapic->tpr : in_service;
}

static bool software_enabled(const struct lapic *lapic)
{
    return lapic->svr & SVR_ENABLE;
}

/* A fixed interrupt arrives, from the timer, a pin or an IPI. */
static void accept_vector(struct lapic *lapic, unsigned vector);

static void error(struct lapic *lapic, uint32_t bit)
{
    bool first = !(lapic->errors & bit);
    uint32_t entry = lapic->lvt[LVT_ERROR];
    lapic->errors |= bit;
    if (first && !(entry & LVT_MASKED) && (entry & 0xff) >= 16) /* a bad vector here must not call us again */
        accept_vector(lapic, entry & 0xff);
}

static void accept_vector(struct lapic *lapic, unsigned vector)
{
    if (!lapic->enabled || !software_enabled(lapic))
        return;
    if (vector < 16)
        error(lapic, ESR_RECV_VECTOR);
    else
        set_vector(&lapic->irr, vector);
}

/* What an LVT entry does when its source fires. ExtINT is not an event but a path: see extint(). */
static void deliver_local(struct lapic *lapic, enum lvt source)
{
    uint32_t entry = lapic->lvt[source];
    if (entry & LVT_MASKED)
        return;
    switch (entry & DELIVERY_MODE) {
    case DELIVER_FIXED: accept_vector(lapic, entry & 0xff); break;
    case DELIVER_NMI: lapic->nmi = true; break;
    default: break; /* SMI, INIT: nobody is there to handle them */
    }
}

static bool lint_active(const struct lapic *lapic, unsigned pin)
{
    bool active_low = lapic->lvt[LVT_LINT0 + pin] & LVT_ACTIVE_LOW;
    return lapic->lint[pin] != active_low;
}

void lapic_set_lint(void *device, unsigned pin, bool level)
{
    struct lapic *lapic = device;
    if (pin > 1)
        return;
    bool was_active = lint_active(lapic, pin);
    lapic->lint[pin] = level;
    if (lapic->enabled && !was_active && lint_active(lapic, pin))
        deliver_local(lapic, LVT_LINT0 + pin);
}

/* Does the PIC's INTR reach the CPU now? */
static bool extint(const struct lapic *lapic)
{
    if (!lapic->pic || !pic_has_interrupt(lapic->pic))
        return false;
    if (!lapic->enabled)
        return true; /* 11.4.3: a disabled APIC isn't there, and LINT0 is the CPU's INTR pin */
    uint32_t entry = lapic->lvt[LVT_LINT0];
    return !(entry & LVT_MASKED) && (entry & DELIVERY_MODE) == DELIVER_EXTINT;
}

/* The vector in IRR that may interrupt the CPU now, or 0. */
static unsigned deliverable(const struct lapic *lapic)
{
    if (!lapic->enabled)
        return 0;
    /* 11.4.7.2: what is pending when software disables the APIC is still delivered. */
    unsigned vector = highest(&lapic->irr);
    return (vector & 0xf0) > (ppr(lapic) & 0xf0) ? vector : 0;
}

bool lapic_has_interrupt(const struct lapic *lapic)
{
    return extint(lapic) || deliverable(lapic) != 0;
}

uint8_t lapic_acknowledge(struct lapic *lapic)
{
    if (extint(lapic))
        return pic_acknowledge(lapic->pic);
    unsigned vector = deliverable(lapic);
    if (vector == 0)
        return lapic->svr & 0xff; /* 11.9: spurious, nothing goes into service */
    clear_vector(&lapic->irr, vector);
    set_vector(&lapic->isr, vector);
    return (uint8_t)vector;
}

bool lapic_take_nmi(struct lapic *lapic)
{
    bool nmi = lapic->nmi;
    lapic->nmi = false;
    return nmi;
}

static void fire_timer(struct lapic *lapic)
{
    if (lapic_timer_expired(&lapic->timer, guest_now(lapic->clock)))
        deliver_local(lapic, LVT_TIMER);
}

/* 11.6.2: does a message with this destination mean us? */
static bool addressed(const struct lapic *lapic)
{
    uint32_t destination = lapic->icr_high >> 24, own = lapic->ldr >> 24;
    if (destination == BROADCAST)
        return true;
    if (!(lapic->icr_low & ICR_LOGICAL))
        return destination == lapic->id >> 24;
    if (lapic->dfr >> 28 == 0xf) /* flat model */
        return destination & own;
    return destination >> 4 == own >> 4 && (destination & own & 0xf);
}

/* 11.6.1. There is one CPU, so a message to others goes nowhere, and INIT or SIPI to oneself means nothing. */
static void send_ipi(struct lapic *lapic)
{
    uint32_t shorthand = lapic->icr_low & ICR_SHORTHAND;
    bool self =
        shorthand == SHORTHAND_SELF || shorthand == SHORTHAND_ALL || (shorthand == SHORTHAND_NONE && addressed(lapic));
    uint32_t mode = lapic->icr_low & DELIVERY_MODE;
    unsigned vector = lapic->icr_low & 0xff;
    if ((mode == DELIVER_FIXED || mode == DELIVER_LOWEST) && vector < 16)
        error(lapic, ESR_SEND_VECTOR);
    else if (self && (mode == DELIVER_FIXED || mode == DELIVER_LOWEST))
        accept_vector(lapic, vector);
    else if (self && mode == DELIVER_NMI)
        lapic->nmi = true;
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    lapic->svr = value & SVR_WRITABLE;
    for (unsigned i = 0; i < LVT_COUNT && !software_enabled(lapic); i++)
        lapic->lvt[i] |= LVT_MASKED; /* 11.4.7.2 */
}

static void write_lvt(struct lapic *lapic, enum lvt index, uint32_t value)
{
    value &= lvt_writable[index];
    if (!software_enabled(lapic))
        value |= LVT_MASKED;
    lapic->lvt[index] = value;
    if (index == LVT_TIMER)
        lapic_timer_set_periodic(&lapic->timer, value & LVT_PERIODIC, guest_now(lapic->clock));
}

static uint32_t read_vectors(const struct vectors *vectors, uint64_t offset)
{
    return vectors->word[(offset >> 4) & 7];
}

static uint32_t read_register(struct lapic *lapic, uint64_t offset)
{
    if (offset >= REG_ISR && offset < REG_TMR)
        return read_vectors(&lapic->isr, offset);
    if (offset >= REG_TMR && offset < REG_IRR)
        return 0; /* nothing here is level-triggered: there is no I/O APIC */
    if (offset >= REG_IRR && offset < REG_IRR_END)
        return read_vectors(&lapic->irr, offset);
    if (offset >= REG_LVT_TIMER && offset < REG_LVT_END)
        return lapic->lvt[(offset - REG_LVT_TIMER) >> 4];
    switch (offset) {
    case REG_ID: return lapic->id;
    case REG_VERSION: return VERSION;
    case REG_TPR: return lapic->tpr;
    case REG_PPR: return ppr(lapic);
    case REG_LDR: return lapic->ldr;
    case REG_DFR: return lapic->dfr;
    case REG_SVR: return lapic->svr;
    case REG_ESR: return lapic->esr;
    case REG_ICR_LOW: return lapic->icr_low;
    case REG_ICR_HIGH: return lapic->icr_high;
    case REG_INITIAL_COUNT: return lapic->timer.initial;
    case REG_CURRENT_COUNT: return lapic_timer_current(&lapic->timer, guest_now(lapic->clock));
    case REG_DIVIDE: return lapic->divide;
    case REG_APR: /* only older models arbitrate, or read remotely */
    case REG_RRD:
    case REG_EOI: return 0;
    default: error(lapic, ESR_REGISTER); return 0;
    }
}

static void write_register(struct lapic *lapic, uint64_t offset, uint32_t value)
{
    if (offset >= REG_LVT_TIMER && offset < REG_LVT_END) {
        write_lvt(lapic, (enum lvt)((offset - REG_LVT_TIMER) >> 4), value);
        return;
    }
    switch (offset) {
    case REG_ID: lapic->id = value & 0xff000000u; break;
    case REG_TPR: lapic->tpr = value & 0xff; break;
    case REG_EOI: clear_vector(&lapic->isr, highest(&lapic->isr)); break;
    case REG_LDR: lapic->ldr = value & 0xff000000u; break;
    case REG_DFR: lapic->dfr = value | 0x0fffffffu; break;
    case REG_SVR: write_svr(lapic, value); break;
    case REG_ESR: /* 11.5.3: a write shows what was collected, and begins anew */
        lapic->esr = lapic->errors;
        lapic->errors = 0;
        break;
    case REG_ICR_LOW:
        lapic->icr_low = value & ICR_LOW_WRITABLE;
        send_ipi(lapic);
        break;
    case REG_ICR_HIGH: lapic->icr_high = value & ICR_HIGH_WRITABLE; break;
    case REG_INITIAL_COUNT: lapic_timer_start(&lapic->timer, value, guest_now(lapic->clock)); break;
    case REG_DIVIDE: /* bits 3, 1 and 0: 000 divides by 2 ... 110 by 128, 111 by 1 (figure 11-10) */
        lapic->divide = value & 0xb;
        lapic_timer_set_divider(&lapic->timer, ((((value >> 1) & 4) | (value & 3)) + 1) & 7, guest_now(lapic->clock));
        break;
    case REG_VERSION:
    case REG_PPR:
    case REG_CURRENT_COUNT: break; /* read-only */
    default: error(lapic, ESR_REGISTER);
    }
}

/* 11.4.1: registers are 32 bits on 16-byte boundaries; what other accesses do is undefined, and here nothing. */
static bool is_register(uint64_t offset, unsigned size)
{
    return size == 4 && (offset & 15) == 0;
}

static uint64_t lapic_read(void *device, uint64_t offset, unsigned size)
{
    struct lapic *lapic = device;
    if (!lapic->enabled)
        return UINT64_MAX;
    if (!is_register(offset, size))
        return 0;
    fire_timer(lapic);
    return read_register(lapic, offset);
}

static void lapic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct lapic *lapic = device;
    if (!lapic->enabled || !is_register(offset, size))
        return;
    fire_timer(lapic);
    write_register(lapic, offset, (uint32_t)value);
}

static void power_up(struct lapic *lapic)
{
    memset(&lapic->irr, 0, sizeof lapic->irr);
    memset(&lapic->isr, 0, sizeof lapic->isr);
    lapic->id = lapic->tpr = lapic->ldr = lapic->icr_low = lapic->icr_high = 0;
    lapic->esr = lapic->errors = 0;
    lapic->dfr = UINT32_MAX;
    lapic->svr = 0xff;
    for (unsigned i = 0; i < LVT_COUNT; i++)
        lapic->lvt[i] = LVT_MASKED;
    lapic->nmi = false;
    lapic->divide = 0;
    lapic->timer = (struct lapic_timer){.shift = 1, .expires = UINT64_MAX};
}

void lapic_set_base(struct lapic *lapic, uint64_t value)
{
    bool enable = value & APIC_BASE_ENABLE;
    if (enable && !lapic->enabled)
        power_up(lapic); /* 11.4.3 */
    lapic->enabled = enable;
}

void lapic_set_cr8(struct lapic *lapic, uint64_t cr8)
{
    lapic->tpr = (uint32_t)(cr8 & 15) << 4;
}

uint64_t lapic_cr8(const struct lapic *lapic)
{
    return lapic->tpr >> 4;
}

/* Registers that hold nothing but what was written or collected; the vectors and the timer need more care. */
static const struct {
    unsigned offset;
    size_t at;
} plain_registers[] = {
    {REG_ID, offsetof(struct lapic, id)},           {REG_TPR, offsetof(struct lapic, tpr)},
    {REG_LDR, offsetof(struct lapic, ldr)},         {REG_DFR, offsetof(struct lapic, dfr)},
    {REG_SVR, offsetof(struct lapic, svr)},         {REG_ESR, offsetof(struct lapic, esr)},
    {REG_ICR_LOW, offsetof(struct lapic, icr_low)}, {REG_ICR_HIGH, offsetof(struct lapic, icr_high)},
};

static uint32_t *plain(struct lapic *lapic, unsigned i)
{
    return (uint32_t *)((uint8_t *)lapic + plain_registers[i].at);
}

void lapic_save(struct lapic *lapic, uint32_t state[LAPIC_REGISTERS])
{
    fire_timer(lapic);
    memset(state, 0, LAPIC_REGISTERS * sizeof *state);
    for (unsigned i = 0; i < ARRAY_SIZE(plain_registers); i++)
        state[plain_registers[i].offset >> 4] = *plain(lapic, i);
    for (unsigned i = 0; i < 8; i++) {
        state[(REG_ISR >> 4) + i] = lapic->isr.word[i];
        state[(REG_IRR >> 4) + i] = lapic->irr.word[i];
    }
    for (unsigned i = 0; i < LVT_COUNT; i++)
        state[(REG_LVT_TIMER >> 4) + i] = lapic->lvt[i];
    for (unsigned offset = REG_INITIAL_COUNT; offset <= REG_CURRENT_COUNT; offset += 16)
        state[offset >> 4] = read_register(lapic, offset);
    state[REG_DIVIDE >> 4] = lapic->divide;
    state[REG_VERSION >> 4] = VERSION;
    state[REG_PPR >> 4] = ppr(lapic);
}

void lapic_restore(struct lapic *lapic, const uint32_t state[LAPIC_REGISTERS])
{
    for (unsigned i = 0; i < ARRAY_SIZE(plain_registers); i++)
        *plain(lapic, i) = state[plain_registers[i].offset >> 4];
    lapic->svr &= SVR_WRITABLE;
    lapic->tpr &= 0xff;
    for (unsigned i = 0; i < 8; i++) {
        lapic->isr.word[i] = state[(REG_ISR >> 4) + i];
        lapic->irr.word[i] = state[(REG_IRR >> 4) + i];
    }
    for (unsigned i = 0; i < LVT_COUNT; i++)
        lapic->lvt[i] = state[(REG_LVT_TIMER >> 4) + i] & lvt_writable[i];
    lapic->timer = (struct lapic_timer){.shift = 1, .expires = UINT64_MAX};
    write_register(lapic, REG_DIVIDE, state[REG_DIVIDE >> 4]);
    lapic_timer_resume(&lapic->timer, state[REG_INITIAL_COUNT >> 4], state[REG_CURRENT_COUNT >> 4],
                       lapic->lvt[LVT_TIMER] & LVT_PERIODIC, guest_now(lapic->clock));
}

static void lapic_reset(void *device)
{
    struct lapic *lapic = device;
    power_up(lapic);
    lapic->lvt[LVT_LINT0] = DELIVER_EXTINT; /* as firmware leaves it, see lapic.h */
    lapic->enabled = true;
}

static uint64_t lapic_deadline(void *device)
{
    const struct lapic *lapic = device;
    bool heard = lapic->enabled && !(lapic->lvt[LVT_TIMER] & LVT_MASKED);
    return heard ? lapic->timer.expires : NEVER;
}

static void lapic_advance(void *device, uint64_t now_ns)
{
    struct lapic *lapic = device;
    if (now_ns >= lapic->timer.expires)
        fire_timer(lapic);
}

static const struct bus_ops lapic_page = {lapic_read, lapic_write, .byte_wide = false};

struct lapic *lapic_create(struct bus *mmio, struct pic *pic, const struct guest_clock *clock, struct reason *why)
{
    struct lapic *lapic = calloc(1, sizeof *lapic);
    if (!lapic) {
        fail(why, ENOMEM, "lapic: out of memory");
        return NULL;
    }
    lapic->clock = clock;
    lapic->pic = pic;
    lapic_reset(lapic);
    if (bus_claim(mmio, "lapic", LAPIC_BASE, PAGE_SIZE, &lapic_page, lapic, why)) {
        free(lapic);
        return NULL;
    }
    if (pic)
        pic_connect(pic, (struct irq_line){lapic_set_lint, lapic, 0});
    return lapic;
}

const struct device_ops lapic_ops = {
    .name = "lapic", .reset = lapic_reset, .deadline = lapic_deadline, .advance = lapic_advance, .destroy = free};
