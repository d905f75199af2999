/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c [3]: the order in which the kernel comes up, and the first process.
 *
 * Next: cmdline.c.
 */
#include <linux/fcntl.h>

#include "ata.h"
#include "bootinfo.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "file.h"
#include "fs.h"
#include "kernel.h"
#include "mm.h"
#include "pic.h"
#include "pv_ops.h"
#include "resident.h"
#include "task.h"

#define DEFAULT_INIT "/bin/sh"

void kmain(int protocol, u64 info_pa);
extern void context_switch(u64 *save_rsp, u64 load_rsp);

static struct bootinfo bootinfo; /* too large for the boot stack; its command line stays in use */

static void init_files(struct task *t)
{
    struct inode *console;
    struct file *f = NULL;

    if (!path_find(fs_root, "/dev/console", true, &console))
        f = inode_open(console, O_RDWR);
    t->files = files_new();
    if (!f || !t->files)
        panic("no memory for the console");
    f->refs = 3;
    for (int fd = 0; fd < 3; fd++)
        t->files->file[fd] = f;
}

static struct task *init_task_new(void)
{
    struct task *t = task_new();

    if (!t || !(t->sighand = kalloc(sizeof(*t->sighand))))
        panic("no memory for init");
    t->sighand->refs = 1;
    t->pgid = t->sid = t->pid;
    t->umask = 022;
    t->cwd = fs_root;
    inode_get(fs_root);
    init_files(t);
    strcopy(t->name, "init", sizeof(t->name));
    return t;
}

/* The kernel becomes init by exec, as any process becomes another program. */
static _Noreturn void start_init(void)
{
    static const char *const env[] = {"PATH=/bin", "HOME=/", "TERM=dumb", NULL};
    const char *path = options.init ? options.init : DEFAULT_INIT;
    u64 boot_rsp;
    int r;

    current = init_task_new();
    options.argv[0] = path;
    options.argv[options.argc] = NULL;
    r = exec_load(path, (struct strings){(u64)options.argv, true}, (struct strings){(u64)env, true});
    if (r)
        panic("cannot run %s: error %d", path, -r);
    cpu_set_kernel_stack((u64)current->kstack + KSTACK_SIZE);
    context_switch(&boot_rsp, current->krsp);
    panic("back on the boot stack");
}

/* Called by boot.S, with interrupts off, on the boot stack and the boot page tables. */
void kmain(int protocol, u64 info_pa)
{
    bootinfo_read(&bootinfo, protocol, info_pa);
    cmdline_parse(bootinfo.cmdline);
    cpu_init();
    uart_init();
    kinfo("virtlab: guest kernel, booted by %s\n", protocol == BOOT_MULTIBOOT ? "Multiboot" : "PVH");
    page_init(&bootinfo);
    pagetable_init(&bootinfo);
    kinfo("virtlab: %lu KiB of memory free\n", page_free_count() * 4);
    pic_init();
    clock_init();
    if (options.init && resident_is_named(options.init))
        resident_run(options.init, options.argc - 1, (char **)options.argv + 1);
    console_init();
    ata_init();
    if (fs_init())
        panic("no memory for the root directory");
    archive_unpack(phys_to_virt(bootinfo.initrd.start), bootinfo.initrd.end - bootinfo.initrd.start);
    dev_init();
    pit_start_tick();
    kinfo("virtlab: %lu us to init\n", clock_ns() / 1000);
    start_init();
}
