/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exec.c [24]: from an ELF file to a running program.
 *
 * Nothing is loaded: each PT_LOAD segment becomes a mapping, and page faults do the rest.  Only
 * the stack's top is written here, with arguments, environment and auxiliary vector as the x86-64
 * ABI (3.4.1) lays them out.  The new address space is complete before the old one is given up.
 *
 * Next: exit.c.
 */
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/mman.h>

#include "file.h"
#include "fs.h"
#include "mm.h"
#include "pv_ops.h"
#include "random.h"
#include "syscall.h"
#include "task.h"
#include "usercopy.h"

#define MAX_STRINGS  (PAGE_SIZE / sizeof(u64)) /* arguments and environment together */
#define MAX_SEGMENTS 32
#define PIE_BASE     0x100000000ull
#define RFLAGS_USER  (RFLAGS_IF | 0x2)

struct program {
    struct mm *mm;
    u64 bias; /* added to the file's addresses: 0 unless position-independent */
    u64 entry, phdr, end;
    u16 phnum;
    u64 sp;
    u64 *strings; /* where argv's and envp's strings went */
    u32 argc, envc;
};

/* --- segments ---------------------------------------------------------------------------- */

static int read_header(struct inode *file, Elf64_Ehdr *eh)
{
    if (inode_read_kernel(file, 0, eh, sizeof(*eh)))
        return -ENOEXEC;
    if (memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
        (eh->e_type != ET_EXEC && eh->e_type != ET_DYN))
        return -ENOEXEC;
    if (eh->e_phentsize != sizeof(Elf64_Phdr) || !eh->e_phnum || eh->e_phnum > MAX_SEGMENTS)
        return -ENOEXEC;
    return 0;
}

