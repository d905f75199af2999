/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processes play ping-pong over two pipes: each round trip is two writes, two reads that sleep,
 * and two context switches. The child answers with the next number of a sequence that both can
 * compute, so that an answer lost, doubled or stale is seen. Contract: workload.h.
 */
#include "workload.h"
#include <sys/wait.h>

enum { TRIPS = 100 };

static int to_child, from_child; /* the parent's ends */
static pid_t child;

static uint64_t answer_to(uint64_t question)
{
    return mix(question, 1);
}

/* 1 a whole message came, 0 the other side is gone, -1 an error */
static int receive(int fd, uint64_t *message)
{
    ssize_t n = read(fd, message, sizeof *message);
    return n == sizeof *message ? 1 : n == 0 ? 0 : -1;
}

static int post(int fd, uint64_t message)
{
    return write(fd, &message, sizeof message) == sizeof message ? 0 : -1;
}

/* The child: answers until the parent closes its end; its exit status tells how it went. */
static _Noreturn void serve(int in, int out)
{
    uint64_t message;
    int status;
    while ((status = receive(in, &message)) == 1) {
        if (post(out, answer_to(message)) != 0)
            _exit(1);
    }
    _exit(status == 0 ? 0 : 1);
}

static uint64_t round_trip(uint64_t question)
{
    uint64_t answer;
    if (post(to_child, question) != 0)
        fail("write to the child: %s", strerror(errno));
    if (receive(from_child, &answer) != 1)
        fail("no answer from the child");
    if (answer != answer_to(question))
        fail("wrong answer from the child");
    return answer;
}

static uint64_t work(unsigned n)
{
    uint64_t message = 1;
    for (uint64_t trips = (uint64_t)n * TRIPS; trips > 0; trips--)
        message = round_trip(message);
    return message;
}

static void setup(void)
{
    int there[2], back[2];
    if (pipe(there) != 0 || pipe(back) != 0)
        fail("pipe: %s", strerror(errno));
    child = fork();
    if (child < 0)
        fail("fork: %s", strerror(errno));
    if (child == 0) {
        close(there[1]);
        close(back[0]);
        serve(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    to_child = there[1];
    from_child = back[0];
    round_trip(0); /* the child is up before the clock runs */
}

static void finish(void)
{
    int status;
    close(to_child);
    if (waitpid(child, &status, 0) != child)
        fail("waitpid: %s", strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("the child ended with status 0x%x", (unsigned)status);
}

const struct workload workload = {
    .name = "pingpong",
    .args = "",
    .unit = "100 round trips between two processes over two pipes",
    .default_n = 20,
    .setup = setup,
    .work = work,
    .finish = finish,
};
