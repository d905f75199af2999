/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_para_disk.c - the split block driver: what it may not be asked, and that a driver domain which is killed while
 * it writes loses nothing that was acknowledged.
 *
 * The front-end is the test itself: it writes the ring in the guest's RAM and makes the calls that the guest would.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "para/backend.h"
#include "para_rig.h"

#define SECTORS 4096
#define F_RING  100
#define F_PAGES 128 /* PARA_RING pages */

struct front {
    struct rig rig;
    struct para_block_ring *ring;
    uint64_t grant[PARA_RING], ring_grant;
    char image[32];
    int fd;
};

static int64_t call_event(struct front *f, uint64_t operation)
{
    return block_event(f->rig.engine, (uint64_t[]){operation, PARA_PORT_DISK, 0});
}

static int64_t share(struct front *f, unsigned frame, uint64_t flags)
{
    return grant_call(f->rig.engine, (uint64_t[]){PARA_GRANT_SHARE, PA(frame), flags});
}

static void front_start(struct front *f)
{
    strcpy(f->image, "/tmp/virtlab-disk-XXXXXX");
    f->fd = mkstemp(f->image);
    CHECK_FATAL(f->fd >= 0 && ftruncate(f->fd, SECTORS * 512) == 0);
    rig_start_with(&f->rig, f->image);
    f->ring = (struct para_block_ring *)(f->rig.ram.base + PA(F_RING));
    for (unsigned i = 0; i < PARA_RING; i++)
        f->grant[i] = (uint64_t)share(f, F_PAGES + i, 0);
    f->ring_grant = (uint64_t)share(f, F_RING, 0);
    CHECK_EQ_U64(block_event(f->rig.engine, (uint64_t[]){PARA_EVENT_BIND_DISK, f->ring_grant, 0}), PARA_PORT_DISK);
    CHECK_EQ_U64(f->ring->sectors, SECTORS);
}

static void front_end(struct front *f)
{
    rig_end(&f->rig);
    close(f->fd);
    unlink(f->image);
}

static void ask(struct front *f, struct para_block_request request)
{
    f->ring->request[f->ring->request_produced++ % PARA_RING] = request;
}

/* Waits for one response. */
static struct para_block_response answer(struct front *f)
{
    while (f->ring->response_produced == f->ring->response_consumed)
        call_event(f, PARA_EVENT_POLL);
    return f->ring->response[f->ring->response_consumed++ % PARA_RING];
}

static uint8_t *page(struct front *f, unsigned i)
{
    return f->rig.ram.base + PA(F_PAGES + i);
}

static void test_requests(void)
{
    struct front f;

    front_start(&f);
    const uint32_t read_only = (uint32_t)share(&f, F_FREE, PARA_GRANT_READ_ONLY), good = (uint32_t)f.grant[0];
    const struct {
        const char *text;
        struct para_block_request request;
        int64_t status;
    } rows[] = {
        {"a page is written", {.operation = PARA_BLOCK_WRITE, .count = 8, .grant = good}, 0},
        {"and read", {.operation = PARA_BLOCK_READ, .count = 8, .grant = good}, 0},
        {"a part of one", {.operation = PARA_BLOCK_READ, .first = 7, .count = 1, .grant = good, .sector = 1}, 0},
        {"the last sector", {.operation = PARA_BLOCK_READ, .count = 1, .grant = good, .sector = SECTORS - 1}, 0},
        {"a flush needs no page", {.operation = PARA_BLOCK_FLUSH, .grant = 99999}, 0},
        {"nothing isn't a request", {.operation = PARA_BLOCK_READ, .grant = good}, -PARA_EINVAL},
        {"nor more than a page", {.operation = PARA_BLOCK_READ, .count = 9, .grant = good}, -PARA_EINVAL},
        {"nor beyond its end", {.operation = PARA_BLOCK_READ, .first = 4, .count = 5, .grant = good}, -PARA_EINVAL},
        {"nor from beyond it", {.operation = PARA_BLOCK_READ, .first = 9, .count = 1, .grant = good}, -PARA_EINVAL},
        {"nor far from it", {.operation = PARA_BLOCK_READ, .first = 65535, .count = 1, .grant = good}, -PARA_EINVAL},
        {"the disk ends",
         {.operation = PARA_BLOCK_READ, .count = 2, .grant = good, .sector = SECTORS - 1},
         -PARA_EINVAL},
        {"sectors don't overflow",
         {.operation = PARA_BLOCK_READ, .count = 1, .grant = good, .sector = UINT64_MAX},
         -PARA_EINVAL},
        {"what isn't granted isn't used", {.operation = PARA_BLOCK_READ, .count = 1, .grant = 200}, -PARA_EINVAL},
        {"nor what no grant can be", {.operation = PARA_BLOCK_READ, .count = 1, .grant = UINT32_MAX}, -PARA_EINVAL},
        {"a read-only page can be written to the disk",
         {.operation = PARA_BLOCK_WRITE, .count = 1, .grant = read_only},
         0},
        {"but not read into", {.operation = PARA_BLOCK_READ, .count = 1, .grant = read_only}, -PARA_EPERM},
        {"there is no such operation", {.operation = 3, .count = 1, .grant = good}, -PARA_EINVAL},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct para_block_request request = rows[i].request;
        struct para_block_response response;

        vltest_row("%s", rows[i].text);
        request.id = 1000 + i;
        ask(&f, request);
        CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
        response = answer(&f);
        CHECK_EQ_U64(response.id, 1000 + i);
        CHECK_EQ_U64(response.status, rows[i].status);
    }
    front_end(&f);
}

