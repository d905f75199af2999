/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alarm.c - one POSIX timer a machine, whose signal goes to the thread that runs the guest (alarm.h).
 */
#include "machine/alarm.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc before 2.35 doesn't name it (timer_create(2)) */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define NS_PER_S 1000000000

static void ring(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct alarm *alarm = info->si_value.sival_ptr;

    (void)signal, (void)context;
    if (info->si_code == SI_TIMER) { /* not from a kill(2) out of nowhere, which brings no alarm along */
        alarm->rang = 1;
        alarm->ops->kick(alarm->engine);
    }
    errno = saved_errno;
}

/*
 * No SA_RESTART: a system call in which the engine or the machine waits (KVM_RUN, ppoll) must end. On the alternate
 * stack, if the engine has one: at this moment RSP may be the guest's.
 */
static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    sigfillset(&action.sa_mask);
    sigaction(ALARM_SIGNAL, &action, NULL);
}

static pthread_once_t handler_once = PTHREAD_ONCE_INIT;

int alarm_start(struct alarm *alarm, const struct engine_ops *ops, struct engine *engine, struct reason *why)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ALARM_SIGNAL};
    sigset_t unblock;

    alarm->ops = ops;
    alarm->engine = engine;
    alarm->rang = 0;
    event.sigev_value.sival_ptr = alarm;
    event.sigev_notify_thread_id = gettid();
    pthread_once(&handler_once, install_handler);
    if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer))
        return fail(why, errno, "the machine's timer: timer_create: %s", strerror(errno));
    sigemptyset(&unblock);
    sigaddset(&unblock, ALARM_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &unblock, &alarm->old_mask);
    return 0;
}

/*
 * Once the timer is disarmed no new signal comes, and one that was pending has been handled when the system call
 * returns, because it goes to this thread and is not blocked. So the handler never sees an alarm that is gone.
 */
void alarm_stop(struct alarm *alarm)
{
    alarm_set(alarm, 0);
    timer_delete(alarm->timer);
    pthread_sigmask(SIG_SETMASK, &alarm->old_mask, NULL);
}

void alarm_set(struct alarm *alarm, uint64_t ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)}};

    timer_settime(alarm->timer, TIMER_ABSTIME, &when, NULL); /* fails only for times that can't be */
}
