/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hwassist/vtx/hypervisor/hypervisor.h"
#include <errno.h>
struct vtx_shadow *vtx_shadow_create(struct vcpu *vcpu, struct reason *why)
{
    (void)vcpu;
    fail(why, ENOSYS, "no shadow yet");
    return NULL;
}
void vtx_shadow_destroy(struct vtx_shadow *shadow)
{
    (void)shadow;
}
enum handled vtx_shadow_page_fault(struct vcpu *vcpu)
{
    (void)vcpu;
    return RESUME;
}
enum handled vtx_shadow_mov_to_cr3(struct vcpu *vcpu, uint64_t value)
{
    (void)vcpu, (void)value;
    return RESUME;
}
enum handled vtx_shadow_invlpg(struct vcpu *vcpu, gva_t at)
{
    (void)vcpu, (void)at;
    return RESUME;
}
void vtx_shadow_load_state(struct vcpu *vcpu, const struct cpu_state *state)
{
    (void)vcpu, (void)state;
}
uint64_t vtx_shadow_cr3(const struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}
bool vtx_shadow_enterable(struct vcpu *vcpu)
{
    (void)vcpu;
    return true;
}
