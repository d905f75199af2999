/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_engines.c - an engine is found by its name, by its technique, or in a shared object; and said to be missing.
 */
#include <unistd.h>

#include "vltest.h"
#include <virtlab/engine.h>

static struct reason why;

static const struct engine_ops *find(const char *name)
{
    memset(&why, 0, sizeof(why));
    return engine_find(name, &why);
}

static void test_table(void)
{
    for (unsigned i = 0; engines[i]; i++) {
        vltest_row("%s", engines[i]->name);
        CHECK_EQ_U64(engines[i]->abi, ENGINE_ABI);
        CHECK(find(engines[i]->name) == engines[i]);
        CHECK(strchr(engines[i]->name, '/') != NULL);
        CHECK(!strncmp(engines[i]->name, engines[i]->technique, strlen(engines[i]->technique)));
    }
    vltest_row("%s", "");
}

static void test_technique(void)
{
    const struct engine_ops *ops = find("emulate");

    CHECK(ops != NULL && !strcmp(ops->technique, "emulate"));
    CHECK_EQ_STR(why.text, "");
}

static const struct {
    const char *name, *expected;
} missing[] = {
    {"emulate/intrep", "did you mean 'emulate/interp'?"},
    {"emulat", "did you mean 'emulate'?"},
    {"xyzzy", "no engine 'xyzzy'; `virtlab list`"},
    {"", "no engine ''"},
    {"mine.so", "./mine.so"},
    {"./no/such/file.so", "no/such/file.so"},
    {"a-name-that-is-very-much-longer-than-any-that-an-engine-has", "no engine"},
};

static void test_missing(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
        vltest_row("%s: %.150s", missing[i].name, why.text);
        CHECK(find(missing[i].name) == NULL);
        vltest_check(strstr(why.text, missing[i].expected) != NULL, __FILE__, __LINE__, "\"%s\" does not say \"%s\"",
                     why.text, missing[i].expected);
    }
    vltest_row("%s", "");
}

/* Shared objects, made by the compiler that is here. The first line gets in what differs. */
static const char so_source[] =
    "#include <virtlab/engine.h>\n"
    "static int probe(struct reason *why) { (void)why; return 0; }\n"
    "static struct engine *create(const struct engine_host *h, struct reason *w) { (void)h, (void)w; return 0; }\n"
    "static void destroy(struct engine *e) { (void)e; }\n"
    "static void run(struct engine *e, struct vm_exit *x, uint64_t b) { (void)e, (void)b; x->kind = VM_EXIT_ERROR; }\n"
    "static void get(struct engine *e, struct cpu_state *s) { (void)e, (void)s; }\n"
    "static int set(struct engine *e, const struct cpu_state *s, struct reason *w)\n"
    "{ (void)e, (void)s, (void)w; return 0; }\n"
    "static bool can(struct engine *e) { (void)e; return false; }\n"
    "static void inject(struct engine *e, uint8_t v) { (void)e, (void)v; }\n"
    "static void window(struct engine *e, bool w) { (void)e, (void)w; }\n"
    "static void written(struct engine *e, gpa_t a, uint64_t l) { (void)e, (void)a, (void)l; }\n"
    "const struct engine_ops SYMBOL = {.abi = ENGINE_ABI + ABI_OFF, .name = \"emulate/mine\",\n"
    "    .technique = \"emulate\", .text = \"a lab's\", .probe = probe, .create = create, .destroy = destroy,\n"
    "    .run = run, .get_state = get, .set_state = set, .can_inject = can, .inject = inject,\n"
    "    .request_window = window, .kick = KICK, .ram_written = written};\n";

static const struct {
    const char *name, *symbol, *abi_off, *kick, *expected; /* expected: NULL when it is a good one */
} objects[] = {
    {"good", "virtlab_engine", "0", "destroy", NULL},
    {"other ABI", "virtlab_engine", "1", "destroy", "ABI"},
    {"no such symbol", "my_engine", "0", "destroy", "no symbol virtlab_engine"},
    {"a function missing", "virtlab_engine", "0", "0", "lacks"},
};

static void test_shared_object(void)
{
    char directory[64], path[128], command[600];
    FILE *pipe;

    if (system("command -v cc >/dev/null 2>&1") != 0 || access("include/virtlab/engine.h", R_OK)) {
        vltest_skip("no cc, or not run from the top folder");
        return;
    }
    snprintf(directory, sizeof(directory), "%s/test_engines.XXXXXX", P_tmpdir);
    CHECK_FATAL(mkdtemp(directory) != NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(objects); i++) {
        const struct engine_ops *ops;

        vltest_row("%s", objects[i].name);
        snprintf(path, sizeof(path), "%s/engine%u.so", directory, i);
        snprintf(command, sizeof(command), "cc -shared -fPIC -Iinclude -DSYMBOL=%s -DABI_OFF=%s -DKICK=%s -x c -o %s -",
                 objects[i].symbol, objects[i].abi_off, objects[i].kick, path);
        pipe = popen(command, "w");
        CHECK_FATAL(pipe != NULL);
        fputs(so_source, pipe);
        CHECK_FATAL(pclose(pipe) == 0);
        ops = find(path);
        if (objects[i].expected) {
            CHECK(ops == NULL);
            CHECK(strstr(why.text, path) && strstr(why.text, objects[i].expected));
        } else {
            CHECK(ops != NULL && !strcmp(ops->name, "emulate/mine"));
        }
        unlink(path);
    }
    rmdir(directory);
    vltest_row("%s", "");
}

static void test_not_an_object(void)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "%s/test_XXXXXX.so", P_tmpdir);
    fd = mkstemps(path, 3);
    CHECK_FATAL(fd >= 0 && write(fd, "text", 4) == 4);
    CHECK(find(path) == NULL);
    CHECK(strstr(why.text, path) != NULL);
    close(fd);
    unlink(path);
}

static const struct vltest tests[] = {
    {"each engine of the table is found by its name", test_table},
    {"a bare technique finds a variant", test_technique},
    {"a name that isn't there gets the nearest one, or the way to the list", test_missing},
    {"a shared object is loaded, or refused with the reason", test_shared_object},
    {"a text file is no shared object", test_not_an_object},
};

int main(void)
{
    return vltest_run("engines", tests, ARRAY_SIZE(tests));
}
