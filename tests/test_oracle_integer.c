/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_oracle_integer.c - the software CPU computes what this processor computes: arithmetic, logic, shifts, bits,
 * moves.
 *
 * VIRTLAB_SEED=n and VIRTLAB_ROUNDS=n (inputs a row) in the environment repeat or extend a run.
 */
#include "oracle_test.h"

static void test_arithmetic(void)
{
    check_group(&oracle_arithmetic);
}
static void test_logic(void)
{
    check_group(&oracle_logic);
}
static void test_multiply(void)
{
    check_group(&oracle_multiply);
}
static void test_shift(void)
{
    check_group(&oracle_shift);
}
static void test_bit(void)
{
    check_group(&oracle_bit);
}
static void test_condition(void)
{
    check_group(&oracle_condition);
}
static void test_move(void)
{
    check_group(&oracle_move);
}
static void test_address(void)
{
    check_group(&oracle_address);
}

int main(void)
{
    static const struct vltest tests[] = {
        {"ADD ADC SUB SBB CMP INC DEC NEG agree with the host", test_arithmetic},
        {"AND OR XOR TEST NOT agree with the host", test_logic},
        {"MUL IMUL DIV IDIV agree with the host", test_multiply},
        {"shifts, rotates, SHLD, SHRD agree with the host", test_shift},
        {"BT* BSF BSR POPCNT BSWAP agree with the host", test_bit},
        {"SETcc CMOVcc agree with the host", test_condition},
        {"MOV* CBW..CQO XLAT NOP agree with the host", test_move},
        {"LEA agrees with the host", test_address},
    };
    return oracle_test_main("oracle_integer", tests, ARRAY_SIZE(tests));
}