static void test_bad_rings(void)
{
    static const uint32_t produced[] = {PARA_RING + 1, 0x80000000, UINT32_MAX};
    struct front f;

    front_start(&f);
    for (unsigned i = 0; i < ARRAY_SIZE(produced); i++) {
        vltest_row("%u requests", produced[i]);
        f.ring->request_produced = produced[i];
        CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), -PARA_EINVAL);
    }
    f.ring->request_produced = 0;
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(block_event(f.rig.engine, (uint64_t[]){PARA_EVENT_SEND, 2, 0}), -PARA_EINVAL);
    CHECK_EQ_U64(block_event(f.rig.engine, (uint64_t[]){9, PARA_PORT_DISK, 0}), -PARA_EINVAL);
    CHECK_EQ_U64(block_event(f.rig.engine, (uint64_t[]){PARA_EVENT_BIND_DISK, 0, 0}), -PARA_EINVAL);
    front_end(&f);
}

static atomic_bool stop;

/* A guest that scribbles on its ring while the domain works on it. */
static void *scribbler(void *ring)
{
    volatile uint32_t *words = ring;

    for (uint64_t random = 1; !atomic_load(&stop);) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        /* mostly small numbers: near what is allowed, they reach more */
        words[(random >> 40) % (sizeof(struct para_block_ring) / 4)] = (uint32_t)(random >> 33) >> (random >> 60) * 2;
        if (random >> 58 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return NULL;
}

static void test_scribbled_rings(void)
{
    struct para_block_request read = {.id = 77, .operation = PARA_BLOCK_READ, .count = 8};
    struct front f;
    pthread_t thread;
    uint32_t served;

    front_start(&f);
    atomic_store(&stop, false);
    CHECK_FATAL(pthread_create(&thread, NULL, scribbler, f.ring) == 0);
    for (unsigned i = 0; i < 2000; i++) {
        f.ring->request_produced = atomic_load(&block_backend(f.rig.engine)->arena->served) + i % (PARA_RING + 2);
        call_event(&f, PARA_EVENT_SEND);
        if (i % 16 == 0)
            call_event(&f, PARA_EVENT_POLL);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    do { /* until it has nothing more to do */
        served = atomic_load(&block_backend(f.rig.engine)->arena->served);
        f.ring->request_produced = served;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    } while (served != atomic_load(&block_backend(f.rig.engine)->arena->served));
    CHECK(served > 0);
    vltest_row("the domain lives, and does what is right again");
    CHECK_EQ_U64(block_backend(f.rig.engine)->restarts, 0);
    CHECK_EQ_U64(lseek(f.fd, 0, SEEK_END), SECTORS * 512);
    f.ring->response_consumed = f.ring->request_produced = served;
    f.ring->response_produced = served;
    read.grant = (uint32_t)f.grant[0];
    ask(&f, read);
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(answer(&f).id, 77);
    front_end(&f);
}

static void test_grants(void)
{
    struct front f;
    int64_t reference;

    front_start(&f);
    CHECK_EQ_U64(share(&f, F_COUNT, 0), -PARA_EINVAL);
    CHECK_EQ_U64(share(&f, F_SHARED, 0), -PARA_EPERM);
    CHECK_EQ_U64(share(&f, F_FREE, 2), -PARA_EINVAL);
    reference = share(&f, F_L4, 0);
    CHECK(reference >= 0);
    vltest_row("a granted page can't become a table");
    CHECK_EQ_U64(update_pin(f.rig.engine, (uint64_t[]){PA(F_L4)}), -PARA_EBUSY);
    CHECK_EQ_U64(grant_call(f.rig.engine, (uint64_t[]){PARA_GRANT_REVOKE, (uint64_t)reference}), 0);
    CHECK_EQ_U64(grant_call(f.rig.engine, (uint64_t[]){PARA_GRANT_REVOKE, (uint64_t)reference}), -PARA_EINVAL);
    CHECK_EQ_U64(update_pin(f.rig.engine, (uint64_t[]){PA(F_L4)}), 0);
    vltest_row("nor a table be granted");
    CHECK_EQ_U64(share(&f, F_L4, PARA_GRANT_READ_ONLY), -PARA_EPERM);
    vltest_row("a ring in use can't be revoked");
    CHECK_EQ_U64(grant_call(f.rig.engine, (uint64_t[]){PARA_GRANT_REVOKE, f.ring_grant}), -PARA_EBUSY);
    vltest_row("grants end");
    while ((reference = share(&f, F_FREE, 0)) >= 0)
        ;
    CHECK_EQ_U64(reference, -PARA_EBUSY);
    front_end(&f);
}

/* Which frames of the guest's RAM the domain has mapped, as the host's kernel says; one bit each. */
static void frames_within_reach(struct front *f, bool *mapped)
{
    pid_t pid = block_backend(f->rig.engine)->pid;
    unsigned long long start, end, offset;
    char path[64], line[256], name[64];
    FILE *maps;

    memset(mapped, 0, F_COUNT);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    CHECK_FATAL(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %63s", &start, &end, &offset, name) < 4 ||
            !strstr(name, "virtlab-ram"))
            continue;
        for (; start < end; start += PAGE_SIZE, offset += PAGE_SIZE)
            mapped[offset >> PAGE_SHIFT < F_COUNT ? offset >> PAGE_SHIFT : 0] = true; /* frame 0 isn't granted */
    }
    fclose(maps);
}

static void check_reach(struct front *f, unsigned revoked)
{
    static bool mapped[F_COUNT];

    frames_within_reach(f, mapped);
    for (unsigned frame = 0; frame < F_COUNT; frame++) {
        bool granted = frame == F_RING || (frame >= F_PAGES && frame < F_PAGES + PARA_RING && frame != revoked);

        vltest_row("frame %u", frame);
        CHECK(mapped[frame] == granted);
    }
    vltest_row("%s", "");
}

static void test_reach(void)
{
    struct para_block_request read = {.operation = PARA_BLOCK_READ, .count = 8};
    struct front f;
    pid_t before;

    front_start(&f);
    read.grant = (uint32_t)f.grant[0];
    ask(&f, read);
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(answer(&f).status, 0);
    check_reach(&f, 0);

    /* A page that is revoked while a request uses it: the request fails, the page stays as it is. */
    before = block_backend(f.rig.engine)->pid;
    kill(before, SIGSTOP);
    memset(page(&f, 0), 0x5a, PAGE_SIZE);
    ask(&f, read);
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(grant_call(f.rig.engine, (uint64_t[]){PARA_GRANT_REVOKE, f.grant[0]}), 0);
    CHECK(kill(before, 0) < 0 && errno == ESRCH);
    CHECK_EQ_U64(answer(&f).status, -PARA_EINVAL);
    CHECK(page(&f, 0)[0] == 0x5a && page(&f, 0)[PAGE_SIZE - 1] == 0x5a);
    check_reach(&f, F_PAGES);

    /* And one that is granted later is within reach then. */
    CHECK_EQ_U64(share(&f, F_PAGES, 0), f.grant[0]);
    ask(&f, read);
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(answer(&f).status, 0);
    CHECK(page(&f, 0)[0] == 0);
    check_reach(&f, 0);
    front_end(&f);
}

/* Requests go on being served without a hypercall, until the domain says that it sleeps; and then again after one. */
static void test_looks_by_itself(void)
{
    struct para_block_request read = {.operation = PARA_BLOCK_READ, .count = 8};
    struct front f;
    uint32_t rings;

    front_start(&f);
    read.grant = (uint32_t)f.grant[0];
    CHECK(f.ring->domain_sleeps == 1);
    rings = atomic_load(&block_backend(f.rig.engine)->arena->asked);
    for (unsigned i = 0; i < 2000; i++) {
        ask(&f, read);
        __sync_synchronize();
        if (f.ring->domain_sleeps)
            CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
        while (__atomic_load_n(&f.ring->response_produced, __ATOMIC_ACQUIRE) == f.ring->response_consumed)
            sched_yield(); /* PARA_CALL_RELAX */
        f.ring->response_consumed++;
    }
    CHECK(atomic_load(&block_backend(f.rig.engine)->arena->asked) - rings >= 1);
    while (!__atomic_load_n(&f.ring->domain_sleeps, __ATOMIC_SEQ_CST))
        sched_yield();
    ask(&f, read);
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    CHECK_EQ_U64(answer(&f).status, 0);
    front_end(&f);
}

/* Without asynchronous completion, or with PARA_SEND_WAIT, a notification comes back when all is done. */
static void test_synchronous(void)
{
    struct front f;

    front_start(&f);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < PARA_RING; i++)
            ask(&f, (struct para_block_request){
                        .operation = PARA_BLOCK_WRITE, .count = 8, .sector = 8 * i, .grant = (uint32_t)f.grant[i]});
        if (round % 2)
            f.rig.engine->features &= ~(unsigned)PARA_FEATURE_ASYNC;
        else
            f.rig.engine->features |= PARA_FEATURE_ASYNC;
        CHECK_EQ_U64(
            block_event(f.rig.engine, (uint64_t[]){PARA_EVENT_SEND, PARA_PORT_DISK, round % 2 ? 0 : PARA_SEND_WAIT}),
            0);
        CHECK_EQ_U64(f.ring->response_produced, f.ring->request_produced);
    }
    front_end(&f);
}

