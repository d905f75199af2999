/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chips.c - hwassist/kvm:irqchip: the kernel has the interrupt controllers and the timer (KVM API 4.24, 4.25, 4.71).
 *
 * With them in user space an interrupt costs ways out of the guest: for the window, for the end-of-interrupt's port
 * write, for HLT. Here the kernel does all of that, and only the devices are ours: they raise lines by an ioctl. The
 * state goes to and from the machine's own chips (include/virtlab/chips.h), so a guest can travel. What one side has
 * and the other hasn't is refused by name: the I/O APIC, of which our machine has none, and modes of the 8259A that KVM
 * lacks. KVM tells no phase of the timer's channel 0: there its period begins anew.
 */
#include "hwassist/kvm/kvm.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define IOAPIC_MASKED (UINT64_C(1) << 16) /* of a redirection entry */
#define ICW1          0x10
#define ICW1_IC4      0x01
#define ICW1_SNGL     0x02
#define ICW1_LTIM     0x08
#define NO_MODE       0xff /* of a channel that was never programmed */
#define PORT61_GATE2  0x01
#define NS_PER_S      UINT64_C(1000000000)
#define CASCADE       2

/* Which byte of a count KVM's channel gives or takes next; the last two are the first and second of a pair. */
enum { NEXT_LOW = 1, NEXT_HIGH, NEXT_FIRST, NEXT_SECOND };

static int of_vm(struct engine *e, unsigned long request, const char *name, void *argument, struct reason *why)
{
    if (ioctl(e->vm, request, argument) < 0)
        return fail(why, errno, "hwassist/kvm: %s: %s", name, strerror(errno));
    return 0;
}

int kvm_make_chips(struct engine *e, struct reason *why)
{
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY}; /* port 0x61 too */
    int err = of_vm(e, KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP", NULL, why);

    return err ? err : of_vm(e, KVM_CREATE_PIT2, "KVM_CREATE_PIT2", &pit, why);
}

static void set_irq(struct engine *e, unsigned irq, bool level)
{
    struct kvm_irq_level line = {.irq = irq, .level = level};
    struct reason ignored = {""}; /* a line below 16 of chips that are there */

    (void)of_vm(e, KVM_IRQ_LINE, "KVM_IRQ_LINE", &line, &ignored);
}

/* ---- the two 8259A ---- */

/* KVM has no word for a chip that was never initialised; no kernel would want its vectors at 0, among the exceptions.
 */
static enum pic_step step_of(const struct kvm_pic_state *k)
{
    if (k->init_state == 0)
        return k->irq_base ? PIC_OPERATES : PIC_NEVER_INITIALISED;
    return k->init_state == 1 ? PIC_WANTS_ICW2 : k->init_state == 2 ? PIC_WANTS_ICW3 : PIC_WANTS_ICW4;
}

static uint8_t init_state_of(enum pic_step step)
{
    return step == PIC_WANTS_ICW2 ? 1 : step == PIC_WANTS_ICW3 ? 2 : step == PIC_WANTS_ICW4 ? 3 : 0;
}

static struct pic_chip from_kvm(const struct kvm_pic_state *k)
{
    return (struct pic_chip){.lines = k->last_irr,
                             .latched = k->irr,
                             .isr = k->isr,
                             .imr = k->imr,
                             .elcr = k->elcr,
                             .icw1 = ICW1 | (k->init4 ? ICW1_IC4 : 0),
                             .vector_base = k->irq_base,
                             .first = k->priority_add,
                             .step = step_of(k),
                             .auto_eoi = k->auto_eoi,
                             .rotate_on_auto_eoi = k->rotate_on_auto_eoi,
                             .special_fully_nested = k->special_fully_nested_mode,
                             .special_mask = k->special_mask,
                             .poll = k->poll,
                             .read_isr = k->read_reg_select};
}

