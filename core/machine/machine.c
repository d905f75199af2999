/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.c - builds the virtual PC: RAM, clock, buses, devices and their wiring, the engine; and takes it apart.
 *
 * Read next: run.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/cmos.h"
#include "io/debugcon.h"
#include "io/debugexit.h"
#include "io/pci.h"
#include "io/reset.h"
#include "io/service.h"
#include "machine/load.h"
#include "machine/parts.h"

#define VIRTUAL_EPOCH 1767225600 /* the time of day at which virtual time starts: 2026-01-01 00:00 UTC */

void machine_end(struct machine *m, enum machine_end end, int status, const char *format, ...)
{
    va_list args;

    if (m->result.end != MACHINE_RUNNING)
        return;
    m->result.end = end;
    m->result.status = status;
    va_start(args, format);
    vsnprintf(m->result.why.text, sizeof(m->result.why.text), format, args);
    va_end(args);
}

/* What devices call. */

static uint64_t now_ns(void *machine)
{
    return clock_now(&((struct machine *)machine)->clock);
}

static void debug_exit(void *machine, uint32_t value)
{
    machine_end(machine, MACHINE_DEBUG_EXIT, (int)((value << 1 | 1) & 0xff), "%s", ""); /* a status has 8 bits */
}

static void reset_by_keyboard(void *machine)
{
    machine_end(machine, MACHINE_RESET, 0, "the guest asked for a reset (keyboard controller)");
}

static void reset_by_chipset(void *machine)
{
    machine_end(machine, MACHINE_RESET, 0, "the guest asked for a reset (port 0xcf9)");
}

static void service(void *machine, unsigned command, unsigned argument)
{
    struct machine *m = machine;

    if (command == SERVICE_POWEROFF)
        machine_end(m, MACHINE_POWEROFF, (int)(argument & 0xff), "%s", "");
    else if (command == SERVICE_MARK && m->config.mark)
        m->config.mark(m->config.mark_context, argument);
}

/* What the engine calls. */

static uint64_t host_tsc(void *machine, uint64_t retired)
{
    return clock_tsc(&((struct machine *)machine)->clock, retired);
}

static void host_apic_base_changed(void *machine, uint64_t value)
{
    lapic_set_base(((struct machine *)machine)->lapic, value);
}

static void host_cr8_changed(void *machine, uint64_t value)
{
    lapic_set_cr8(((struct machine *)machine)->lapic, value);
}

/* One line for each access: "port read 0x3f8 size 1 value 0x61 uart"; "-" when no device claimed it. */
static void trace(void *context, const struct bus *bus, const struct bus_range *range, uint64_t address, unsigned size,
                  bool write, uint64_t value)
{
    (void)context;
    fprintf(stderr, "%s %s %#llx size %u value %#llx %s\n", bus->name, write ? "write" : "read",
            (unsigned long long)address, size, (unsigned long long)value, range ? range->name : "-");
}

/* Remembers a device for the run loop and for the end; false when it could not be made. */
static bool add(struct machine *m, const struct device_ops *ops, void *device)
{
    if (device)
        m->device[m->device_count++] = (struct machine_device){.ops = ops, .device = device};
    return device != NULL;
}

/* The sink is made first, hence destroyed last: the UART and the debug console write to it. */
static bool build_devices(struct machine *m, struct reason *why)
{
    const struct machine_config *config = &m->config;
    const struct guest_clock *clock = &m->guest_clock;
    struct bus *ports = &m->ports;
    struct sink *sink = sink_create(config->console_out, clock, why);

    if (!add(m, &sink_ops, sink) || !add(m, &pic_ops, m->pic = pic_create(ports, why)) ||
        !add(m, &lapic_ops, m->lapic = lapic_create(&m->mmio, m->pic, clock, why)))
        return false;

    struct irq_line irq[16];
    for (unsigned i = 0; i < ARRAY_SIZE(irq); i++)
        irq[i] = (struct irq_line){.set = machine_set_irq, .chip = m, .pin = i};

    if (config->drive) {
        m->ata = ata_create(ports, irq[IRQ_ATA], config->drive, config->drive_readonly, why);
        if (!add(m, &ata_ops, m->ata))
            return false;
    }
    m->uart = uart_create(ports, UART_COM1, irq[IRQ_COM1], clock, sink, config->console_in, why);
    return add(m, &uart_ops, m->uart) && add(m, &pit_ops, m->pit = pit_create(ports, irq[IRQ_TIMER], clock, why)) &&
           add(m, &cmos_ops,
               cmos_create(ports, irq[IRQ_CMOS], clock, config->mem,
                           config->clock == CLOCK_VIRTUAL ? VIRTUAL_EPOCH : CMOS_HOST_TIME, why)) &&
           add(m, &debugcon_ops, debugcon_create(ports, sink, why)) &&
           add(m, &debugexit_ops, debugexit_create(ports, debug_exit, m, why)) &&
           add(m, &service_ops, service_create(ports, service, m, why)) &&
           add(m, &reset_ops, reset_create(ports, reset_by_keyboard, m, why)) &&
           add(m, &pci_ops, pci_create(ports, reset_by_chipset, m, why));
}

