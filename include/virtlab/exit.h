/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exit.h - why a virtual CPU stopped: one taxonomy for the statistics, one structure for the machine.
 *
 * Two things that are easily mixed up:
 *  - enum exit_reason is what is *counted*: every sensitive event, under VT-x's basic exit reasons (SDM 3, appendix C)
 *    and their numbers, extended from 256 on where software techniques need more. Each engine counts, per reason, exits
 *    taken (the guest stopped and the VMM ran) and exits avoided (the event was handled without leaving the guest's
 * world).
 *  - struct vm_exit is what engine_ops.run *returns*: the few cases in which the machine has something to do, as in
 *    KVM's struct kvm_run.
 */
#ifndef VIRTLAB_EXIT_H
#define VIRTLAB_EXIT_H

#include <virtlab/types.h>

/* X(number, SYMBOL, "name in results", "what it is") */
#define EXIT_REASONS(X)                                                                          \
    X(0, EXCEPTION, "exception", "an exception or NMI of the guest")                             \
    X(1, EXTERNAL_INTERRUPT, "external_interrupt", "an interrupt was delivered to the guest")    \
    X(2, TRIPLE_FAULT, "triple_fault", "the guest could not deliver #DF")                        \
    X(7, INTERRUPT_WINDOW, "interrupt_window", "the guest can take an interrupt again")          \
    X(8, NMI_WINDOW, "nmi_window", "the guest can take an NMI again")                            \
    X(9, TASK_SWITCH, "task_switch", "a hardware task switch")                                   \
    X(10, CPUID, "cpuid", "CPUID")                                                               \
    X(12, HLT, "hlt", "HLT")                                                                     \
    X(13, INVD, "invd", "INVD")                                                                  \
    X(14, INVLPG, "invlpg", "INVLPG")                                                            \
    X(15, RDPMC, "rdpmc", "RDPMC")                                                               \
    X(16, RDTSC, "rdtsc", "RDTSC")                                                               \
    X(18, VMCALL, "hypercall", "VMCALL or the technique's own hypercall")                        \
    X(19, VMCLEAR, "vmclear", "VMCLEAR of the guest")                                            \
    X(20, VMLAUNCH, "vmlaunch", "VMLAUNCH of the guest")                                         \
    X(21, VMPTRLD, "vmptrld", "VMPTRLD of the guest")                                            \
    X(22, VMPTRST, "vmptrst", "VMPTRST of the guest")                                            \
    X(23, VMREAD, "vmread", "VMREAD of the guest")                                               \
    X(24, VMRESUME, "vmresume", "VMRESUME of the guest")                                         \
    X(25, VMWRITE, "vmwrite", "VMWRITE of the guest")                                            \
    X(26, VMXOFF, "vmxoff", "VMXOFF of the guest")                                               \
    X(27, VMXON, "vmxon", "VMXON of the guest")                                                  \
    X(28, CR_ACCESS, "cr_access", "access to a control register")                                \
    X(29, DR_ACCESS, "dr_access", "access to a debug register")                                  \
    X(30, IO, "io", "port I/O")                                                                  \
    X(31, MSR_READ, "msr_read", "RDMSR")                                                         \
    X(32, MSR_WRITE, "msr_write", "WRMSR")                                                       \
    X(33, ENTRY_FAILURE, "entry_failure", "the guest's state could not be entered")              \
    X(36, MWAIT, "mwait", "MWAIT")                                                               \
    X(37, MTF, "monitor_trap", "one instruction was executed (monitor trap flag)")               \
    X(40, PAUSE, "pause", "PAUSE")                                                               \
    X(46, GDTR_IDTR, "gdtr_idtr", "LGDT, LIDT, SGDT or SIDT")                                    \
    X(47, LDTR_TR, "ldtr_tr", "LLDT, LTR, SLDT or STR")                                          \
    X(48, EPT_VIOLATION, "ept_violation", "the second-level tables forbid the access")           \
    X(49, EPT_MISCONFIG, "ept_misconfig", "the second-level tables are malformed")               \
    X(50, INVEPT, "invept", "INVEPT of the guest")                                               \
    X(51, RDTSCP, "rdtscp", "RDTSCP")                                                            \
    X(52, PREEMPTION_TIMER, "preemption_timer", "the time slice ran out")                        \
    X(53, INVVPID, "invvpid", "INVVPID of the guest")                                            \
    X(54, WBINVD, "wbinvd", "WBINVD")                                                            \
    X(256, MMIO, "mmio", "access to a device in guest-physical memory")                          \
    X(257, INTERRUPTED, "interrupted", "kicked from outside, or the instruction budget ran out") \
    X(258, IF_CHANGE, "if_change", "CLI, STI, PUSHF, POPF: the interrupt flag")                  \
    X(259, SYSCALL, "syscall", "SYSCALL, SYSENTER or INT n from user to kernel")                 \
    X(260, KERNEL_RETURN, "kernel_return", "SYSRET, SYSEXIT or IRET")                            \
    X(261, SEGMENT_LOAD, "segment_load", "a segment register was loaded, or SWAPGS")             \
    X(262, HIDDEN_FAULT, "hidden_fault", "a page fault that only the shadow tables caused")      \
    X(263, TRUE_FAULT, "true_fault", "a page fault that the guest itself must see")              \
    X(264, PT_WRITE, "pt_write", "a write to a page table that is traced")                       \
    X(265, CODE_WRITE, "code_write", "a write to a page that holds translated or decoded code")

