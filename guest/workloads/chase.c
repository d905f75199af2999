/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pointer chase: a ring of nodes, one in each 4 KiB page, linked in random order. Every step is a
 * load that needs the one before it, so a step costs a load's latency, and with more pages than the
 * TLB has entries, a page walk: the thing that shadow and nested page tables make dear.
 * Right if the last node is the one that the ring's order says. Contract: workload.h.
 */
#include "workload.h"

enum { LINE = 64, UNROLLED = 8 };

struct node {
    struct node *next;
};

static uint64_t pages = 64, steps = 524288; /* steps of one iteration; divisible by UNROLLED */
static uint32_t *order;                     /* the pages as the ring visits them */
static unsigned char *memory;
static struct node *reached;
static uint64_t steps_done;

/* Each page has its node on another line, or all would fall into one set of the caches. */
static struct node *node_of(uint64_t page)
{
    return (struct node *)(void *)(memory + page * PAGE + page * 29 % (PAGE / LINE) * LINE);
}

static uint64_t work(unsigned n)
{
    const struct node *p = node_of(order[0]);
    steps_done = n * steps;
    for (uint64_t i = 0; i < steps_done; i += UNROLLED)
        p = p->next->next->next->next->next->next->next->next;
    reached = (struct node *)p;
    return mix(mix(steps_done, pages), (uint64_t)((const unsigned char *)p - memory));
}

static void finish(void)
{
    uint64_t page = order[steps_done % pages];
    if (reached != node_of(page))
        fail("after %llu steps not at page %llu", (unsigned long long)steps_done, (unsigned long long)page);
}

/* Once round the ring, which must visit every page; and it leaves caches and TLB warm. */
static void walk_once(void)
{
    const struct node *start = node_of(order[0]), *p = start;
    uint64_t visited = 0;
    do {
        p = p->next;
        visited++;
    } while (p != start && visited <= pages);
    if (visited != pages)
        fail("the ring has %llu pages, not %llu", (unsigned long long)visited, (unsigned long long)pages);
}

/* Fisher and Yates' shuffle gives the order of the ring. */
static void setup(void)
{
    uint64_t random = 1;
    unsigned char *block = malloc((pages + 1) * PAGE);
    order = malloc(pages * sizeof *order);
    if (!block || !order)
        fail("no memory for %llu pages", (unsigned long long)pages);
    memory = block + (PAGE - (uintptr_t)block % PAGE) % PAGE;
    use_small_pages(memory, pages * PAGE);

    for (uint64_t i = 0; i < pages; i++)
        order[i] = (uint32_t)i;
    for (uint64_t i = pages - 1; i > 0; i--) {
        uint64_t j = next_random(&random) % (i + 1);
        uint32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint64_t i = 0; i < pages; i++)
        node_of(order[i])->next = node_of(order[(i + 1) % pages]);
    walk_once();
}

static int configure(int argc, char **argv)
{
    if (argc > 2 || parse_number(argv[0], 1u << 20, &pages) != 0)
        return -1;
    if (argc > 1 && parse_number(argv[1], 1u << 30, &steps) != 0)
        return -1;
    return steps % UNROLLED == 0 ? 0 : -1;
}

const struct workload workload = {
    .name = "chase",
    .args = " [PAGES [STEPS]]",
    .unit = "STEPS loads (524288; a multiple of 8) round a ring through PAGES pages of 4 KiB.\n"
            "PAGES: 64 if not given, which every TLB holds; from 4096 on, few do. With many pages\n"
            "a step is slow: give fewer STEPS, say 16384",
    .default_n = 20,
    .configure = configure,
    .setup = setup,
    .work = work,
    .finish = finish,
};
