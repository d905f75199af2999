/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * devices_misc.h - statements about the small ports (debug exit, service, resets, PCI), and the machine as a whole
 * under random accesses. Part of test_devices.c.
 */
#ifndef VIRTLAB_DEVICES_MISC_H
#define VIRTLAB_DEVICES_MISC_H

#include "devices_ata.h"
#include "devices_lapic.h"
#include "devices_uart.h"
#include "io/cmos.h"
#include "io/debugexit.h"
#include "io/pci.h"
#include "io/pit.h"
#include "io/reset.h"
#include "io/service.h"

static struct {
    unsigned calls;
    uint32_t value, argument;
} called;

static void on_exit_port(void *context, uint32_t value)
{
    CHECK(context == &called);
    called.calls++;
    called.value = value;
}

static void on_service(void *context, unsigned command, unsigned argument)
{
    CHECK(context == &called);
    called.calls++;
    called.value = command;
    called.argument = argument;
}

static void on_reset(void *context)
{
    CHECK(context == &called);
    called.calls++;
}

static void misc_debugexit(void)
{
    rig_start();
    called.calls = 0;
    struct debugexit *debugexit = debugexit_create(&rig.ports, on_exit_port, &called, &rig.why);
    CHECK_FATAL(debugexit != NULL);
    CHECK_EQ_U64(bus_read(&rig.ports, 0xf4, 4), 0);
    CHECK_EQ_U64(called.calls, 0);
    out(0xf4, 0x31);
    CHECK_EQ_U64(called.value, 0x31);
    bus_write(&rig.ports, 0xf4, 4, 0x12345678);
    CHECK_EQ_U64(called.value, 0x12345678);
    CHECK_EQ_U64(called.calls, 2);
    debugexit_ops.destroy(debugexit);
}

static void misc_service(void)
{
    rig_start();
    called.calls = 0;
    struct service *service = service_create(&rig.ports, on_service, &called, &rig.why);
    CHECK_FATAL(service != NULL);
    bus_write(&rig.ports, 0xf8, 4, 0x00020003);
    CHECK(called.calls == 1 && called.value == 2 && called.argument == 3);
    bus_write(&rig.ports, 0xf8, 4, 0xffffffff);
    CHECK(called.calls == 2 && called.value == 0xffff && called.argument == 0xffff);
    out(0xf8, 2);
    bus_write(&rig.ports, 0xf8, 2, 2);
    bus_write(&rig.ports, 0xfa, 4, 0x00020003); /* runs out of the range */
    CHECK_EQ_U64(called.calls, 2);
    CHECK_EQ_U64(bus_read(&rig.ports, 0xf8, 4), 0xffffffff);
    service_ops.destroy(service);
}

