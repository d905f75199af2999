/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_devices.c - statements about the devices of core/io, each in its own devices_NAME.h. devices_misc.h has
 * them all together.
 */
#include "devices_ata.h"
#include "devices_chips.h"
#include "devices_cmos.h"
#include "devices_lapic.h"
#include "devices_misc.h"
#include "devices_pic.h"
#include "devices_pit.h"
#include "devices_uart.h"

static const struct vltest tests[] = {
    PIC_TESTS, PIT_TESTS, CMOS_TESTS, UART_TESTS, LAPIC_TESTS, ATA_TESTS, CHIPS_TESTS, MISC_TESTS,
};

int main(void)
{
    return vltest_run("devices", tests, ARRAY_SIZE(tests));
}
