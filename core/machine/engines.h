/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engines.h - the engines that are built in. Each one's ops stand in its own folder's engine.c.
 */
#ifndef VIRTLAB_MACHINE_ENGINES_H
#define VIRTLAB_MACHINE_ENGINES_H

#include <virtlab/engine.h>

extern const struct engine_ops emulate_interp;
extern const struct engine_ops full_bt;
extern const struct engine_ops full_bt_all;
extern const struct engine_ops full_bt_direct;
extern const struct engine_ops full_static;
extern const struct engine_ops full_static_fresh;
extern const struct engine_ops full_trap;
extern const struct engine_ops para_direct;
extern const struct engine_ops emulate_unicorn;
extern const struct engine_ops hwassist_kvm;
extern const struct engine_ops hwassist_vtx;
extern const struct engine_ops hwassist_vtx_cached;
extern const struct engine_ops hwassist_vtx_4k;
extern const struct engine_ops hwassist_vtx_shadow;
extern const struct engine_ops hwassist_kvm_host;
extern const struct engine_ops hwassist_kvm_irqchip;
extern const struct engine_ops hwassist_kvm_ring3;

#endif