enum exit_reason {
#define X(number, symbol, name, text) EXIT_##symbol = number,
    EXIT_REASONS(X)
#undef X
};

/* Dense index of a reason, for tables: EXIT_INDEX_IO and so on, EXIT_REASON_COUNT of them. */
enum exit_index {
#define X(number, symbol, name, text) EXIT_INDEX_##symbol,
    EXIT_REASONS(X)
#undef X
        EXIT_REASON_COUNT
};

/* Name of a dense index as it stands in results ("io"), and its one-line explanation. */
const char *exit_name(enum exit_index index);
const char *exit_text(enum exit_index index);

/* Why run() came back. */
enum vm_exit_kind {
    VM_EXIT_IO,          /* port I/O: .io; for IN the machine fills .io.data before the next run */
    VM_EXIT_MMIO,        /* .mmio; for a read the machine fills .mmio.value before the next run */
    VM_EXIT_HLT,         /* the CPU waits for an interrupt */
    VM_EXIT_WINDOW,      /* the interrupt window that was asked for is open */
    VM_EXIT_HYPERCALL,   /* .hypercall; the machine fills .hypercall.result */
    VM_EXIT_INTERRUPTED, /* kicked, or the budget is used up */
    VM_EXIT_SHUTDOWN,    /* triple fault: the machine resets or stops */
    VM_EXIT_DEATH,       /* the engine can't go on with this guest: .why */
    VM_EXIT_ERROR,       /* the engine itself failed: .why */
};

#define VM_IO_MAX 4096 /* bytes of one REP INS/OUTS burst */

struct vm_exit {
    enum vm_exit_kind kind;
    union {
        struct {
            uint16_t port;
            uint8_t size;   /* of one element: 1, 2 or 4 bytes */
            bool in;        /* IN or INS; else OUT or OUTS */
            uint32_t count; /* elements: 1, or a burst of a REP string instruction, at most VM_IO_MAX bytes */
            uint8_t *data;  /* count * size bytes, owned by the engine, valid until the next run */
        } io;
        struct {
            gpa_t gpa;
            uint8_t size; /* 1, 2, 4 or 8 bytes */
            bool write;
            uint64_t value;
        } mmio;
        struct {
            uint64_t number, args[6];
            uint64_t result;
        } hypercall;
    };
    struct reason why;
};

#endif
