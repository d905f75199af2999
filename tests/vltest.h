/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vltest.h - the little that every test program shares, on top of CUnit.
 *
 * A test program is a table and one line:
 *
 *     static const struct vltest tests[] = {{"two and two make four", test_sum}, ...};
 *     int main(void) { return vltest_run("sums", tests, ARRAY_SIZE(tests)); }
 *
 * Each test prints its name and how it went, the program ends with "N passed, N failed" and returns 1 on any failure
 * (CUnit's own runner would return 0). Inside a test use CHECK and its kin, or any CU_ASSERT macro; vltest_row() names
 * the row of a table that is being tried, so that a failure shows it. Link with -lcunit.
 * VLTEST_ONLY=text in the environment runs only the tests whose name contains the text.
 */
#ifndef VIRTLAB_VLTEST_H
#define VIRTLAB_VLTEST_H

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtlab/types.h>

struct vltest {
    const char *name; /* a statement about the thing under test */
    void (*run)(void);
};

/* The condition holds; a failure is recorded and the test goes on. CHECK_FATAL leaves the test. */
#define CHECK(condition) \
    CU_assertImplementation((condition) ? CU_TRUE : CU_FALSE, __LINE__, #condition, __FILE__, "", 0)
#define CHECK_FATAL(condition) \
    CU_assertImplementation((condition) ? CU_TRUE : CU_FALSE, __LINE__, #condition, __FILE__, "", CU_TRUE)
/* Two integers, or two strings, are equal; prints both values when not. */
#define CHECK_EQ_U64(actual, expected) vltest_eq_u64((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_EQ_STR(actual, expected) vltest_eq_str((actual), (expected), #actual, __FILE__, __LINE__)

static char vltest_row_text[256];
static char vltest_skip_text[256];
static unsigned vltest_skipped;

/* Names the table row that the next checks belong to. */
__attribute__((unused)) PRINTF_LIKE(1, 2) static void vltest_row(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(vltest_row_text, sizeof vltest_row_text, format, args);
    va_end(args);
}

/* Says that the running test can't be made here, and why. The test returns after it. */
__attribute__((unused)) PRINTF_LIKE(1, 2) static void vltest_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(vltest_skip_text, sizeof vltest_skip_text, format, args);
    va_end(args);
}

/* Records a failed check with its message and, if there is one, its table row. */
__attribute__((unused))
PRINTF_LIKE(4, 5) static void vltest_check(bool ok, const char *file, int line, const char *format, ...)
{
    char text[800] = "";
    if (!ok) {
        va_list args;
        va_start(args, format);
        int length = vsnprintf(text, 500, format, args);
        va_end(args);
        if (length >= 0 && vltest_row_text[0])
            snprintf(text + strlen(text), 300, "  [row: %s]", vltest_row_text);
    }
    CU_assertImplementation(ok ? CU_TRUE : CU_FALSE, (unsigned)line, text, file, "", CU_FALSE);
}

__attribute__((unused)) static void vltest_eq_u64(uint64_t actual, uint64_t expected, const char *what,
                                                  const char *file, int line)
{
    vltest_check(actual == expected, file, line, "%s is 0x%" PRIx64 ", expected 0x%" PRIx64, what, actual, expected);
}

__attribute__((unused)) static void vltest_eq_str(const char *actual, const char *expected, const char *what,
                                                  const char *file, int line)
{
    vltest_check(strcmp(actual, expected) == 0, file, line, "%s is \"%s\", expected \"%s\"", what, actual, expected);
}

static void vltest_started(const CU_pTest test, const CU_pSuite suite)
{
    (void)suite;
    vltest_row_text[0] = vltest_skip_text[0] = '\0';
    printf("  %s ... ", test->pName); /* flushed, so that a crash shows where it was */
    fflush(stdout);
}

static void vltest_finished(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
    (void)test, (void)suite;
    if (failures)
        printf("FAILED\n");
    else if (vltest_skip_text[0])
        printf("skipped: %s\n", vltest_skip_text);
    else
        printf("ok\n");
    vltest_skipped += !failures && vltest_skip_text[0];
    unsigned shown = 0;
    for (CU_pFailureRecord f = failures; f && shown < 20; f = f->pNext, shown++)
        printf("    %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
}

__attribute__((unused)) static int vltest_run(const char *program, const struct vltest *tests, size_t count)
{
    const char *only = getenv("VLTEST_ONLY");
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite suite = CU_add_suite(program, NULL, NULL);
    bool complete = suite != NULL;
    for (size_t i = 0; complete && i < count; i++) {
        if (!only || strstr(tests[i].name, only))
            complete = CU_add_test(suite, tests[i].name, tests[i].run) != NULL || CU_get_error() == CUE_DUP_TEST;
    }
    printf("%s:\n", program);
    CU_set_test_start_handler(vltest_started);
    CU_set_test_complete_handler(vltest_finished);
    complete = complete && CU_run_all_tests() == CUE_SUCCESS;
    unsigned ran = CU_get_number_of_tests_run(), failed = CU_get_number_of_tests_failed();
    printf("%s: %u passed, %u failed", program, ran - failed - vltest_skipped, failed);
    if (vltest_skipped)
        printf(", %u skipped", vltest_skipped);
    printf("\n");
    CU_cleanup_registry();
    return complete && failed == 0 && ran > 0 ? 0 : 1;
}

#endif
