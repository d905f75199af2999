/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engines.c - the table of engines, and how a name finds one in it or in a shared object.
 *
 * A new engine is one line in engines.h and one in the table below; an engine of a lab stays in a .so of its own.
 */
#include "machine/engines.h"
#include "machine/suggest.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

const struct engine_ops *const engines[] = {
    /* clang-format off */
    &emulate_interp,
    &full_bt,
    &full_bt_all,
    &full_bt_direct,
    &full_static,
    &full_static_fresh,
    &full_trap,
    &para_direct,
    &emulate_unicorn,
    &hwassist_kvm,
    &hwassist_vtx,
    &hwassist_vtx_cached,
    &hwassist_vtx_4k,
    &hwassist_vtx_shadow,
    &hwassist_kvm_host,
    &hwassist_kvm_irqchip,
    &hwassist_kvm_ring3,
    NULL,
    /* clang-format on */
};

/* The engine or technique whose name is nearest to `name`, or NULL when none is near. */
static const char *nearest(const char *name)
{
    struct suggestion near = suggest_for(name);

    for (unsigned i = 0; engines[i]; i++) {
        suggest_add(&near, engines[i]->name);
        suggest_add(&near, engines[i]->technique);
    }
    return near.best;
}

/* The members that the machine calls without asking whether they are there. */
static bool complete(const struct engine_ops *ops)
{
    return ops->name && ops->technique && ops->text && ops->probe && ops->create && ops->destroy && ops->run &&
           ops->get_state && ops->set_state && ops->can_inject && ops->inject && ops->request_window && ops->kick &&
           ops->ram_written;
}

/* The object stays loaded for good: its functions may be in use until the process ends. */
static const struct engine_ops *load_shared_object(const char *file, struct reason *why)
{
    const struct engine_ops *ops;
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!object) {
        fail(why, ENOENT, "engine: %s", dlerror());
        return NULL;
    }
    ops = dlsym(object, "virtlab_engine");
    if (!ops)
        fail(why, EINVAL, "%s: has no symbol virtlab_engine (const struct engine_ops virtlab_engine)", file);
    else if (ops->abi != ENGINE_ABI)
        fail(why, EINVAL, "%s: built for engine ABI %u, this program has %u: build it again", file, ops->abi,
             ENGINE_ABI);
    else if (!complete(ops))
        fail(why, EINVAL, "%s: virtlab_engine lacks a name or a function; only counters and capabilities may be 0",
             file);
    else
        return ops;
    dlclose(object);
    return NULL;
}

/* The first variant of a technique that can run here, else its first. */
static const struct engine_ops *find_technique(const char *name)
{
    const struct engine_ops *first = NULL;

    for (unsigned i = 0; engines[i]; i++) {
        struct reason ignored = {""};

        if (strcmp(name, engines[i]->technique))
            continue;
        if (engines[i]->probe(&ignored) == 0)
            return engines[i];
        if (!first)
            first = engines[i];
    }
    return first;
}

const struct engine_ops *engine_find(const char *name, struct reason *why)
{
    size_t len = strlen(name);
    bool is_object = len > 3 && !strcmp(name + len - 3, ".so");
    const struct engine_ops *ops;
    const char *near;

    if (is_object && strchr(name, '/'))
        return load_shared_object(name, why);
    for (unsigned i = 0; engines[i]; i++)
        if (!strcmp(name, engines[i]->name))
            return engines[i];
    ops = find_technique(name);
    if (ops)
        return ops;

    near = nearest(name);
    if (is_object)
        fail(why, ENOENT, "no engine '%s'; for a shared object give its path, as in ./%s", name, name);
    else if (near)
        fail(why, ENOENT, "no engine '%s'; did you mean '%s'?", name, near);
    else
        fail(why, ENOENT, "no engine '%s'; `virtlab list` names them all", name);
    return NULL;
}