/* What was asked for before the machine went is on the disk. */
static void test_the_end_waits(void)
{
    uint8_t found[PAGE_SIZE];
    struct front f;

    front_start(&f);
    for (unsigned i = 0; i < PARA_RING; i++) {
        memset(page(&f, i), 'a' + (int)i, PAGE_SIZE);
        ask(&f, (struct para_block_request){
                    .operation = PARA_BLOCK_WRITE, .count = 8, .sector = 8 * i, .grant = (uint32_t)f.grant[i]});
    }
    rig_end(&f.rig);
    for (unsigned i = 0; i < PARA_RING; i++) {
        CHECK_FATAL(pread(f.fd, found, PAGE_SIZE, (off_t)i * PAGE_SIZE) == (ssize_t)PAGE_SIZE);
        CHECK(found[0] == 'a' + i && found[PAGE_SIZE - 1] == 'a' + i);
    }
    close(f.fd);
    unlink(f.image);
}

/* What an image has lost reads as zeros, from the domain that found it longer. */
static void test_image_shrinks(void)
{
    struct para_block_request read = {.operation = PARA_BLOCK_READ, .count = 8};
    struct front f;

    front_start(&f);
    read.grant = (uint32_t)f.grant[0];
    for (unsigned i = 0; i < 3; i++) {
        vltest_row("read %u", i);
        read.sector = i == 0 ? 8 : SECTORS - 8;
        memset(page(&f, 0), 0x5a, PAGE_SIZE);
        ask(&f, read);
        CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
        CHECK_EQ_U64(answer(&f).status, 0);
        CHECK(page(&f, 0)[0] == 0 && page(&f, 0)[PAGE_SIZE - 1] == 0);
        CHECK_FATAL(ftruncate(f.fd, SECTORS * 512 / 2) == 0);
    }
    CHECK_EQ_U64(block_backend(f.rig.engine)->restarts, 0);
    front_end(&f);
}