static bool build_engine(struct machine *m, struct reason *why)
{
    m->host = (struct engine_host){.ram = &m->ram,
                                   .stats = &m->stats,
                                   .context = m,
                                   .tsc = host_tsc,
                                   .tsc_hz = m->clock.tsc_hz,
                                   .drive = m->config.drive,
                                   .drive_readonly = m->config.drive_readonly,
                                   .kernel_exits = m->config.kernel_exits,
                                   .apic_base_changed = host_apic_base_changed,
                                   .cr8_changed = host_cr8_changed};
    m->engine = m->ops->create(&m->host, why);
    if (!m->engine)
        fail(why, EIO, "%s: the engine could not be made and gave no reason", m->ops->name);
    return m->engine != NULL;
}

static int check_engine(const struct machine_config *config, const struct engine_ops *engine, struct reason *why)
{
    if (engine->abi != ENGINE_ABI)
        return fail(why, EINVAL, "%s: built for engine ABI %u, this program has %u", engine->name, engine->abi,
                    ENGINE_ABI);
    if (config->clock == CLOCK_VIRTUAL && !(engine->capabilities & ENGINE_VIRTUAL_TIME))
        return fail(why, EINVAL, "%s: can't run in virtual time, because it does not count instructions exactly",
                    engine->name);
    return engine->probe(why);
}

struct machine *machine_create(const struct machine_config *config, const struct engine_ops *engine, struct reason *why)
{
    struct machine *m;

    if (check_engine(config, engine, why))
        return NULL;
    m = calloc(1, sizeof(*m));
    if (!m) {
        fail(why, ENOMEM, "no memory for a machine");
        return NULL;
    }
    m->port_counts = calloc(PORT_COUNT, sizeof(*m->port_counts));
    if (!m->port_counts) {
        free(m);
        fail(why, ENOMEM, "no memory for a machine");
        return NULL;
    }
    m->config = *config;
    m->ops = engine;
    m->guest_clock = (struct guest_clock){.now_ns = now_ns, .context = m};
    m->exit.kind = VM_EXIT_INTERRUPTED; /* nothing to answer before the first run() */
    m->ram.fd = -1;
    bus_init(&m->ports, "port");
    bus_init(&m->mmio, "mmio");
    if (config->trace_io)
        m->ports.trace = m->mmio.trace = trace;

    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->wake_fd < 0) {
        fail(why, errno, "eventfd: %s", strerror(errno));
        goto destroy;
    }
    if (ram_create(&m->ram, config->mem, why))
        goto destroy;
    clock_start(&m->clock, config->clock, &m->stats);
    if (!build_devices(m, why) || !build_engine(m, why))
        goto destroy;
    return m;

destroy:
    machine_destroy(m);
    return NULL;
}

/* Undoes machine_create in the opposite order, as far as that got. */
void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    if (m->engine)
        m->ops->destroy(m->engine);
    while (m->device_count > 0) {
        struct machine_device *last = &m->device[--m->device_count];

        if (last->ops->destroy)
            last->ops->destroy(last->device);
    }
    ram_destroy(&m->ram);
    if (m->wake_fd >= 0)
        close(m->wake_fd);
    free(m->port_counts);
    free(m);
}

int machine_load(struct machine *m, const char *kernel, const char *initrd, const char *append, struct reason *why)
{
    struct cpu_state start;
    int err = load_kernel(&m->ram, kernel, initrd, append, &start, why);

    if (err)
        return err;
    m->ops->ram_written(m->engine, gpa(0), m->ram.size);
    err = machine_set_state(m, &start, why);
    if (!err && m->ops->kernel_loaded)
        err = m->ops->kernel_loaded(m->engine, kernel, why);
    return err;
}

struct stats *machine_stats(struct machine *m)
{
    if (m->engine && m->ops->sync_stats)
        m->ops->sync_stats(m->engine);
    return &m->stats;
}

struct ram *machine_ram(struct machine *m)
{
    return &m->ram;
}

struct bus *machine_port_bus(struct machine *m)
{
    return &m->ports;
}

struct bus *machine_mmio_bus(struct machine *m)
{
    return &m->mmio;
}

const struct port_count *machine_port_counts(const struct machine *m)
{
    return m->port_counts;
}

void machine_get_state(struct machine *m, struct cpu_state *state)
{
    m->ops->get_state(m->engine, state);
    state->halted |= m->halted;
}

/* The local APIC has registers of the CPU in it: it follows. */
int machine_set_state(struct machine *m, const struct cpu_state *state, struct reason *why)
{
    int err = m->ops->set_state(m->engine, state, why);

    if (err)
        return err;
    m->halted = state->halted && !m->ops->chips; /* with chips of its own, the engine waits */
    lapic_set_base(m->lapic, state->apic_base);
    lapic_set_cr8(m->lapic, state->cr8);
    return 0;
}

uint64_t machine_now_ns(const struct machine *m)
{
    return clock_now(&m->clock);
}