static void misc_resets(void)
{
    static const struct {
        const char *text;
        uint16_t port[2];
        uint8_t value[2];
        bool resets;
    } rows[] = {
        {"keyboard controller's pulse", {0, 0x64}, {0, 0xfe}, true},
        {"pulse of another line", {0, 0x64}, {0, 0xfd}, false},
        {"self-test", {0, 0x64}, {0, 0xaa}, false},
        {"output port, reset bit clear", {0x64, 0x60}, {0xd1, 0xfe}, true},
        {"output port, reset bit set", {0x64, 0x60}, {0xd1, 0xdf}, false},
        {"plain data", {0, 0x60}, {0, 0x00}, false},
        {"fast reset", {0, 0x92}, {0, 0x03}, true},
        {"fast A20", {0, 0x92}, {0, 0x02}, false},
        {"reset control, hard", {0xcf9, 0xcf9}, {0x02, 0x06}, true},
        {"reset control at once", {0, 0xcf9}, {0, 0x0e}, true},
        {"reset control without the edge", {0, 0xcf9}, {0, 0x02}, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("%s", rows[i].text);
        rig_start();
        called.calls = 0;
        struct reset *reset = reset_create(&rig.ports, on_reset, &called, &rig.why);
        struct pci *pci = pci_create(&rig.ports, on_reset, &called, &rig.why);
        CHECK_FATAL(reset != NULL && pci != NULL);
        if (rows[i].port[0])
            out(rows[i].port[0], rows[i].value[0]);
        CHECK_EQ_U64(called.calls, 0);
        out(rows[i].port[1], rows[i].value[1]);
        CHECK_EQ_U64(called.calls, rows[i].resets);
        reset_ops.destroy(reset);
        pci_ops.destroy(pci);
    }
}

static void misc_no_keyboard(void)
{
    rig_start();
    struct reset *reset = reset_create(&rig.ports, on_reset, &called, &rig.why);
    CHECK_FATAL(reset != NULL);
    CHECK_EQ_U64(in(0x64) & 0x02, 0); /* ready for commands */
    unsigned bytes = 0;
    while ((in(0x64) & 1) && bytes < 1000) {
        in(0x60);
        bytes++;
    }
    CHECK(bytes > 16 && bytes < 1000); /* more than Linux takes from a real one, but it ends */
    CHECK_EQ_U64(in(0x64), 0);
    out(0x92, 0x02);
    CHECK_EQ_U64(in(0x92), 0x02);
    reset_ops.destroy(reset);
}

static void misc_no_pci(void)
{
    rig_start();
    struct pci *pci = pci_create(&rig.ports, on_reset, &called, &rig.why);
    CHECK_FATAL(pci != NULL);
    called.calls = 0;
    out(0xcfb, 0x01);
    bus_write(&rig.ports, 0xcf8, 4, 0x80000000); /* Linux' and everybody's probe for mechanism 1 */
    CHECK(bus_read(&rig.ports, 0xcf8, 4) != 0x80000000);
    CHECK_EQ_U64(bus_read(&rig.ports, 0xcfc, 4), 0xffffffff);
    bus_write(&rig.ports, 0xcf8, 4, 0x00000600); /* not a byte access to 0xcf9 */
    CHECK_EQ_U64(called.calls, 0);
    out(0xcf9, 0x02);
    CHECK_EQ_U64(in(0xcf9), 0x02);
    CHECK_EQ_U64(in(0xcf8), 0xff);
    CHECK_EQ_U64(rig.ports.unclaimed, 0);
    pci_ops.destroy(pci);
}

/* Every device of the machine, wired as the machine wires them. */
static struct device {
    const struct device_ops *ops;
    void *device;
} devices[12];

static struct irq_line pic_line(unsigned irq)
{
    return (struct irq_line){pic_set_irq, pic, irq};
}

static void make_all(int out_fd, const char *disk)
{
    struct reason *why = &rig.why;
    rig_start();
    called.calls = 0;
    pic = pic_create(&rig.ports, why);
    CHECK_FATAL(pic != NULL);
    lapic = lapic_create(&rig.mmio, pic, &rig.clock, why);
    sink = sink_create(out_fd, &rig.clock, why);
    uart = uart_create(&rig.ports, UART_COM1, pic_line(4), &rig.clock, sink, -1, why);
    ata = ata_create(&rig.ports, pic_line(14), disk, false, why);
    const struct device all[] = {
        {&uart_ops, uart},
        {&pit_ops, pit_create(&rig.ports, pic_line(0), &rig.clock, why)},
        {&cmos_ops, cmos_create(&rig.ports, pic_line(8), &rig.clock, 64 << 20, 1709251199, why)},
        {&ata_ops, ata},
        {&debugcon_ops, debugcon_create(&rig.ports, sink, why)},
        {&debugexit_ops, debugexit_create(&rig.ports, on_exit_port, &called, why)},
        {&service_ops, service_create(&rig.ports, on_service, &called, why)},
        {&reset_ops, reset_create(&rig.ports, on_reset, &called, why)},
        {&pci_ops, pci_create(&rig.ports, on_reset, &called, why)},
        {&lapic_ops, lapic},
        {&pic_ops, pic},
        {&sink_ops, sink},
    };
    memcpy(devices, all, sizeof devices);
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
        CHECK_FATAL(devices[i].device != NULL);
}

static void destroy_all(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
        devices[i].ops->destroy(devices[i].device);
}

/* Each device gets its call; afterwards none may want one at or before the same instant, or the machine would hang. */
static bool advance_all(void)
{
    bool sane = true;
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
        const struct device *d = &devices[i];
        if (d->ops->advance)
            d->ops->advance(d->device, rig.now);
        if (d->ops->deadline && d->ops->deadline(d->device) <= rig.now) {
            vltest_row("%s at %" PRIu64 " ns", d->ops->name, rig.now);
            sane = false;
        }
    }
    return sane;
}

