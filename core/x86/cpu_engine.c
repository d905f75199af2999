/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu_engine.c - from the contract of engine.h to the functions of cpu.h; see cpu_engine.h. */
#include "x86/cpu_engine.h"

void cpu_engine_run(struct engine *engine, struct vm_exit *exit, uint64_t budget)
{
    cpu_run(cpu_of(engine), exit, budget);
}
void cpu_engine_get_state(struct engine *engine, struct cpu_state *state)
{
    cpu_get_state(cpu_of(engine), state);
}
int cpu_engine_set_state(struct engine *engine, const struct cpu_state *state, struct reason *why)
{
    return cpu_set_state(cpu_of(engine), state, why);
}
bool cpu_engine_can_inject(struct engine *engine)
{
    return cpu_can_inject(cpu_of(engine));
}
void cpu_engine_inject(struct engine *engine, uint8_t vector)
{
    cpu_inject(cpu_of(engine), vector);
}
void cpu_engine_request_window(struct engine *engine, bool wanted)
{
    cpu_of(engine)->window_wanted = wanted;
}
void cpu_engine_kick(struct engine *engine)
{
    cpu_kick(cpu_of(engine));
}
void cpu_engine_ram_written(struct engine *engine, gpa_t at, uint64_t len)
{
    cpu_ram_written(cpu_of(engine), at, len);
}
