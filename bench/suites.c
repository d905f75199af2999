/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suites.c - the table of suites. To add one:
 *
 *   rows     workloads of a class of its own: rows in guest/workloads/workloads.def, or a list of their own that
 *            workloads.c includes too;
 *   here     one line below;
 *   reports  if percentages of native in table.md don't tell it, a document and a picture, named in
 *            reports/virtlab_report/suites.py.
 */
#include "suites.h"

#include <errno.h>
#include <string.h>

#include "machine/suggest.h"
#include "name_list.h"

const struct suite suites[] = {
    {
        .name = "lecture",
        .text = "all workloads: what the lecture's comparison of the techniques rests on",
        .classes = "compute,memory,system,disk",
        .also = "hwassist/kvm:ring3",
        .reports = "lecture.md lecture-speed.svg",
    },
    {
        .name = "compute",
        .text = "computing and memory: user code, with hardly an exit",
        .classes = "compute,memory",
        .also = "hwassist/kvm:ring3",
    },
    {
        .name = "system",
        .text = "system calls, faults, processes: where the techniques differ most",
        .classes = "system",
    },
    {
        .name = "disk",
        .text = "block reads and writes: the cost of I/O",
        .classes = "disk",
    },
    {
        .name = "kernel",
        .text = "loops in kernel mode: what an engine makes of kernel code, beside QEMU's translator",
        .classes = "kernel",
        .peers = "qemu-tcg,qemu-kvm",
        .reports = "kernel.md kernel.svg",
    },
    {
        .name = "nano",
        .text = "seven single operations of a kernel, beside Adams and Agesen's figures of 2006",
        .classes = "nano",
        .also = "full/bt:direct", /* as the paper's software VMM runs user code */
        .peers = "qemu-tcg,qemu-kvm",
        .reports = "nano.md nano.svg",
    },
    {
        .name = "nested",
        .text = "nested paging against shadow paging, under a software VT-x: page sizes, walk caches, exits",
        .classes = "walk,system",
        .engines = "emulate/interp,hwassist/vtx,hwassist/vtx:cached,hwassist/vtx:4k,hwassist/vtx:shadow",
        .reports = "nested.md nested.svg nested-exits.svg",
    },
    {
        .name = "roundtrip",
        .text = "round trips between kernel and hypervisor, beside table 1 of PVM (SOSP 2023)",
        .classes = "roundtrip",
        .reports = "roundtrip.md",
    },
    {
        .name = "batching",
        .text = "asking a hypervisor for many things at once, and not waiting for each: page tables, disk",
        .classes = "batching",
        .peers = "qemu-tcg,qemu-kvm",
        .reports = "batching.md",
    },
    {
        .name = "translation",
        .text = "interpretation, translation ahead of time and dynamic translation: start-up, speed, memory",
        .classes = "kernel,system",
        .engines = "emulate/interp,full/static:fresh,full/static,full/bt:all,full/bt",
        .peers = "qemu-tcg",
        .reports = "translation.md",
    },
    {
        .name = "crossover",
        .text = "system calls with more and more work between them: full/bt's three policies for user code",
        .classes = "crossover",
        .engines = "full/bt,full/bt:direct,full/bt:all",
        .peers = "qemu-tcg",
        .reports = "crossover.md crossover.svg",
    },
};
const unsigned suite_count = ARRAY_SIZE(suites);

const struct suite *suite_find(const char *name, struct reason *why)
{
    struct suggestion near = suggest_for(name);
    for (unsigned i = 0; i < suite_count; i++) {
        if (strcmp(suites[i].name, name) == 0)
            return &suites[i];
        suggest_add(&near, suites[i].name);
    }
    if (near.best)
        fail(why, ENOENT, "no suite named '%s'; did you mean '%s'?", name, near.best);
    else
        fail(why, ENOENT, "no suite named '%s'; `virtlab list` shows them", name);
    return NULL;
}

bool suite_holds(const struct suite *suite, const struct workload_def *workload)
{
    return name_is_listed(suite->classes, workload->class);
}

bool suite_wants_engine(const struct suite *suite, const char *engine)
{
    if (suite->engines)
        return name_is_listed(suite->engines, engine);
    return !strchr(engine, ':') || (suite->also && name_is_listed(suite->also, engine));
}

bool suite_wants_peer(const struct suite *suite, const char *peer)
{
    return !suite->peers || name_is_listed(suite->peers, peer);
}
