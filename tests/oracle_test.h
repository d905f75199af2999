/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle_test.h - what the test programs test_oracle_*.c share. */
#ifndef VIRTLAB_ORACLE_TEST_H
#define VIRTLAB_ORACLE_TEST_H

#include "oracle.h"
#include "vltest.h"

static struct oracle oracle;

/* One group of instructions: every row must agree with the host. */
__attribute__((unused)) static void check_group(const struct oracle_group *group)
{
    unsigned failed = oracle_run_group(&oracle, group);
    vltest_check(failed == 0, __FILE__, __LINE__, "%u of %zu rows of %s differ (VIRTLAB_SEED=%llu)", failed,
                 group->count, group->name, (unsigned long long)oracle.seed);
}

static int oracle_test_main(const char *program, const struct vltest *tests, size_t count)
{
    struct reason why = {""};
    if (oracle_open(&oracle, &why)) {
        printf("%s: %s\n", program, why.text);
        return 1;
    }
    printf("seed %llu, %u rounds\n", (unsigned long long)oracle.seed, oracle.rounds);
    int status = vltest_run(program, tests, count);
    if (oracle.not_judged)
        printf("%llu runs could not be compared: this process has memory where they fault\n",
               (unsigned long long)oracle.not_judged);
    oracle_close(&oracle);
    return status;
}

#endif
