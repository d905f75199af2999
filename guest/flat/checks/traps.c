/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * traps.c - do exceptions and INT reach the handlers that the IDT names, with what the manual says on the stack?
 */
#include "check.h"

extern char probe_int3[], probe_int3_behind[], probe_int[], probe_ud[], probe_div[], probe_div_at[], probe_load[];
uint64_t probe_iret(uint64_t rflags);

void check_int3(void)
{
    use_descriptors();
    want_trap(try(probe_int3, 0, 0), BP, 0);
    want("rip", trap.rip, ADDRESS(probe_int3_behind));
    want("cs", trap.cs, KERNEL_CODE);
}

void check_int(void)
{
    use_descriptors();
    want_trap(try(probe_int, 0, 0), VECTOR_LEAVE, 0);
}

void check_ud(void)
{
    use_descriptors();
    want_trap(try(probe_ud, 0, 0), UD, 0);
    want("rip", trap.rip, ADDRESS(probe_ud));
}

/* Both ways to fail: by zero, and 2^64 / 1 does not fit. */
void check_divide(void)
{
    use_descriptors();
    want_trap(try(probe_div, 0, 0), DE, 0);
    want("rip", trap.rip, ADDRESS(probe_div_at));
    want_trap(try(probe_div, 1, 1), DE, 0);
    want("trapped", try(probe_div, 0, 1), false);
}

/* An address that is not canonical. */
void check_gp(void)
{
    use_descriptors();
    want_trap(try(probe_load, UINT64_C(1) << 62, 0), GP, 0);
}

void check_iret(void)
{
    want("rflags", probe_iret(FLAG_ONE | FLAG_DF | FLAG_IOPL), FLAG_ONE | FLAG_DF | FLAG_IOPL);
}
