/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engines.h - the engines that are built in. Each one's ops stand in its own folder's engine.c.
 */
#ifndef VIRTLAB_MACHINE_ENGINES_H
#define VIRTLAB_MACHINE_ENGINES_H

#include <virtlab/engine.h>

extern const struct engine_ops emulate_interp, full_bt, full_bt_all, full_bt_direct, full_static, full_static_fresh,
    para_direct;
extern const struct engine_ops emulate_unicorn, hwassist_kvm, hwassist_kvm_host, hwassist_kvm_ring3;

#endif
