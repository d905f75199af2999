/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * types.h - the three kinds of address, and the error style.
 *
 * A guest-virtual, a guest-physical and a host address are three different things, so they are three different C types:
 * the compiler refuses to mix them up. A guest address becomes a host pointer in one place only, ram_at() in ram.h.
 *
 * Read next: cpu_state.h (what a virtual CPU is), exit.h (why it stopped), engine.h (what runs it).
 */
#ifndef VIRTLAB_TYPES_H
#define VIRTLAB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A guest-virtual (linear) address: what guest code uses once segmentation is applied. */
typedef struct gva {
    uint64_t v;
} gva_t;

/* A guest-physical address: what the guest's page tables yield. */
typedef struct gpa {
    uint64_t v;
} gpa_t;

/* A host-virtual address: a pointer in this process. */
typedef void *hva_t;

static inline gva_t gva(uint64_t v)
{
    return (gva_t){v};
}
static inline gpa_t gpa(uint64_t v)
{
    return (gpa_t){v};
}

#define PAGE_SHIFT 12
#define PAGE_SIZE  (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))

/*
 * The one error style: a function that can fail returns 0 or a negative errno and leaves one line of text in a
 * `struct reason`, naming what was wrong and, where there is one, the remedy. The first reason is kept: a later
 * failure that follows from it doesn't overwrite it.
 */
struct reason {
    char text[256]; /* empty: nothing has failed */
};

/* Records why (printf style) unless a reason stands there already; `why` may be NULL. Returns -err. */
int fail(struct reason *why, int err, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
