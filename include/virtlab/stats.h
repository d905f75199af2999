/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - the one list of counters, always compiled in.
 *
 * A counter that an engine cannot know is absent from its results, not zero: an engine declares the ones that it keeps
 * in engine_ops.counters. Exits are counted per reason of exit.h, taken and avoided apart.
 */
#ifndef VIRTLAB_STATS_H
#define VIRTLAB_STATS_H

#include <virtlab/exit.h>

/* X(SYMBOL, name in results, "what it counts") */
#define COUNTERS(X)                                                                                              \
    X(INSTRUCTIONS, instructions, "guest instructions retired")                                                  \
    X(TLB_HITS, tlb_hits, "software-TLB hits (data)")                                                            \
    X(TLB_MISSES, tlb_misses, "software-TLB misses (data and code)")                                             \
    X(TLB_FLUSHES, tlb_flushes, "TLB flushes asked for by the guest")                                            \
    X(WALK_REFS, walk_refs, "page-table entries read by page walks")                                             \
    X(EPT_REFS, ept_refs, "EPT entries read by two-dimensional walks")                                           \
    X(SHADOW_FILLS, shadow_fills, "shadow page-table entries filled in")                                         \
    X(HIDDEN_FAULTS, hidden_faults, "page faults that only the shadow tables caused")                            \
    X(TRUE_FAULTS, true_faults, "page faults delivered to the guest")                                            \
    X(PT_WRITES, pt_writes, "traced writes to page tables")                                                      \
    X(BLOCKS_DECODED, blocks_decoded, "blocks decoded")                                                          \
    X(BLOCKS_TRANSLATED, blocks_translated, "hot blocks translated to host code")                                \
    X(TRACES, traces, "hot blocks translated again, as one with those that follow")                              \
    X(STATIC_BLOCKS, static_blocks, "blocks found in the ahead-of-time translation")                             \
    X(DYNAMIC_BLOCKS, dynamic_blocks, "blocks that the ahead-of-time translation lacked")                        \
    X(DYNAMIC_KERNEL_BLOCKS, dynamic_kernel_blocks, "of these, blocks of the kernel")                            \
    X(BLOCKS_CHAINED, blocks_chained, "direct links made between blocks")                                        \
    X(BLOCKS_INVALIDATED, blocks_invalidated, "blocks dropped because their code was written")                   \
    X(CACHE_FLUSHES, cache_flushes, "whole block caches emptied because they were full")                         \
    X(HYPERCALLS, hypercalls, "hypercalls")                                                                      \
    X(HYPERCALL_ENTRIES, hypercall_entries, "operations that hypercalls carried")                                \
    X(DISK_REQUESTS, disk_requests, "requests that a driver domain has answered")                                \
    X(DISK_NOTIFICATIONS, disk_notifications, "hypercalls that told a driver domain of requests")                \
    X(HANDOVER_NS, handover_ns, "nanoseconds for handing over to another core and back, measured at the start")  \
    X(INTERRUPTS, interrupts, "external interrupts delivered")                                                   \
    X(EXCEPTIONS, exceptions, "exceptions delivered")                                                            \
    X(KVM_EXITS, kvm_exits, "exits from guest mode, as the host's kernel counts them (KVM_GET_STATS_FD)")        \
    X(KVM_PAGE_FAULTS, kvm_page_faults, "page faults and violations that the host's kernel handled (its count)") \
    X(KVM_EMULATIONS, kvm_emulations, "instructions that the host's kernel emulated (its count)")                \
    X(KVM_TLB_FLUSHES, kvm_tlb_flushes, "TLB flushes that the host's kernel made for the guest (its count)")     \
    X(UNKNOWN_INSTRUCTIONS, unknown_instructions, "instructions that the engine lacks, given #UD")

enum counter {
#define X(symbol, name, text) COUNTER_##symbol,
    COUNTERS(X)
#undef X
        COUNTER_COUNT
};

#define COUNTER_BIT(symbol) (UINT64_C(1) << COUNTER_##symbol)

struct exit_count {
    uint64_t taken, avoided;
};

/*
 * Exits that the host's kernel counts, under an engine that runs on its KVM: all that the CPU makes, also those that
 * the kernel handles alone. Only when machine_config.kernel_exits asks for it.
 */
struct host_exits {
    bool counted;
    char text[256]; /* by what they were counted, or why they were not; empty: nobody asked */
    uint64_t by_reason[EXIT_REASON_COUNT], other; /* other: for reasons that exit.h has no name for */
};

/* What a run counted. Plain integers: one vCPU thread writes them. */
struct stats {
    uint64_t counter[COUNTER_COUNT];
    struct exit_count exits[EXIT_REASON_COUNT];
    struct host_exits host;
    char unknown[96]; /* the first instruction that the engine lacks, or gets wrong; empty if none */
};

/* Name of a counter as it stands in results, and its one-line explanation. */
const char *counter_name(enum counter counter);
const char *counter_text(enum counter counter);

/* later - earlier, field by field: what happened between two snapshots of the same stats. */
struct stats stats_since(const struct stats *later, const struct stats *earlier);

#define COUNT(stats, symbol)         ((stats)->counter[COUNTER_##symbol]++)
#define COUNT_TAKEN(stats, symbol)   ((stats)->exits[EXIT_INDEX_##symbol].taken++)
#define COUNT_AVOIDED(stats, symbol) ((stats)->exits[EXIT_INDEX_##symbol].avoided++)

#endif