static struct kvm_pic_state to_kvm(const struct pic_chip *s, bool is_slave)
{
    return (struct kvm_pic_state){.elcr_mask = is_slave ? 0xde : 0xf8, /* which inputs can be level-triggered */
                                  .last_irr = s->lines,
                                  .irr = (s->latched & (uint8_t)~s->elcr) | (s->lines & s->elcr),
                                  .isr = s->isr,
                                  .imr = s->imr,
                                  .elcr = s->elcr,
                                  .init4 = s->icw1 & ICW1_IC4,
                                  .irq_base = s->vector_base,
                                  .priority_add = s->first,
                                  .init_state = init_state_of(s->step),
                                  .auto_eoi = s->auto_eoi,
                                  .rotate_on_auto_eoi = s->rotate_on_auto_eoi,
                                  .special_fully_nested_mode = s->special_fully_nested,
                                  .special_mask = s->special_mask,
                                  .poll = s->poll,
                                  .read_reg_select = s->read_isr};
}

static int get_pics(struct engine *e, struct pic_chip pic[2], struct reason *why)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct kvm_irqchip chip = {.chip_id = i}; /* KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE */
        int err = of_vm(e, KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip, why);
        if (err)
            return err;
        pic[i] = from_kvm(&chip.chip.pic);
    }
    return 0;
}

/* The levels of the lines are said once more: those who drive them are counted apart from the chips' state. */
static int set_pics(struct engine *e, const struct pic_chip pic[2], struct reason *why)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct kvm_irqchip chip = {.chip_id = i, .chip.pic = to_kvm(&pic[i], i == 1)};
        int err = of_vm(e, KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &chip, why);
        if (err)
            return err;
    }
    for (unsigned irq = 1; irq < 16; irq++)
        if (irq != CASCADE && pic[irq / 8].lines >> irq % 8 & 1)
            set_irq(e, irq, true);
    return 0;
}

/* ---- the 8254 ---- */

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct pit_counter from_channel(const struct kvm_pit_channel_state *k, unsigned number, uint64_t now)
{
    bool programmed = k->mode <= 5;
    uint64_t since = (uint64_t)k->count_load_time;

    return (struct pit_counter){.mode = programmed ? k->mode : 3,
                                .bcd = k->bcd,
                                .gate = k->gate,
                                .loaded = programmed,
                                .count = (uint16_t)k->count,
                                .age_ns = number && since && since < now ? now - since : 0,
                                .access = programmed ? (enum pit_access)(k->rw_mode & 3) : PIT_ACCESS_BOTH,
                                .write_high_next = k->write_state == NEXT_SECOND,
                                .read_high_next = k->read_state == NEXT_SECOND ||
                                                  (k->rw_mode == PIT_ACCESS_BOTH && k->count_latched == NEXT_HIGH),
                                .low_byte = k->write_latch,
                                .count_latched = k->count_latched,
                                .status_latched = k->status_latched,
                                .latched_count = k->latched_count,
                                .latched_status = k->status};
}

static uint8_t next_byte(enum pit_access access, bool high_next)
{
    if (access != PIT_ACCESS_BOTH)
        return access == PIT_ACCESS_HIGH ? NEXT_HIGH : NEXT_LOW;
    return high_next ? NEXT_SECOND : NEXT_FIRST;
}

static uint8_t latch_of(const struct pit_counter *s)
{
    if (!s->count_latched)
        return 0;
    return s->access == PIT_ACCESS_BOTH && !s->read_high_next ? NEXT_FIRST
           : s->access == PIT_ACCESS_LOW                      ? NEXT_LOW
                                                              : NEXT_HIGH;
}

static struct kvm_pit_channel_state to_channel(const struct pit_counter *s, uint64_t now)
{
    return (struct kvm_pit_channel_state){.mode = s->loaded ? s->mode : NO_MODE,
                                          .bcd = s->bcd,
                                          .gate = s->gate,
                                          .count = s->count ? s->count : 0x10000,
                                          .count_load_time = (int64_t)(s->age_ns < now ? now - s->age_ns : 0),
                                          .rw_mode = s->access,
                                          .write_state = next_byte(s->access, s->write_high_next),
                                          .read_state = next_byte(s->access, s->read_high_next && !s->count_latched),
                                          .write_latch = s->low_byte,
                                          .count_latched = latch_of(s),
                                          .status_latched = s->status_latched,
                                          .latched_count = s->latched_count,
                                          .status = s->latched_status};
}