static u32 segment_prot(u32 flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

static int map_segment(struct program *p, struct inode *file, const Elf64_Phdr *ph)
{
    u64 va = ph->p_vaddr + p->bias;
    struct vma v = {.prot = segment_prot(ph->p_flags), .inode = file};
    int r;

    if (!ph->p_memsz)
        return 0;
    if (va >= USER_TOP || ph->p_memsz > USER_TOP - va || ph->p_filesz > ph->p_memsz ||
        ((va ^ ph->p_offset) & PAGE_MASK) || ph->p_offset + ph->p_filesz > file->size || ph->p_offset > file->size)
        return -ENOEXEC;
    v.start = PAGE_DOWN(va);
    v.end = PAGE_UP(va + ph->p_memsz);
    v.offset = PAGE_DOWN(ph->p_offset);
    /* A segment without bss shows its last page as it is in the file, as on Linux. */
    v.file_end = ph->p_filesz == ph->p_memsz ? v.end : va + ph->p_filesz;
    if (!vma_range_free(p->mm, v.start, v.end))
        return -ENOEXEC;
    if (!ph->p_filesz)
        v.inode = NULL;
    p->end = MAX(p->end, v.end);
    r = vma_map(p->mm, &v);
    if (!r)
        vm_populate(p->mm, &v);
    return r;
}

static int map_segments(struct program *p, struct inode *file, const Elf64_Ehdr *eh)
{
    Elf64_Phdr ph;
    int r = 0;

    for (unsigned i = 0; !r && i < eh->e_phnum; i++) {
        if (inode_read_kernel(file, eh->e_phoff + i * sizeof(ph), &ph, sizeof(ph)))
            return -ENOEXEC;
        if (ph.p_type == PT_INTERP)
            return -ENOEXEC; /* dynamic linking: there is no interpreter */
        if (ph.p_type != PT_LOAD)
            continue;
        r = map_segment(p, file, &ph);
        if (eh->e_phoff >= ph.p_offset && eh->e_phoff - ph.p_offset < ph.p_filesz)
            p->phdr = p->bias + ph.p_vaddr + (eh->e_phoff - ph.p_offset);
    }
    return r;
}

static int load_elf(struct program *p, struct inode *file)
{
    Elf64_Ehdr eh;
    int r = read_header(file, &eh);

    if (r)
        return r;
    p->bias = eh.e_type == ET_DYN ? PIE_BASE : 0;
    p->entry = eh.e_entry + p->bias;
    p->phnum = eh.e_phnum;
    r = map_segments(p, file, &eh);
    p->mm->brk_start = p->mm->brk = p->end;
    return r ? r : p->entry < USER_TOP ? 0 : -ENOEXEC;
}

/* --- the stack --------------------------------------------------------------------------- */

static int map_stack(struct program *p)
{
    const struct vma v = {.start = STACK_TOP - STACK_SIZE, .end = STACK_TOP, .prot = PROT_READ | PROT_WRITE};

    p->sp = STACK_TOP;
    return vma_map(p->mm, &v);
}

/* Copies to the new address space, from the kernel or from the old one (which is still current). */
static int push(struct program *p, u64 src, size_t n, bool from_kernel)
{
    u64 to;

    if (n > p->sp - (STACK_TOP - STACK_SIZE / 4))
        return -E2BIG;
    to = p->sp -= n;
    while (n) {
        size_t part = MIN(n, PAGE_SIZE - (to & PAGE_MASK));
        u8 *page = vm_writable_page(p->mm, to);

        if (!page)
            return -ENOMEM;
        page += to & PAGE_MASK;
        if (from_kernel)
            memcpy(page, (const void *)src, part);
        else if (copy_from_user(page, src, part))
            return -EFAULT;
        to += part;
        src += part;
        n -= part;
    }
    return 0;
}

static int string_length(u64 s, bool kernel, size_t *len)
{
    char chunk[256];

    if (kernel) {
        *len = strlen((const char *)s);
        return 0;
    }
    for (*len = 0; *len < STACK_SIZE / 4; *len += sizeof(chunk)) {
        long n = copy_string_from_user(chunk, s + *len, sizeof(chunk));

        if (n >= 0) {
            *len += (size_t)n;
            return 0;
        }
        if (n != -ENAMETOOLONG)
            return (int)n;
    }
    return -E2BIG;
}

/* Pushes the strings of one array, noting where each went. */
static int push_strings(struct program *p, struct strings from, u32 *count)
{
    for (*count = 0; from.array; ++*count, from.array += sizeof(u64)) {
        u64 s;
        size_t len;
        int r = 0;

        if (from.kernel)
            s = *(const u64 *)from.array;
        else if (get_user64(from.array, &s))
            return -EFAULT;
        if (!s)
            break;
        if (p->argc + p->envc == MAX_STRINGS)
            return -E2BIG;
        if ((r = string_length(s, from.kernel, &len)) || (r = push(p, s, len + 1, from.kernel)))
            return r;
        p->strings[p->argc + p->envc] = p->sp; /* *count is one of the two */
    }
    return 0;
}

static int push_u64(struct program *p, u64 v)
{
    return push(p, (u64)&v, sizeof(v), true);
}

/* The strings' addresses, in order, with the terminating NULL. */
static int push_pointers(struct program *p, const u64 *first, u32 count)
{
    int r = push_u64(p, 0);

    return r ? r : push(p, (u64)first, count * sizeof(u64), true);
}

static int push_auxv(struct program *p, u64 random, u64 name)
{
    const u64 auxv[] = {
        AT_PHDR,   p->phdr,  AT_PHENT,  sizeof(Elf64_Phdr),
        AT_PHNUM,  p->phnum, AT_PAGESZ, 4096,
        AT_BASE,   0,        AT_FLAGS,  0,
        AT_ENTRY,  p->entry, AT_UID,    0,
        AT_EUID,   0,        AT_GID,    0,
        AT_EGID,   0,        AT_SECURE, 0,
        AT_CLKTCK, 100,      AT_HWCAP,  cpu_hwcap(),
        AT_RANDOM, random,   AT_EXECFN, name,
        AT_NULL,   0,
    };

    return push(p, (u64)auxv, sizeof(auxv), true);
}

static int build_stack(struct program *p, const char *path, struct strings argv, struct strings envp)
{
    const u64 random[2] = {random_next(), random_next()};
    u64 random_at, name_at;
    int r;

    if ((r = map_stack(p)) || (r = push_u64(p, 0)) || (r = push(p, (u64)path, strlen(path) + 1, true)))
        return r;
    name_at = p->sp;
    if ((r = push_strings(p, argv, &p->argc)) || (r = push_strings(p, envp, &p->envc)))
        return r;
    p->sp &= ~15ull;
    if ((r = push(p, (u64)random, sizeof(random), true)))
        return r;
    random_at = p->sp;
    /* argc ends up 16-byte aligned: below are argc, two NULLs and the pointers. */
    if ((p->argc + p->envc + 3) % 2 && (r = push_u64(p, 0)))
        return r;
    if ((r = push_auxv(p, random_at, name_at)) || (r = push_pointers(p, p->strings + p->argc, p->envc)) ||
        (r = push_pointers(p, p->strings, p->argc)))
        return r;
    return push_u64(p, p->argc);
}

/* --- the switch to the new program ------------------------------------------------------- */

static void set_name(const char *path)
{
    const char *base = path;

    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    strcopy(current->name, base, sizeof(current->name));
}

static void start_program(const struct program *p, struct inode *file, const char *path)
{
    struct trapframe *tf = task_frame(current);

    kill_other_threads();
    pv_write_cr3(virt_to_phys(p->mm->pml4));
    task_leave_mm();
    current->mm = p->mm;
    inode_get(file);
    if (current->exe)
        inode_put(current->exe);
    current->exe = file;
    set_name(path);
    files_close_on_exec(current->files);
    signal_reset_for_exec();
    fpu_init_state(current->fx);
    fpu_load(current->fx);
    cpu_set_fs_base(current->fs_base = 0);
    cpu_set_gs_base(current->gs_base = 0);
    memset(tf, 0, sizeof(*tf));
    tf->rip = p->entry;
    tf->cs = USER_CS;
    tf->rflags = RFLAGS_USER;
    tf->rsp = p->sp;
    tf->ss = USER_DS;
}

int exec_load(const char *path, struct strings argv, struct strings envp)
{
    struct program p = {0};
    struct inode *file;
    int r = path_find(current->cwd, path, true, &file);

    if (r)
        return r;
    if (!S_ISREG(file->mode) || !(file->mode & 0111))
        return -EACCES;
    p.mm = mm_create();
    p.strings = page_alloc();
    r = p.mm && p.strings ? load_elf(&p, file) : -ENOMEM;
    if (!r)
        r = build_stack(&p, path, argv, envp);
    if (p.strings)
        page_unref(p.strings);
    if (!r)
        start_program(&p, file, path);
    else if (p.mm)
        mm_put(p.mm);
    return r;
}

/* execve(path, argv, envp) */
long sys_execve(const u64 *a)
{
    char path[PATH_MAX];
    long r = copy_string_from_user(path, a[0], sizeof(path));

    if (r < 0)
        return r;
    return exec_load(path, (struct strings){a[1], false}, (struct strings){a[2], false});
}
