/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * selftest.c: what a program may expect of a Unix kernel, asked from inside.
 *
 * An ordinary Linux program: it must print the same lines natively and in the guest, one
 * `ok NAME` for each test; the first thing that is not as it should be ends it with status 1.
 * the suite runs it in both places and compares.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* A name in the folder for scratch files: $SELFTEST_DIR, so that natively several may run at once, or /tmp. */
static const char *at(const char *name)
{
    static char path[4][128];
    static unsigned next;
    const char *folder = getenv("SELFTEST_DIR");
    char *p = path[next++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", folder ? folder : "/tmp", name);
    return p;
}

#define PAGE 4096

/* Stops the program if a condition does not hold; says which. */
#define CHECK(cond)                          \
    do {                                     \
        if (!(cond))                         \
            fail(__func__, __LINE__, #cond); \
    } while (0)

static void fail(const char *test, int line, const char *what)
{
    printf("FAILED %s, line %d: %s (errno %d)\n", test, line, what, errno);
    fflush(stdout);
    _exit(1);
}

static uint64_t rnd(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *map(size_t size, int prot, int flags)
{
    void *p = mmap(NULL, size, prot, flags | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* Waits for a child; its exit status, or -signal. */
static int reap(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static pid_t start(int (*body)(void *), void *arg)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(body(arg));
    return pid;
}

/* --- memory ------------------------------------------------------------------------------- */

enum { COW_PAGES = 300 };

static int cow_child(void *arg)
{
    uint32_t *p = arg;

    for (int i = 0; i < COW_PAGES; i++) {
        CHECK(p[i * PAGE / 4] == (uint32_t)i);
        p[i * PAGE / 4] = 1000000u + (uint32_t)i;
    }
    for (int i = 0; i < COW_PAGES; i++)
        CHECK(p[i * PAGE / 4] == 1000000u + (uint32_t)i);
    return 5;
}

static void test_copy_on_write(void)
{
    uint32_t *p = map(COW_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

    for (int i = 0; i < COW_PAGES; i++)
        p[i * PAGE / 4] = (uint32_t)i;
    for (int round = 0; round < 5; round++) {
        pid_t a = start(cow_child, p), b = start(cow_child, p);

        CHECK(reap(b) == 5 && reap(a) == 5);
        for (int i = 0; i < COW_PAGES; i++) {
            CHECK(p[i * PAGE / 4] == (uint32_t)i);
            p[i * PAGE / 4 + 1] = 7;
        }
    }
    munmap(p, COW_PAGES * PAGE);
}

enum { SLOTS = 40, SLOT_PAGES = 16 };

/* Random maps, unmaps, protections and writes, against a model of what each page must hold. */
static void test_map_stress(void)
{
    static unsigned char model[SLOTS * SLOT_PAGES];
    static char mapped[SLOTS * SLOT_PAGES];
    unsigned char *base = map(SLOTS * SLOT_PAGES * PAGE, PROT_NONE, MAP_PRIVATE);
    uint64_t seed = 42;

    for (int i = 0; i < 4000; i++) {
        unsigned at = (unsigned)(rnd(&seed) % (SLOTS * SLOT_PAGES));
        unsigned n = 1 + (unsigned)(rnd(&seed) % SLOT_PAGES);
        unsigned char *p = base + (size_t)at * PAGE;

        if (at + n > SLOTS * SLOT_PAGES)
            n = SLOTS * SLOT_PAGES - at;
        switch (rnd(&seed) % 4) {
        case 0:
            CHECK(mmap(p, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
            memset(model + at, 0, n);
            memset(mapped + at, 1, n);
            break;
        case 1:
            CHECK(munmap(p, n * PAGE) == 0);
            memset(mapped + at, 0, n);
            break;
        case 2:
            for (unsigned k = at; k < at + n; k++)
                if (mapped[k]) {
                    CHECK(mprotect(base + (size_t)k * PAGE, PAGE, PROT_READ) == 0);
                    CHECK(base[(size_t)k * PAGE + 9] == model[k]);
                    CHECK(mprotect(base + (size_t)k * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
                }
            break;
        default:
            for (unsigned k = at; k < at + n; k++)
                if (mapped[k])
                    base[(size_t)k * PAGE + 9] = model[k] = (unsigned char)rnd(&seed);
        }
    }
    for (unsigned k = 0; k < SLOTS * SLOT_PAGES; k++)
        CHECK(!mapped[k] || base[(size_t)k * PAGE + 9] == model[k]);
    munmap(base, SLOTS * SLOT_PAGES * PAGE);
}

static void test_mremap(void)
{
    unsigned char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), *q;

    for (int i = 0; i < 8; i++)
        p[i * PAGE] = (unsigned char)(i + 1);
    q = mremap(p, 8 * PAGE, 4096 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED);
    for (int i = 0; i < 8; i++)
        CHECK(q[i * PAGE] == i + 1);
    CHECK(q[4095 * PAGE] == 0);
    CHECK(mremap(q, 4096 * PAGE, 2 * PAGE, 0) == q && q[PAGE] == 2);
    munmap(q, 2 * PAGE);
}

static char *move_brk(char *to)
{
    return (char *)syscall(SYS_brk, to);
}

static void test_brk(void)
{
    char *p = move_brk(NULL);

    CHECK(move_brk(p + 100 * PAGE) == p + 100 * PAGE);
    p[0] = 1;
    p[100 * PAGE - 1] = 2;
    CHECK(move_brk(p + 50 * PAGE) == p + 50 * PAGE);
    CHECK(move_brk(p + 100 * PAGE) == p + 100 * PAGE);
    CHECK(p[0] == 1 && p[100 * PAGE - 1] == 0);
    CHECK(move_brk(p) == p);
}

static int share_child(void *arg)
{
    volatile int *p = arg;

    p[0] = 123;
    p[PAGE] = 456; /* a page that nobody touched before the fork */
    return 0;
}

static void test_shared_memory(void)
{
    volatile int *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

    p[0] = 1;
    CHECK(reap(start(share_child, (void *)p)) == 0);
    CHECK(p[0] == 123 && p[PAGE] == 456);
    munmap((void *)p, 8 * PAGE);
}

static void test_file_mapping(void)
{
    char text[] = "hello, mapping", buf[32] = {0};
    int fd = open(at("st-map"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    char *priv, *shared;

    CHECK(fd >= 0 && write(fd, text, sizeof(text)) == sizeof(text));
    priv = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(priv != MAP_FAILED && shared != MAP_FAILED);
    CHECK(!strcmp(priv, text) && priv[100] == 0);
    priv[0] = 'J';
    CHECK(shared[0] == 'h');
    shared[1] = 'a';
    CHECK(pread(fd, buf, sizeof(text), 0) == sizeof(text));
    CHECK(!strcmp(buf, "hallo, mapping") && !strncmp(priv, "Je", 2));
    close(fd);
    munmap(priv, PAGE);
    munmap(shared, PAGE);
    unlink(at("st-map"));
}

/* --- faults and signals ------------------------------------------------------------------- */

static sigjmp_buf env;
static volatile sig_atomic_t last_signal, last_code;
static void *volatile last_address;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    last_signal = sig;
    last_code = info->si_code;
    last_address = info->si_addr;
    siglongjmp(env, 1);
}

static void handle(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};

    CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void restore(int sig)
{
    CHECK(signal(sig, SIG_DFL) != SIG_ERR);
}

#define EXPECT_FAULT(sig, statement) \
    do {                             \
        last_signal = 0;             \
        handle(sig, on_fault, 0);    \
        if (!sigsetjmp(env, 1)) {    \
            statement;               \
        }                            \
        restore(sig);                \
        CHECK(last_signal == (sig)); \
    } while (0)

/* Addresses that the compiler must not reason about. */
static char *volatile near_null = (char *)16;
static char *volatile kernel_text = (char *)0x400000100000; /* in the guest */

static void test_faults(void)
{
    char *volatile p = map(PAGE, PROT_READ, MAP_PRIVATE);

    EXPECT_FAULT(SIGSEGV, p[5] = 1);
    CHECK(last_address == p + 5 && last_code == SEGV_ACCERR);
    EXPECT_FAULT(SIGSEGV, *near_null = 1);
    CHECK(last_address == (void *)16 && last_code == SEGV_MAPERR);
    EXPECT_FAULT(SIGSEGV, *kernel_text = 1);                 /* the guest kernel's text */
    EXPECT_FAULT(SIGSEGV, ((void (*)(void))(uintptr_t)p)()); /* not executable */
    EXPECT_FAULT(SIGSEGV, ((void (*)(void))(uintptr_t)kernel_text)());
    EXPECT_FAULT(SIGSEGV, asm volatile("cli"));
    EXPECT_FAULT(SIGSEGV, asm volatile("hlt"));
    EXPECT_FAULT(SIGSEGV, asm volatile("mov %%cr3, %%rax" ::: "rax"));
    EXPECT_FAULT(SIGSEGV, asm volatile("inb $0x60, %%al" ::: "rax"));
    EXPECT_FAULT(SIGSEGV, asm volatile("int $0x20"));
    EXPECT_FAULT(SIGSEGV, asm volatile("mov (%0), %%al" ::"r"(1ull << 62) : "rax"));
    EXPECT_FAULT(SIGILL, asm volatile("ud2"));
    EXPECT_FAULT(SIGTRAP, asm volatile("int3"));
    EXPECT_FAULT(SIGFPE, asm volatile("xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx"));
    munmap(p, PAGE);
}

static void test_bad_pointers(void)
{
    int fd[2];
    char c = 'x';
    char *hole = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

    munmap(hole + PAGE, PAGE);
    CHECK(pipe(fd) == 0 && write(fd[1], &c, 1) == 1);
    CHECK(read(fd[0], near_null, 1) == -1 && errno == EFAULT);
    CHECK(read(fd[0], kernel_text, 1) == -1 && errno == EFAULT);
    CHECK(read(fd[0], (void *)-4096, 1) == -1 && errno == EFAULT);
    CHECK(read(fd[0], hole + PAGE - 1, 1) == 1 && hole[PAGE - 1] == 'x');
    CHECK(open(near_null, O_RDONLY) == -1 && errno == EFAULT);
    CHECK(write(fd[1], hole + PAGE, 1) == -1 && errno == EFAULT);
    CHECK(execve("/bin/true", (char **)near_null, NULL) == -1 && errno == EFAULT);
    close(fd[0]);
    close(fd[1]);
    munmap(hole, PAGE);
}

static volatile sig_atomic_t hits;

static void count_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    (void)context;
    hits++;
}

static void test_signal_mask(void)
{
    sigset_t set, old, pending;

    hits = 0;
    handle(SIGUSR1, count_signal, 0);
    raise(SIGUSR1);
    CHECK(hits == 1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    CHECK(hits == 1 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigsuspend(&old) == -1 && errno == EINTR && hits == 2);
    sigprocmask(SIG_SETMASK, &old, NULL);
    restore(SIGUSR1);
}

static int write_later(void *arg)
{
    struct timespec t = {0, 100000000};

    nanosleep(&t, NULL);
    return write(*(int *)arg, "z", 1) == 1 ? 0 : 1;
}

static void test_interrupted_read(void)
{
    struct itimerval it = {.it_value = {0, 30000}};
    int fd[2];
    char c = 0;
    pid_t pid;

    CHECK(pipe(fd) == 0);
    hits = 0;
    handle(SIGALRM, count_signal, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    CHECK(read(fd[0], &c, 1) == -1 && errno == EINTR && hits == 1);
    handle(SIGALRM, count_signal, SA_RESTART);
    pid = start(write_later, &fd[1]);
    setitimer(ITIMER_REAL, &it, NULL);
    CHECK(read(fd[0], &c, 1) == 1 && c == 'z' && hits == 2);
    CHECK(reap(pid) == 0);
    restore(SIGALRM);
    close(fd[0]);
    close(fd[1]);
}

/* The handler changes a register of the interrupted code: the frame must be Linux's. */
static void skip_ud2(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    (void)info;
    uc->uc_mcontext.gregs[REG_RIP] += 2;
    uc->uc_mcontext.gregs[REG_RBX] = 77;
}

static void test_signal_context(void)
{
    uint64_t rbx = 1;
    double d = 1.5;

    handle(SIGILL, skip_ud2, 0);
    asm volatile("movsd %1, %%xmm9; ud2; movsd %%xmm9, %1" : "+b"(rbx), "+m"(d)::"xmm9");
    restore(SIGILL);
    CHECK(rbx == 77 && d == 1.5);
}

static char *volatile alt_low;
static volatile int on_alt;

static void overflowed(int sig, siginfo_t *info, void *context)
{
    char here;

    (void)sig;
    (void)info;
    (void)context;
    on_alt = &here >= alt_low && &here < alt_low + 65536;
    siglongjmp(env, 1);
}

static __attribute__((noinline)) int dig(volatile char *p)
{
    volatile char frame[4096];

    frame[0] = p ? *p : 0;
    return on_alt ? 0 : frame[0] + dig(frame) + 1;
}

static void test_alternate_stack(void)
{
    stack_t st = {.ss_sp = map(65536, PROT_READ | PROT_WRITE, MAP_PRIVATE), .ss_size = 65536};
    stack_t off = {.ss_flags = SS_DISABLE};

    alt_low = st.ss_sp;
    CHECK(sigaltstack(&st, NULL) == 0);
    handle(SIGSEGV, overflowed, SA_ONSTACK);
    if (!sigsetjmp(env, 1))
        dig(NULL);
    restore(SIGSEGV);
    CHECK(on_alt);
    CHECK(sigaltstack(&off, NULL) == 0);
}

static int die_of(void *arg)
{
    raise(*(int *)arg);
    return 99;
}

static void test_death(void)
{
    int sig[] = {SIGKILL, SIGTERM, SIGABRT, SIGPIPE, SIGUSR2, SIGALRM};

    for (unsigned i = 0; i < sizeof(sig) / sizeof(sig[0]); i++)
        CHECK(reap(start(die_of, &sig[i])) == -sig[i]);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

static void test_sigchld(void)
{
    int sig = SIGTERM;

    hits = 0;
    handle(SIGCHLD, count_signal, SA_RESTART);
    reap(start(die_of, &sig));
    CHECK(hits == 1);
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    pid_t pid = start(die_of, &sig);
    CHECK(waitpid(pid, NULL, 0) == -1 && errno == ECHILD); /* nobody to bury */
    restore(SIGCHLD);
}

/* --- scheduling --------------------------------------------------------------------------- */

struct race {
    volatile uint64_t count[2];
    volatile int stop;
};

static int spin(void *arg)
{
    struct race *r = arg;

    while (!r->stop)
        r->count[1]++;
    return 0;
}

/* Two that never sleep must both get on. */
static void test_preemption(void)
{
    struct race *r = map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    double end = seconds() + 0.5;
    pid_t pid = start(spin, r);

    while (seconds() < end)
        r->count[0]++;
    r->stop = 1;
    CHECK(reap(pid) == 0);
    CHECK(r->count[0] > 1000 && r->count[1] > 1000);
    munmap(r, PAGE);
}

static double fp_work(double x)
{
    volatile long double y = x;
    double s = 0;

    for (int i = 1; i < 1500000; i++) {
        s += x / i;
        if (i % 16 == 0)
            y = y * 1.0000001L + 1 / (long double)i;
    }
    return s + (double)y;
}

struct fp {
    double in, expected;
};

static int fp_child(void *arg)
{
    struct fp *f = arg;

    for (int i = 0; i < 2; i++)
        if (fp_work(f->in) != f->expected)
            return 1;
    return 0;
}

/* x87 and SSE registers survive being switched away from. */
static void test_fp_state(void)
{
    struct fp f[3];
    pid_t pid[3];

    for (int i = 0; i < 3; i++)
        f[i] = (struct fp){1.1 * (i + 1), fp_work(1.1 * (i + 1))};
    for (int i = 0; i < 3; i++)
        pid[i] = start(fp_child, &f[i]);
    for (int i = 0; i < 3; i++)
        CHECK(reap(pid[i]) == 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int shared_count, gate_open;
static __thread int own;

static void *thread(void *arg)
{
    pthread_mutex_lock(&mutex);
    while (!gate_open)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 20000; i++) {
        own++;
        pthread_mutex_lock(&mutex);
        shared_count++;
        pthread_mutex_unlock(&mutex);
    }
    return own == 20000 ? arg : NULL;
}

static void test_threads(void)
{
    pthread_t t[4];
    int own_arg[4];
    void *r;

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, thread, &own_arg[i]) == 0);
    usleep(50000); /* until all of them sleep: the broadcast then moves them to the mutex, by FUTEX_REQUEUE */
    pthread_mutex_lock(&mutex);
    gate_open = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(t[i], &r) == 0 && r == &own_arg[i]);
    CHECK(shared_count == 80000 && own == 0);
}

static void *forever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static int exit_with_threads(void *arg)
{
    pthread_t t;

    (void)arg;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&t, NULL, forever, NULL))
            return 1;
    exit(6);
}

static void test_exit_group(void)
{
    CHECK(reap(start(exit_with_threads, NULL)) == 6);
}

static void test_clocks(void)
{
    struct timespec t = {0, 50000000};
    double a = seconds(), b;

    CHECK(nanosleep(&t, NULL) == 0);
    b = seconds();
    CHECK(b - a >= 0.05 && b - a < 5);
    for (int i = 0; i < 1000; i++, a = b)
        CHECK((b = seconds()) >= a);
    CHECK(time(NULL) > 1600000000);
}

/* --- pipes -------------------------------------------------------------------------------- */

enum { BULK = 1 << 20 };

static int bulk_writer(void *arg)
{
    uint64_t seed = 7;
    size_t done = 0;
    static unsigned char buf[100000];

    while (done < BULK) {
        size_t n = 1 + rnd(&seed) % sizeof(buf);

        if (n > BULK - done)
            n = BULK - done;
        for (size_t i = 0; i < n; i++)
            buf[i] = (unsigned char)((done + i) * 31 >> 3);
        if (write(*(int *)arg, buf, n) != (ssize_t)n)
            return 1;
        done += n;
    }
    return 0;
}

static void test_pipe_bulk(void)
{
    static unsigned char buf[70000];
    uint64_t seed = 9;
    size_t done = 0;
    ssize_t n;
    int fd[2];
    pid_t pid;

    CHECK(pipe(fd) == 0);
    pid = start(bulk_writer, &fd[1]);
    close(fd[1]);
    while ((n = read(fd[0], buf, 1 + rnd(&seed) % sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n; i++, done++)
            CHECK(buf[i] == (unsigned char)(done * 31 >> 3));
    CHECK(n == 0 && done == BULK && reap(pid) == 0);
    close(fd[0]);
}

static void test_pipe_ends(void)
{
    struct pollfd p;
    int fd[2];
    char c;

    CHECK(pipe2(fd, O_NONBLOCK | O_CLOEXEC) == 0);
    CHECK(read(fd[0], &c, 1) == -1 && errno == EAGAIN);
    p = (struct pollfd){fd[0], POLLIN, 0};
    CHECK(poll(&p, 1, 20) == 0);
    CHECK(write(fd[1], "a", 1) == 1);
    CHECK(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
    CHECK(lseek(fd[0], 0, SEEK_CUR) == -1 && errno == ESPIPE);
    close(fd[0]);
    hits = 0;
    handle(SIGPIPE, count_signal, 0);
    CHECK(write(fd[1], "b", 1) == -1 && errno == EPIPE && hits == 1);
    restore(SIGPIPE);
    close(fd[1]);
}

/* --- files -------------------------------------------------------------------------------- */

static void test_files(void)
{
    struct iovec v[2] = {{"abc", 3}, {"defg", 4}};
    struct stat st;
    char buf[64] = {0};
    int fd;

    CHECK(mkdir(at("st"), 0755) == 0 && mkdir(at("st"), 0755) == -1 && errno == EEXIST);
    CHECK(chdir(at("st")) == 0 && getcwd(buf, sizeof(buf)) && !strcmp(buf, at("st")));
    fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && open("a", O_RDWR | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST);
    CHECK(writev(fd, v, 2) == 7 && pwrite(fd, "X", 1, 10000) == 1);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 10001 && S_ISREG(st.st_mode));
    CHECK(pread(fd, buf, 10, 0) == 10 && !memcmp(buf, "abcdefg\0\0\0", 10));
    CHECK(ftruncate(fd, 2) == 0 && ftruncate(fd, 5) == 0);
    CHECK(pread(fd, buf, 10, 0) == 5 && !memcmp(buf, "ab\0\0\0", 5));
    CHECK(rename("a", "../st/b") == 0 && access("a", F_OK) == -1 && access("b", R_OK) == 0);
    CHECK(unlink("b") == 0 && pread(fd, buf, 10, 0) == 5);
    close(fd);
    fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    CHECK(write(fd, "1", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "2", 1) == 1);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 2);
    close(fd);
    CHECK(symlink("log", "link") == 0 && readlink("link", buf, sizeof(buf)) == 3);
    CHECK(stat("link", &st) == 0 && st.st_size == 2);
    CHECK(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(symlink("loop", "loop") == 0 && open("loop", O_RDONLY) == -1 && errno == ELOOP);
    CHECK(open("log/x", O_RDONLY) == -1 && errno == ENOTDIR);
    CHECK(rmdir(at("st")) == -1 && errno == ENOTEMPTY);
    CHECK(unlink("log") == 0 && unlink("link") == 0 && unlink("loop") == 0 && chdir("/") == 0);
    CHECK(rmdir(at("st")) == 0);
}

static void test_directory(void)
{
    char name[300];
    struct dirent *e;
    int n = 0;
    DIR *d;

    CHECK(mkdir(at("dir"), 0755) == 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "%s/file%d", at("dir"), i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    CHECK((d = opendir(at("dir"))));
    while ((e = readdir(d))) { /* entries go while we walk */
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", at("dir"), e->d_name);
        CHECK(e->d_type == DT_REG && unlink(name) == 0);
        n++;
    }
    closedir(d);
    CHECK(n == 3000 && rmdir(at("dir")) == 0);
}

static void test_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR), copy;
    char c;

    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, &c, 1) == 0);
    CHECK((copy = fcntl(fd, F_DUPFD, 40)) == 40 && fcntl(copy, F_GETFD) == 0);
    CHECK(fcntl(copy, F_SETFD, FD_CLOEXEC) == 0 && fcntl(copy, F_GETFD) == FD_CLOEXEC);
    CHECK(dup2(fd, 41) == 41 && dup3(fd, 41, O_CLOEXEC) == 41 && dup2(fd, fd) == fd);
    CHECK(close(41) == 0 && close(41) == -1 && errno == EBADF);
    CHECK(dup2(77, 5) == -1 && errno == EBADF);
    close(copy);
    close(fd);
    fd = open("/dev/zero", O_RDONLY);
    c = 1;
    CHECK(read(fd, &c, 1) == 1 && c == 0);
    close(fd);
}

/* --- programs ----------------------------------------------------------------------------- */

extern char **environ;
static const char *self;

/* Runs this program again, as `selftest echo ARGS...`, which exits with what it thinks of them. */
static void test_exec(void)
{
    char big[20000], *argv[] = {(char *)self, "echo", "", "two words", big, NULL};
    char *envp[] = {"MARK=7", NULL};
    pid_t pid;

    memset(big, 'b', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    pid = fork();
    if (pid == 0) {
        execve(self, argv, envp);
        _exit(1);
    }
    CHECK(reap(pid) == 42);
    CHECK(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0 && reap(pid) == 42);
    pid = vfork();
    if (pid == 0) {
        execve(self, argv, envp);
        _exit(1);
    }
    CHECK(reap(pid) == 42);
    CHECK(execve("/nonesuch", argv, envp) == -1 && errno == ENOENT);
    CHECK(execve("/tmp", argv, envp) == -1 && errno == EACCES);
}

static int echo(int argc, char **argv)
{
    const char *mark = getenv("MARK");
    int good = argc == 5 && !argv[2][0] && !strcmp(argv[3], "two words") && strlen(argv[4]) == 19999 && mark &&
               !strcmp(mark, "7") && !environ[1];

    return good ? 42 : 3;
}

static void test_shell(void)
{
    CHECK(WEXITSTATUS(system("exit 3")) == 3);
    FILE *f = popen("echo a | cat; echo b", "r");
    char buf[16] = {0};

    CHECK(f && fread(buf, 1, sizeof(buf), f) == 4 && !strcmp(buf, "a\nb\n") && pclose(f) == 0);
}

static int many_children(void *arg)
{
    (void)arg;
    return 1;
}

static void test_fork_storm(void)
{
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 30; i++)
            start(many_children, NULL);
        for (int i = 0; i < 30; i++)
            CHECK(wait(NULL) > 0);
    }
}

#define TEST(name)         \
    {                      \
#name, test_##name \
    }

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    TEST(copy_on_write),  TEST(map_stress),      TEST(mremap),       TEST(brk),         TEST(shared_memory),
    TEST(file_mapping),   TEST(faults),          TEST(bad_pointers), TEST(signal_mask), TEST(interrupted_read),
    TEST(signal_context), TEST(alternate_stack), TEST(death),        TEST(sigchld),     TEST(preemption),
    TEST(fp_state),       TEST(threads),         TEST(exit_group),   TEST(clocks),      TEST(pipe_bulk),
    TEST(pipe_ends),      TEST(files),           TEST(directory),    TEST(descriptors), TEST(exec),
    TEST(shell),          TEST(fork_storm),
};

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && !strcmp(argv[1], "echo"))
        return echo(argc, argv);
    for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (argc > 1 && strcmp(argv[1], tests[i].name))
            continue;
        tests[i].run();
        printf("ok %s\n", tests[i].name);
        fflush(stdout);
    }
    return 0;
}