static int get_pit(struct engine *e, struct chips_state *s, struct reason *why)
{
    struct kvm_pit_state2 pit = {.flags = 0};
    uint64_t now = monotonic_ns();
    int err = of_vm(e, KVM_GET_PIT2, "KVM_GET_PIT2", &pit, why);

    for (unsigned i = 0; i < 3 && !err; i++)
        s->pit[i] = from_channel(&pit.channels[i], i, now);
    s->speaker = pit.channels[2].gate ? PORT61_GATE2 : 0;
    return err;
}

static int set_pit(struct engine *e, const struct chips_state *s, struct reason *why)
{
    struct kvm_pit_state2 pit = {.flags = 0};
    uint64_t now = monotonic_ns();

    for (unsigned i = 0; i < 3; i++)
        pit.channels[i] = to_channel(&s->pit[i], now);
    return of_vm(e, KVM_SET_PIT2, "KVM_SET_PIT2", &pit, why);
}

/* ---- the APICs ---- */

static int get_lapic(struct engine *e, uint32_t reg[LAPIC_REGISTERS], struct reason *why)
{
    struct kvm_lapic_state page;
    int err = kvm_vcpu(e, KVM_GET_LAPIC, "KVM_GET_LAPIC", &page, why);

    for (unsigned i = 0; i < LAPIC_REGISTERS && !err; i++)
        memcpy(&reg[i], page.regs + 16 * i, sizeof(reg[i]));
    return err;
}

static int set_lapic(struct engine *e, const uint32_t reg[LAPIC_REGISTERS], struct reason *why)
{
    struct kvm_lapic_state page = {{0}};

    for (unsigned i = 0; i < LAPIC_REGISTERS; i++)
        memcpy(page.regs + 16 * i, &reg[i], sizeof(reg[i]));
    return kvm_vcpu(e, KVM_SET_LAPIC, "KVM_SET_LAPIC", &page, why);
}

static int refuse_ioapic(struct engine *e, struct reason *why)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    int err = of_vm(e, KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip, why);

    for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS && !err; i++)
        if (!(chip.chip.ioapic.redirtbl[i].bits & IOAPIC_MASKED))
            err =
                fail(why, ENOTSUP, "hwassist/kvm:irqchip: the guest uses the I/O APIC (pin %u), which only KVM has", i);
    return err;
}

/* ---- all of them ---- */

/* What our chips can do and KVM's can't. */
static int refuse(const struct chips_state *s, struct reason *why)
{
    for (unsigned i = 0; i < 2; i++)
        if (s->pic[i].step != PIC_NEVER_INITIALISED && s->pic[i].icw1 & (ICW1_LTIM | ICW1_SNGL))
            return fail(why, ENOTSUP, "hwassist/kvm:irqchip: the guest's %s 8259A is set up %s, which KVM's can't do",
                        i ? "second" : "first", s->pic[i].icw1 & ICW1_LTIM ? "level-triggered" : "without a cascade");
    for (unsigned i = 0; i < 3; i++)
        if (s->pit[i].loaded && s->pit[i].bcd)
            return fail(why, ENOTSUP, "hwassist/kvm:irqchip: channel %u of the timer counts in BCD, which KVM's can't",
                        i);
    return 0;
}

static int get_chips(struct engine *e, struct chips_state *s, struct reason *why)
{
    int err;

    kvm_finish(e);
    *s = (struct chips_state){.speaker = 0};
    (void)((err = refuse_ioapic(e, why)) || (err = get_pics(e, s->pic, why)) || (err = get_pit(e, s, why)) ||
           (err = get_lapic(e, s->lapic, why)));
    return err;
}

static int put_chips(struct engine *e, const struct chips_state *s, struct reason *why)
{
    int err;

    (void)((err = set_lapic(e, s->lapic, why)) || (err = set_pit(e, s, why)) || (err = set_pics(e, s->pic, why)));
    return err;
}

static int set_chips(struct engine *e, const struct chips_state *s, struct reason *why)
{
    struct reason ignored = {""};
    struct chips_state old;
    int err;

    if ((err = refuse(s, why)) || (err = get_chips(e, &old, why)))
        return err;
    if ((err = put_chips(e, s, why)))
        (void)put_chips(e, &old, &ignored);
    return err;
}

const struct engine_chips kvm_chips = {.set_irq = set_irq, .get = get_chips, .set = set_chips};
