/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci.c - the ports of a PCI bus that isn't there, and the reset control register 0xcf9; see pci.h. */
#include "io/pci.h"
#include <errno.h>
#include <stdlib.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_BYTES   8
#define RESET_OFFSET   1    /* port 0xcf9, when written as a byte; wider accesses are config addresses */
#define RESET_CPU      0x04 /* its rising edge resets */
#define RESET_WRITABLE 0x0e

struct pci {
    void (*requested)(void *context);
    void *context;
    uint8_t reset_control;
};

static uint64_t pci_read(void *device, uint64_t offset, unsigned size)
{
    const struct pci *pci = device;
    return offset == RESET_OFFSET && size == 1 ? pci->reset_control : UINT64_MAX;
}

static void pci_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci *pci = device;
    if (offset != RESET_OFFSET || size != 1)
        return;
    bool rises = (value & RESET_CPU) && !(pci->reset_control & RESET_CPU);
    pci->reset_control = value & RESET_WRITABLE;
    if (rises)
        pci->requested(pci->context);
}

static void pci_reset(void *device)
{
    struct pci *pci = device;
    pci->reset_control = 0;
}

static const struct bus_ops pci_ports = {pci_read, pci_write, .byte_wide = false};

struct pci *pci_create(struct bus *ports, void (*requested)(void *context), void *context, struct reason *why)
{
    struct pci *pci = calloc(1, sizeof *pci);
    if (!pci) {
        fail(why, ENOMEM, "pci: out of memory");
        return NULL;
    }
    pci->requested = requested;
    pci->context = context;
    if (bus_claim(ports, "pci", CONFIG_ADDRESS, CONFIG_BYTES, &pci_ports, pci, why)) {
        free(pci);
        return NULL;
    }
    return pci;
}

const struct device_ops pci_ops = {.name = "pci", .reset = pci_reset, .destroy = free};
