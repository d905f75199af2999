/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu_engine.h - the contract of engine.h for engines whose CPU is struct cpu: all but probe, create and destroy.
 *
 * Such an engine's `struct engine *` is the struct cpu itself. Its ops table begins with its own members, and ends with
 * CPU_ENGINE_OPS.
 */
#ifndef VIRTLAB_X86_CPU_ENGINE_H
#define VIRTLAB_X86_CPU_ENGINE_H

#include "x86/cpu.h"

static inline struct cpu *cpu_of(struct engine *engine)
{
    return (struct cpu *)engine;
}

void cpu_engine_run(struct engine *engine, struct vm_exit *exit, uint64_t budget);
void cpu_engine_get_state(struct engine *engine, struct cpu_state *state);
int cpu_engine_set_state(struct engine *engine, const struct cpu_state *state, struct reason *why);
bool cpu_engine_can_inject(struct engine *engine);
void cpu_engine_inject(struct engine *engine, uint8_t vector);
void cpu_engine_request_window(struct engine *engine, bool wanted);
void cpu_engine_kick(struct engine *engine);
void cpu_engine_ram_written(struct engine *engine, gpa_t at, uint64_t len);

#define CPU_ENGINE_OPS_BUT_RUN                                                                                 \
    .get_state = cpu_engine_get_state, .set_state = cpu_engine_set_state, .can_inject = cpu_engine_can_inject, \
    .inject = cpu_engine_inject, .request_window = cpu_engine_request_window, .kick = cpu_engine_kick,         \
    .ram_written = cpu_engine_ram_written
#define CPU_ENGINE_OPS .run = cpu_engine_run, CPU_ENGINE_OPS_BUT_RUN

#endif
