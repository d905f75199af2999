/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tlb_span.h - what tlb.c asks of tlb_span.c. */
#ifndef VIRTLAB_MMU_TLB_SPAN_H
#define VIRTLAB_MMU_TLB_SPAN_H

#include "mmu/tlb.h"

void tlb_span_forget(struct tlb *tlb);
void tlb_guard(struct tlb *tlb, gpa_t frame, bool guarded);

#endif
