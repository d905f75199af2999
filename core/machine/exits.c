/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exits.c - what the machine does for each way in which the engine comes back (exit.h, enum vm_exit_kind).
 */
#include <errno.h>
#include <string.h>

#include "machine/parts.h"

static bool is_power_of_two_upto(unsigned size, unsigned limit)
{
    return size != 0 && size <= limit && (size & (size - 1)) == 0;
}

/* What the bus would have counted. */
static void count_burst(struct bus *ports, const struct vm_exit *exit)
{
    for (unsigned i = 0; i < ports->count; i++) {
        struct bus_range *range = &ports->range[i];

        if (exit->io.port - range->first < range->length)
            *(exit->io.in ? &range->reads : &range->writes) += exit->io.count;
    }
}

/*
 * REP INS and REP OUTS on the disk's data port move whole sectors; the device takes them at one go. While accesses are
 * traced they go one by one, so that each is seen.
 */
static bool ata_burst(struct machine *m, const struct vm_exit *exit)
{
    uint32_t bytes = exit->io.count * exit->io.size;

    if (!m->ata || exit->io.port != ATA_DATA_PORT || exit->io.count < 2 || exit->io.size < 2 || m->ports.trace)
        return false;
    if (exit->io.in)
        ata_data_burst_read(m->ata, exit->io.data, bytes);
    else
        ata_data_burst_write(m->ata, exit->io.data, bytes);
    count_burst(&m->ports, exit);
    return true;
}

static void answer_io(struct machine *m, struct vm_exit *exit)
{
    unsigned size = exit->io.size;

    if (!is_power_of_two_upto(size, 4) || exit->io.count == 0 || exit->io.count > VM_IO_MAX / size || !exit->io.data) {
        machine_end(m, MACHINE_ERROR, 0, "%s: came back with impossible port I/O (%u times %u bytes)", m->ops->name,
                    exit->io.count, size);
        return;
    }
    struct port_count *count = &m->port_counts[exit->io.port];
    *(exit->io.in ? &count->reads : &count->writes) += exit->io.count;
    if (ata_burst(m, exit))
        return;
    for (uint32_t i = 0; i < exit->io.count && m->result.end == MACHINE_RUNNING; i++) {
        uint8_t *element = exit->io.data + i * size;
        uint64_t value = 0;

        if (exit->io.in) {
            value = bus_read(&m->ports, exit->io.port, size);
            memcpy(element, &value, size);
        } else {
            memcpy(&value, element, size);
            bus_write(&m->ports, exit->io.port, size, value);
        }
    }
}

/* A store to the local APIC's task priority is a store to CR8, too (SDM 3, 11.8.6). */
static void follow_task_priority(struct machine *m, uint64_t cr8_before)
{
    struct reason why = {""};
    struct cpu_state state;

    if (lapic_cr8(m->lapic) == cr8_before)
        return;
    m->ops->get_state(m->engine, &state);
    state.cr8 = lapic_cr8(m->lapic);
    if (m->ops->set_state(m->engine, &state, &why))
        machine_end(m, MACHINE_ERROR, 0, "%s: refuses a new CR8: %s", m->ops->name, why.text);
}

static void answer_mmio(struct machine *m, struct vm_exit *exit)
{
    if (!is_power_of_two_upto(exit->mmio.size, 8)) {
        machine_end(m, MACHINE_ERROR, 0, "%s: came back with an impossible MMIO access (%u bytes)", m->ops->name,
                    exit->mmio.size);
    } else if (exit->mmio.write) {
        uint64_t cr8 = lapic_cr8(m->lapic);

        bus_write(&m->mmio, exit->mmio.gpa.v, exit->mmio.size, exit->mmio.value);
        follow_task_priority(m, cr8);
    } else {
        exit->mmio.value = bus_read(&m->mmio, exit->mmio.gpa.v, exit->mmio.size);
    }
}

/* With interrupts off only an NMI could wake the CPU, and NMIs are not passed on: engine.h has no way to inject one. */
static void answer_hlt(struct machine *m)
{
    struct cpu_state state;

    m->halted = true;
    if (m->ops->can_inject(m->engine))
        return;
    m->ops->get_state(m->engine, &state);
    if (!(state.rflags & FLAG_IF))
        machine_end(m, MACHINE_HALTED, 0, "HLT with interrupts disabled, at rip %#llx", (unsigned long long)state.rip);
}

static void answer_shutdown(struct machine *m)
{
    struct cpu_state state;

    m->ops->get_state(m->engine, &state);
    machine_end(m, MACHINE_RESET, 0, "triple fault (an exception that could not be delivered), rip %#llx",
                (unsigned long long)state.rip);
}

static void end_by_engine(struct machine *m, enum machine_end end, const struct vm_exit *exit)
{
    if (exit->why.text[0])
        machine_end(m, end, 0, "%s", exit->why.text);
    else
        machine_end(m, end, 0, "%s: the engine gave no reason", m->ops->name);
}

void machine_answer(struct machine *m)
{
    struct vm_exit *exit = &m->exit;

    switch (exit->kind) {
    case VM_EXIT_IO: answer_io(m, exit); return;
    case VM_EXIT_MMIO: answer_mmio(m, exit); return;
    case VM_EXIT_HLT: answer_hlt(m); return;
    case VM_EXIT_HYPERCALL: /* those of the technique never come this far, and the machine has none */
        exit->hypercall.result = (uint64_t)-ENOSYS;
        return;
    case VM_EXIT_WINDOW:
    case VM_EXIT_INTERRUPTED: return; /* the loop looks for interrupts and deadlines in any case */
    case VM_EXIT_SHUTDOWN: answer_shutdown(m); return;
    case VM_EXIT_DEATH: end_by_engine(m, MACHINE_DEATH, exit); return;
    case VM_EXIT_ERROR: end_by_engine(m, MACHINE_ERROR, exit); return;
    }
    machine_end(m, MACHINE_ERROR, 0, "%s: came back for no known reason (%d)", m->ops->name, (int)exit->kind);
}