static void test_a_list_is_one_notification(void)
{
    struct front f;
    uint32_t rings;

    front_start(&f);
    rings = atomic_load(&block_backend(f.rig.engine)->arena->asked);
    for (unsigned i = 0; i < PARA_RING; i++)
        ask(&f, (struct para_block_request){
                    .id = i, .operation = PARA_BLOCK_READ, .count = 8, .sector = 8 * i, .grant = (uint32_t)f.grant[i]});
    CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
    for (unsigned i = 0; i < PARA_RING; i++)
        CHECK_EQ_U64(answer(&f).status, 0);
    CHECK_EQ_U64(atomic_load(&block_backend(f.rig.engine)->arena->asked) - rings, 1);
    front_end(&f);
}

/* ---- killed while it writes ---- */

#define ROUNDS 200
#define PIECES (SECTORS / 8)

static void *killer(void *engine)
{
    while (!atomic_load(&stop)) {
        pid_t pid = __atomic_load_n(&block_backend(engine)->pid, __ATOMIC_RELAXED);

        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        if (pid > 0)
            kill(pid, SIGKILL); /* it is our child and not reaped before a restart: the number is its own */
    }
    return NULL;
}

static void fill(uint8_t *at, unsigned piece, unsigned round)
{
    for (unsigned i = 0; i < PAGE_SIZE; i += 4)
        memcpy(at + i, &(uint32_t){piece * 100003 + round * 101 + i}, 4);
}

