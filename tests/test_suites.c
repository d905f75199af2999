/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_suites.c - what a bench measures: arguments at each size, suites and who takes part, a workload's two lines.
 */
#include "vltest.h"

#include "../bench/name_list.h"
#include "../bench/ok_line.h"
#include "../bench/plan.h"
#include "../bench/suites.h"

static struct reason why;

static void test_sizes(void)
{
    static const struct {
        const char *quick, *shorter;
    } rows[] = {
        {"20", "2"},
        {"7", "1"},
        {"1", "1"},
        {"50 8192 16384", "6 8192 16384"},
        {"100 seqread %disk%", "12 seqread %disk%"},
        {"20ms in", "2ms in"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct workload_def workload = {.quick = rows[i].quick, .full = "1000 full"};
        char args[WORKLOAD_ARGS_MAX];
        vltest_row("'%s'", rows[i].quick);
        workload_args(&workload, SIZE_FULL, args);
        CHECK_EQ_STR(args, "1000 full");
        workload_args(&workload, SIZE_QUICK, args);
        CHECK_EQ_STR(args, rows[i].quick);
        workload_args(&workload, SIZE_SHORT, args);
        CHECK_EQ_STR(args, rows[i].shorter);
    }
}

/* A row whose arguments were cut would be measured with others than the table says. */
static void test_every_row_fits(void)
{
    for (unsigned i = 0; i < workload_count; i++) {
        char args[WORKLOAD_ARGS_MAX];
        vltest_row("%s", workloads[i].name);
        workload_args(&workloads[i], SIZE_FULL, args);
        CHECK_EQ_STR(args, workloads[i].full);
        workload_args(&workloads[i], SIZE_QUICK, args);
        CHECK_EQ_STR(args, workloads[i].quick);
    }
}

static void test_words(void)
{
    const struct workload_def *disk = workload_find("disk-randread", &why);
    struct words words;
    CHECK_FATAL(disk != NULL);
    CHECK_FATAL(workload_words(disk, SIZE_QUICK, "/a b", "/text", &words, &why) == 0);
    CHECK_EQ_U64(words.count, 3);
    CHECK_EQ_STR(words.word[0], "100");
    CHECK_EQ_STR(words.word[1], "randread");
    CHECK_EQ_STR(words.word[2], "/a b");
    CHECK(words.word[3] == NULL);
}

static void test_programs(void)
{
    CHECK_EQ_STR(workload_program(workload_find("chase-tlb", &why)), "chase");
    CHECK_EQ_STR(workload_program(workload_find("kernel-chase", &why)), "chase");
    CHECK_EQ_STR(workload_program(workload_find("nano-in", &why)), "nano");
}

static void test_lists(void)
{
    static const struct {
        const char *list, *name;
        bool is_listed;
    } rows[] = {
        {"a,b,c", "a", true},
        {"a,b,c", "c", true},
        {"a,b,c", "b,c", false},
        {"full/bt:all,full/bt", "full/bt", true},
        {"full/bt:all", "full/bt", false},
        {"", "a", false},
        {"a", "", false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vltest_row("'%s' in '%s'", rows[i].name, rows[i].list);
        CHECK(name_is_listed(rows[i].list, rows[i].name) == rows[i].is_listed);
    }
}

static void test_who_takes_part(void)
{
    const struct suite open = {.name = "open", .also = "full/bt:direct"};
    const struct suite closed = {.name = "closed", .engines = "full/bt,full/bt:all", .peers = "qemu-tcg"};
    CHECK(suite_wants_engine(&open, "full/bt"));
    CHECK(!suite_wants_engine(&open, "full/bt:all"));
    CHECK(suite_wants_engine(&open, "full/bt:direct"));
    CHECK(suite_wants_peer(&open, "bochs"));
    CHECK(suite_wants_engine(&closed, "full/bt:all"));
    CHECK(!suite_wants_engine(&closed, "para/direct"));
    CHECK(suite_wants_peer(&closed, "qemu-tcg"));
    CHECK(!suite_wants_peer(&closed, "bochs"));
}

static unsigned rows_of(const char *suites)
{
    static struct plan plan;
    const struct plan_options options = {.suites = suites, .engines = "emulate/interp", .peers = "none"};
    CHECK_FATAL(plan_make(&plan, &options, &why) == 0);
    return plan.rows;
}

static void test_several_suites(void)
{
    unsigned lecture = rows_of("lecture"), system = rows_of("system"), nano = rows_of("nano");
    CHECK(0 < system && system < lecture);
    CHECK_EQ_U64(rows_of("lecture,system"), lecture);
    CHECK_EQ_U64(rows_of("system,lecture,system"), lecture);
    CHECK_EQ_U64(rows_of("nano,lecture"), lecture + nano);
    for (unsigned i = 0; i < suite_count; i++) {
        char both[64];
        snprintf(both, sizeof both, "lecture,%s", suites[i].name);
        vltest_row("%s", both);
        if (suites[i].engines) /* engines of its own: then all its rows are its own */
            CHECK_EQ_U64(rows_of(both), lecture + rows_of(suites[i].name));
    }
}

static void test_lines(void)
{
    struct ok_line ok;
    CHECK(ok_line_find("noise\nsieve: ok iterations=2 roi_ns=30 check=00ff\n", "sieve", &ok));
    CHECK_EQ_U64(ok.iterations, 2);
    CHECK_EQ_U64(ok.roi_ns, 30);
    CHECK_EQ_STR(ok.check, "00ff");
    CHECK(!ok_line_find("sieve: ok iterations=0 roi_ns=30 check=00ff\n", "sieve", &ok));
    CHECK(!ok_line_find("xsieve: ok iterations=2 roi_ns=30 check=00ff\n", "sieve", &ok));
    CHECK(na_line_find("noise\nnano: n/a: no CR8\nmore\n", "nano") != NULL);
    CHECK(na_line_find("nano: n/a\n", "nano") == NULL);
    CHECK(na_line_find("nan", "nano") == NULL);
    CHECK(na_line_find("other: n/a: no CR8\n", "nano") == NULL);
}

static const struct vltest tests[] = {
    {"a shorter row has an eighth of N, at least 1, and its other arguments", test_sizes},
    {"every row's arguments are used as they are written", test_every_row_fits},
    {"placeholders become one word each, whatever stands in the path", test_words},
    {"what runs in the kernel is called as its program", test_programs},
    {"a name is in a list only as a whole", test_lists},
    {"policies of an engine and slow peers take part where a suite wants them", test_who_takes_part},
    {"a row is measured once, unless suites choose their engines themselves", test_several_suites},
    {"a workload's line is found by its name, and only as a whole", test_lines},
};

int main(void)
{
    return vltest_run("suites", tests, ARRAY_SIZE(tests));
}
