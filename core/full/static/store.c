/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.c - where translations are kept: in the user's cache, under the kernel's digest and the program's build ID.
 *
 * $XDG_CACHE_HOME/virtlab/static, or ~/.cache/virtlab/static (XDG Base Directory Specification). There is one file a
 * kernel: a new build's replaces the old build's, and one that nobody has read for a month goes.
 *
 * Read next: engine.c.
 */
#include "full/static/static.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEY    16 /* hexadecimal digits of a digest in a file's name */
#define SUFFIX ".translation"

#define MAKE_MAX (UINT64_C(2) << 20) /* bytes of code that are translated without being asked for */

static void hex(char *to, const uint8_t *bytes)
{
    for (unsigned i = 0; i < KEY / 2; i++)
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

/* The folder, made if need be. */
static bool folder(char path[4096])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int len;
    if (cache && cache[0] == '/')
        len = snprintf(path, 4096, "%s/virtlab/static", cache);
    else if (home && home[0] == '/')
        len = snprintf(path, 4096, "%s/.cache/virtlab/static", home);
    else
        return false;
    if (len >= 4096 - 100)
        return false;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        (void)mkdir(path, 0700); /* if it fails, so will the last one */
        *slash = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool store_path(const uint8_t kernel[SHA256_SIZE], char path[4096])
{
    uint8_t program[SHA256_SIZE];
    char of_image[KEY + 1], of_program[KEY + 1];
    struct reason ignored = {""};
    if (!folder(path) || program_id(program, &ignored))
        return false;
    hex(of_image, kernel);
    hex(of_program, program);
    size_t len = strlen(path);
    snprintf(path + len, 4096 - len, "/%s-%s" SUFFIX, of_image, of_program);
    return true;
}

#define UNUSED_MAX (30 * 24 * 3600) /* seconds since a translation was last read */

/* Of the same kernel by another build, which can't be used any more; or of a kernel that nobody runs. */
static bool is_stale(const char *name, const char *own, int dir)
{
    size_t len = strlen(name);
    struct stat st;
    if (len != strlen(own) || strcmp(name + len - strlen(SUFFIX), SUFFIX) || !strcmp(name, own))
        return false;
    bool unused = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_atime > UNUSED_MAX;
    return unused || !strncmp(name, own, KEY + 1);
}

static void remove_stale(const char *path)
{
    const char *own = strrchr(path, '/') + 1;
    char folder_name[4096];
    snprintf(folder_name, sizeof(folder_name), "%.*s", (int)(own - path), path);
    DIR *list = opendir(folder_name);
    struct dirent *e;
    while (list && (e = readdir(list)))
        if (is_stale(e->d_name, own, dirfd(list)))
            (void)unlinkat(dirfd(list), e->d_name, 0);
    if (list)
        closedir(list);
}

static int make_and_keep(struct static_translation *t, const struct image *kernel, const char *path, struct reason *why)
{
    struct make_report report;
    struct reason unkept = {""};
    fprintf(stderr, "full/static: translating %s ahead of time ... ", kernel->name);
    int err = translation_make(t, kernel, &report, why);
    if (err) {
        fputs("failed\n", stderr);
        return err;
    }
    fprintf(stderr, "%llu blocks in %.2f s; ", (unsigned long long)report.blocks, report.seconds);
    if (!path[0] || translation_write(t, path, &unkept)) {
        fprintf(stderr, "not kept: %s\n", path[0] ? unkept.text : "neither XDG_CACHE_HOME nor HOME is a folder");
    } else {
        remove_stale(path);
        fprintf(stderr, "kept as %s\n", path);
    }
    return 0;
}

static int get_named(struct static_translation *t, const char *name, const struct image *kernel,
                     const uint8_t digest[SHA256_SIZE], struct reason *why)
{
    int err = translation_open(t, name, why);
    if (err || translation_is_of(t, digest))
        return err;
    translation_close(t);
    return fail(why, ENOEXEC,
                "%s: is the translation of another kernel than %s; make it again with `virtlab translate`", name,
                kernel->name);
}

/* A large kernel's translation isn't made without being asked for: it takes long, and fills the cache. */
static int make_if_small(struct static_translation *t, const struct image *kernel, uint64_t code, const char *path,
                         struct reason *why)
{
    if (code <= MAKE_MAX)
        return make_and_keep(t, kernel, path, why);
    fprintf(stderr,
            "full/static: %s has %llu MiB of code, too much to translate unasked; all of it is translated at run time. "
            "`virtlab translate --kernel` makes the file, for some 40 times as much room\n",
            kernel->name, (unsigned long long)(code >> 20));
    return 0;
}

static int get_of(struct static_translation *t, const struct image *kernel, uint64_t code, struct reason *why)
{
    const char *named = getenv(STATIC_ENVIRONMENT);
    uint8_t digest[SHA256_SIZE];
    char path[4096];
    image_digest(kernel, digest);
    if (named && named[0])
        return get_named(t, named, kernel, digest, why);
    if (!store_path(digest, path))
        path[0] = 0;
    if (path[0] && access(path, F_OK) == 0)
        return get_named(t, path, kernel, digest, why);
    return make_if_small(t, kernel, code, path, why);
}

typedef int get_fn(struct static_translation *t, const struct image *kernel, uint64_t code, struct reason *why);

static int get_with(get_fn *get, struct static_translation *t, const char *name, struct reason *why)
{
    struct reason unfit = {""};
    struct code_map map;
    struct image kernel;
    *t = (struct static_translation){0};
    int err = image_open(&kernel, name, why);
    if (err)
        return err;
    if (code_map_open(&map, &kernel, &unfit) == 0) {
        uint64_t code = code_map_size(&map);
        code_map_close(&map);
        err = get(t, &kernel, code, why);
    } else {
        fprintf(stderr, "full/static: %s; all of it is translated at run time\n", unfit.text);
    }
    image_close(&kernel);
    return err;
}

static int make_anew(struct static_translation *t, const struct image *kernel, uint64_t code, struct reason *why)
{
    struct make_report unused;
    (void)code;
    return translation_make(t, kernel, &unused, why);
}

int store_get(struct static_translation *t, const char *kernel, struct reason *why)
{
    return get_with(get_of, t, kernel, why);
}

int store_make(struct static_translation *t, const char *kernel, struct reason *why)
{
    return get_with(make_anew, t, kernel, why);
}
