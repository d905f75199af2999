/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep_exit.c - compares, describes and answers exits (lockstep_exit.h). */
#include "lockstep_exit.h"

#include <stdio.h>
#include <string.h>

uint32_t exit_elements(const struct vm_exit *exit)
{
    return exit->kind == VM_EXIT_IO ? exit->io.count : 1;
}

static uint32_t common_elements(const struct vm_exit *a, uint32_t from_a, const struct vm_exit *b, uint32_t from_b)
{
    uint32_t left_a = exit_elements(a) - from_a, left_b = exit_elements(b) - from_b;

    return left_a < left_b ? left_a : left_b;
}

static bool io_match(const struct vm_exit *a, uint32_t from_a, const struct vm_exit *b, uint32_t from_b)
{
    size_t size = a->io.size;

    if (a->io.port != b->io.port || size != b->io.size || a->io.in != b->io.in)
        return false;
    return a->io.in || memcmp(a->io.data + from_a * size, b->io.data + from_b * size,
                              common_elements(a, from_a, b, from_b) * size) == 0;
}

static bool mmio_match(const struct vm_exit *a, const struct vm_exit *b)
{
    return a->mmio.gpa.v == b->mmio.gpa.v && a->mmio.size == b->mmio.size && a->mmio.write == b->mmio.write &&
           (!a->mmio.write || a->mmio.value == b->mmio.value);
}

bool exits_match(const struct vm_exit *a, uint32_t from_a, const struct vm_exit *b, uint32_t from_b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VM_EXIT_IO: return io_match(a, from_a, b, from_b);
    case VM_EXIT_MMIO: return mmio_match(a, b);
    case VM_EXIT_HYPERCALL:
        return a->hypercall.number == b->hypercall.number &&
               memcmp(a->hypercall.args, b->hypercall.args, sizeof a->hypercall.args) == 0;
    default: return true;
    }
}

uint32_t exit_hand_over(const struct vm_exit *a, uint32_t from_a, struct vm_exit *b, uint32_t from_b)
{
    uint32_t count = common_elements(a, from_a, b, from_b);

    if (a->kind == VM_EXIT_IO && a->io.in)
        memcpy(b->io.data + (size_t)from_b * b->io.size, a->io.data + (size_t)from_a * a->io.size,
               (size_t)count * a->io.size);
    else if (a->kind == VM_EXIT_MMIO)
        b->mmio.value = a->mmio.value;
    else if (a->kind == VM_EXIT_HYPERCALL)
        b->hypercall.result = a->hypercall.result;
    return count;
}

static void io_words(const struct vm_exit *exit, char *text, size_t size)
{
    uint64_t value = 0;
    int at = snprintf(text, size, "%s port %#x, %u byte%s", exit->io.in ? "in" : "out", exit->io.port, exit->io.size,
                      exit->io.size == 1 ? "" : "s");

    if (exit->io.count > 1)
        at += snprintf(text + at, size - (size_t)at, ", %u times", exit->io.count);
    if (!exit->io.in && exit->io.data && exit->io.size <= sizeof value) {
        memcpy(&value, exit->io.data, exit->io.size);
        snprintf(text + at, size - (size_t)at, ": %#llx%s", (unsigned long long)value,
                 exit->io.count > 1 ? " ..." : "");
    }
}

static void mmio_words(const struct vm_exit *exit, char *text, size_t size)
{
    int at = snprintf(text, size, "device memory %s %#llx, %u byte%s", exit->mmio.write ? "write" : "read",
                      (unsigned long long)exit->mmio.gpa.v, exit->mmio.size, exit->mmio.size == 1 ? "" : "s");

    if (exit->mmio.write)
        snprintf(text + at, size - (size_t)at, ": %#llx", (unsigned long long)exit->mmio.value);
}

void exit_words(const struct vm_exit *exit, char *text, size_t size)
{
    switch (exit->kind) {
    case VM_EXIT_IO: io_words(exit, text, size); return;
    case VM_EXIT_MMIO: mmio_words(exit, text, size); return;
    case VM_EXIT_HLT: snprintf(text, size, "hlt"); return;
    case VM_EXIT_WINDOW: snprintf(text, size, "an interrupt can be taken now"); return;
    case VM_EXIT_HYPERCALL: snprintf(text, size, "hypercall %llu", (unsigned long long)exit->hypercall.number); return;
    case VM_EXIT_INTERRUPTED: snprintf(text, size, "no exit: all instructions asked for were executed"); return;
    case VM_EXIT_SHUTDOWN: snprintf(text, size, "triple fault"); return;
    case VM_EXIT_DEATH: snprintf(text, size, "can't go on with this guest: %s", exit->why.text); return;
    case VM_EXIT_ERROR: snprintf(text, size, "failed: %s", exit->why.text); return;
    }
    snprintf(text, size, "came back for no known reason (%d)", (int)exit->kind);
}