static void test_killed_while_it_writes(void)
{
    static unsigned acknowledged[PIECES], last[PIECES];
    static uint8_t wanted[PAGE_SIZE], found[PAGE_SIZE];
    unsigned piece_of[PARA_RING], next = 0, wrong = 0;
    struct front f;
    pthread_t thread;

    memset(acknowledged, 0, sizeof acknowledged);
    memset(last, 0, sizeof last);
    atomic_store(&stop, false);
    front_start(&f);
    CHECK_FATAL(pthread_create(&thread, NULL, killer, f.rig.engine) == 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < PARA_RING; i++) {
            unsigned piece = next++ % PIECES;

            piece_of[i] = piece;
            last[piece] = round;
            fill(page(&f, i), piece, round);
            ask(&f, (struct para_block_request){.id = i,
                                                .operation = PARA_BLOCK_WRITE,
                                                .count = 8,
                                                .sector = 8 * piece,
                                                .grant = (uint32_t)f.grant[i]});
        }
        CHECK_EQ_U64(call_event(&f, PARA_EVENT_SEND), 0);
        for (unsigned i = 0; i < PARA_RING; i++) {
            struct para_block_response response = answer(&f);

            CHECK_EQ_U64(response.status, 0);
            acknowledged[piece_of[response.id % PARA_RING]] = round;
        }
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    for (unsigned piece = 0; piece < PIECES; piece++) {
        CHECK_EQ_U64(acknowledged[piece], last[piece]);
        if (!acknowledged[piece])
            continue;
        fill(wanted, piece, acknowledged[piece]);
        CHECK_FATAL(pread(f.fd, found, PAGE_SIZE, (off_t)piece * PAGE_SIZE) == (ssize_t)PAGE_SIZE);
        wrong += memcmp(wanted, found, PAGE_SIZE) != 0;
    }
    CHECK_EQ_U64(wrong, 0);
    vltest_row("%u restarts", block_backend(f.rig.engine)->restarts);
    CHECK(block_backend(f.rig.engine)->restarts > 0);
    front_end(&f);
}

static const struct vltest tests[] = {
    {"a request is checked before anything is done", test_requests},
    {"indices out of range are an error", test_bad_rings},
    {"a ring that changes under its hands does the domain no harm", test_scribbled_rings},
    {"grants keep tables and pages apart", test_grants},
    {"the domain reaches what is granted, and no more", test_reach},
    {"while requests keep coming, the domain looks by itself", test_looks_by_itself},
    {"a notification can wait for the end", test_synchronous},
    {"what was asked for before the end is done", test_the_end_waits},
    {"what an image has lost reads as zeros", test_image_shrinks},
    {"a list of requests is one notification", test_a_list_is_one_notification},
    {"a driver domain killed while it writes loses nothing acknowledged", test_killed_while_it_writes},
};

int main(void)
{
    return vltest_run("para_disk", tests, ARRAY_SIZE(tests));
}