static uint64_t random64(void)
{
    static uint64_t state = 88172645463325252u; /* xorshift: the same in every run */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Small numbers, bytes, and anything. */
static uint64_t random_value(void)
{
    uint64_t value = random64();
    switch (value >> 62) {
    case 0: return value & 0x0f;
    case 1: return value & 0xff;
    default: return value;
    }
}

static uint64_t random_step(void)
{
    uint64_t value = random64();
    switch (value >> 60) {
    case 0: return value % 2000000000;
    case 1:
    case 2: return value % 20000000;
    default: return value % 3000;
    }
}

/* One access, to any address, or to one in a claimed range. */
static void random_access(struct bus *bus, uint64_t space)
{
    uint64_t dice = random64();
    uint64_t address = random64() % space;
    if (dice & 7) {
        const struct bus_range *range = &bus->range[(dice >> 8) % bus->count];
        address = range->first + random64() % range->length;
        if (bus == &rig.mmio)
            address &= ~UINT64_C(15);
    }
    unsigned size = bus == &rig.mmio && (dice & 16) ? 4 : 1u << ((dice >> 16) & 3);
    if (dice & 8)
        bus_read(bus, address, size);
    else
        bus_write(bus, address, size, random_value());
}

static void reset_one(const struct device *d)
{
    if (d->ops->reset)
        d->ops->reset(d->device);
}

enum { FUZZ_ACCESSES = 300000 };

static void misc_fuzz(void)
{
    static uint8_t block[5000];
    unsigned interrupts = 0;
    int null = open("/dev/null", O_WRONLY);
    disk_make();
    make_all(null, disk_path);
    pic_program(0x01);
    for (unsigned i = 0; i < FUZZ_ACCESSES; i++) {
        uint64_t dice = random64();
        if (dice % 5 == 0)
            random_access(&rig.mmio, UINT64_C(1) << 32);
        else
            random_access(&rig.ports, 0x10000);
        if (dice % 7 == 0)
            rig.now += random_step();
        if (dice % 11 == 0)
            ata_data_burst_read(ata, block, dice >> 52);
        if (dice % 13 == 0)
            ata_data_burst_write(ata, block, dice >> 52);
        if (dice % 17 == 0)
            uart_receive(uart, block, dice >> 58);
        if (dice % 101 == 0)
            uart_receive_break(uart);
        if (dice % 1009 == 0)
            lapic_set_base(lapic, dice);
        if (dice % 1013 == 0)
            lapic_set_cr8(lapic, dice);
        if (dice % 10007 == 0)
            reset_one(&devices[(dice >> 32) % ARRAY_SIZE(devices)]);
        if (dice % 3 == 0 && !advance_all()) {
            CHECK(!"a device wants to be called at an instant that has passed");
            break;
        }
        if (lapic_has_interrupt(lapic)) {
            lapic_acknowledge(lapic);
            interrupts++;
        }
        lapic_take_nmi(lapic);
    }
    for (unsigned i = 0; i < rig.ports.count; i++) {
        vltest_row("%s at 0x%" PRIx64, rig.ports.range[i].name, rig.ports.range[i].first);
        CHECK(rig.ports.range[i].reads > 1000 && rig.ports.range[i].writes > 1000);
    }
    CHECK(interrupts > 1000);
    destroy_all();
    unlink(disk_path);
    close(null);
}

static void misc_claims(void)
{
    static const uint16_t taken[] = {0x21,  0xa1, 0x4d1, 0x43, 0x61, 0x71, 0x3ff, 0x1f7,
                                     0x3f6, 0xe9, 0xf4,  0xfb, 0x60, 0x64, 0x92,  0xcfc};
    int null = open("/dev/null", O_WRONLY);
    disk_make();
    make_all(null, disk_path);
    for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
        struct reason why = {""};
        vltest_row("port 0x%x", taken[i]);
        CHECK(bus_claim(&rig.ports, "second", taken[i], 1, rig.ports.range[0].ops, NULL, &why) == -EEXIST);
    }
    struct reason why = {""};
    CHECK(uart_create(&rig.ports, UART_COM1, rig_line(0), &rig.clock, sink, -1, &why) == NULL);
    CHECK(strstr(why.text, "0x3f8") && strstr(why.text, "uart"));
    CHECK(lapic_create(&rig.mmio, NULL, &rig.clock, &why) == NULL);
    destroy_all();
    unlink(disk_path);
    close(null);
}

#define MISC_TESTS                                                                                                   \
    {"debug exit: hands on the value, whatever the size", misc_debugexit},                                           \
        {"service: 32-bit writes only", misc_service}, {"reset: each of the four ways, and no other", misc_resets},  \
        {"reset: no keyboard controller, found out quickly", misc_no_keyboard}, {"PCI: there is none", misc_no_pci}, \
        {"all devices: each claims its ports, and nobody can claim them twice", misc_claims},                        \
    {                                                                                                                \
        "all devices: 300,000 random accesses with time moving", misc_fuzz                                           \
    }

#endif
