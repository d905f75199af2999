#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a random ring-0 program in assembler (for the flat personality, include/virtlab/flat.h), the same for the same
seed: random_kernel.py SEED [ROUNDS] > program.S

It brings its own GDT, IDT, TSS and page tables, takes timer interrupts, and runs a few hundred random instructions over
and over, so that a translator finds them hot: arithmetic, strings, SSE, calls and jumps; loads and stores through page
tables that it edits; control, debug and model-specific registers; ports; exceptions of all kinds; code that changes;
excursions into ring 3.

What keeps it going: R15 holds where to go on after a fault, and every handler goes there. R14 is the data. What keeps it
comparable: flags that the manual leaves undefined never get far. An instruction that leaves some is followed by one that
defines them all, and handlers clear the status flags of the frame that they return to.
"""
import random
import sys

REGS = "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13".split()
LOW = {
    "rax": "eax ax al",
    "rbx": "ebx bx bl",
    "rcx": "ecx cx cl",
    "rdx": "edx dx dl",
    "rsi": "esi si sil",
    "rdi": "edi di dil",
    "rbp": "ebp bp bpl",
}
FUNCTIONS, BLOCKS, LENGTH = 10, 6, 12
DATA_SIZE = 0x8000
EDITED, EDITED_PAGES = 0xB00000, 8  # virtual addresses whose page-table entries change
PT_EDITED = 0x800000 + 0x3000 + (EDITED >> 21) * 0x1000 + ((EDITED >> 12) & 511) * 8
UPPER = 0xFFFFFF8000000000  # all is mapped a second time from here on


class Writer:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.labels = 0
        self.lines = []
        self.changes = seed % 2 == 1  # code that changes, in every other program: it is never hot for long

    def out(self, *lines):
        self.lines += lines

    def label(self):
        self.labels += 1
        return f"L{self.labels}"

    # ---- operands ----

    def reg(self, size=None):
        name = self.r.choice(REGS)
        return self.sized(name, size or 64)

    @staticmethod
    def sized(name, size):
        if size == 64:
            return name
        if name in LOW:
            return LOW[name].split()[{32: 0, 16: 1, 8: 2}[size]]
        return name + {32: "d", 16: "w", 8: "b"}[size]

    def size(self):
        return self.r.choice((64, 64, 32, 32, 16, 8))

    def imm(self, size):
        bits = self.r.choice((3, 8, min(size, 31)))
        return str(self.r.getrandbits(bits) - self.r.choice((0, 1 << (bits - 1)) if bits < size else (0,)))

    def mem(self, size):
        prefix = {64: "qword", 32: "dword", 16: "word", 8: "byte"}[size]
        if self.r.random() < 0.3:  # by an index, which must be made small first
            index = self.r.choice(REGS)
            self.out(f"and {index}, 0xfff")
            return f"{prefix} ptr [r14 + {index} * {self.r.choice((1, 2, 4))} + {self.r.randrange(0x1000)}]"
        return f"{prefix} ptr [r14 + {self.r.randrange(DATA_SIZE - 64)}]"

    def any(self, size):
        return self.mem(size) if self.r.random() < 0.35 else self.reg(size)

    def define_flags(self):
        self.out(f"add {self.reg(32)}, {self.imm(32)}")

    def may_fault(self, *lines):
        """The last line may fault: then what follows it goes on."""
        behind = self.label()
        self.out(*lines[:-1], f"lea r15, [rip + {behind}]", lines[-1], f"{behind}:")

    # ---- kinds of instructions ----

    def arithmetic(self):
        op, size = self.r.choice("add sub adc sbb and or xor cmp test".split()), self.size()
        to = self.any(size)
        by = self.reg(size) if "ptr" in to or self.r.random() < 0.7 else self.imm(size)
        self.out(f"{op} {to}, {by}")

    def one_operand(self):
        self.out(f"{self.r.choice('inc dec neg not'.split())} {self.any(self.size())}")

    def shift(self):
        op = self.r.choice("shl shr sar rol ror rcl rcr".split())
        by = self.r.choice(("cl", str(self.r.randrange(1, 40)), "1"))
        size = self.size()
        self.out(f"{op} {self.any(size)}, {by}")
        self.define_flags()

    def multiply(self):
        size = self.r.choice((64, 32, 16))
        self.out(
            self.r.choice(
                (
                    f"imul {self.reg(size)}, {self.any(size)}",
                    f"mul {self.reg(size)}",
                    f"imul {self.reg(size)}, {self.reg(size)}, {self.imm(8)}",
                )
            )
        )
        self.define_flags()

    def divide(self):
        size = self.r.choice((64, 32))
        self.may_fault(
            f"xor {self.sized('rdx', 32)}, edx", f"{self.r.choice(('div', 'idiv'))} {self.reg(size)}"
        )
        self.define_flags()

    def bits(self):
        size = self.r.choice((64, 32))
        self.out(
            self.r.choice(
                (
                    f"bt {self.reg(size)}, {self.reg(size)}",
                    f"bts {self.reg(size)}, {self.r.randrange(64)}",
                    f"popcnt {self.reg(size)}, {self.reg(size)}",
                    f"bswap {self.reg(size)}",
                    f"btc {self.reg(size)}, {self.reg(size)}",
                )
            )
        )
        self.define_flags()

    def move(self):
        size = self.size()
        a, b = self.any(size), self.reg(size)
        if "ptr" in a:
            self.out(f"mov {a}, {b}" if self.r.random() < 0.5 else f"mov {b}, {a}")
        else:
            small = self.r.choice((8, 16))
            self.out(
                self.r.choice(
                    (
                        f"mov {a}, {b}",
                        f"movzx {self.reg(32)}, {self.reg(small)}",
                        f"xchg {a}, {b}",
                        f"movsx {self.reg(64)}, {self.reg(small)}",
                        f"lea {self.reg()}, [{self.reg()} + {self.reg()} * 4 + 7]",
                        f"mov {self.reg()}, {self.r.getrandbits(63)}",
                        f"cmovc {self.reg()}, {self.reg()}",
                        f"set{self.r.choice('z nz c s p o l g'.split())} {self.reg(8)}",
                        "cdqe",
                        "cqo",
                    )
                )
            )

    def atomic(self):
        size = self.r.choice((64, 32))
        self.out(
            f"lock {self.r.choice(('add', 'xadd', 'cmpxchg', 'xor'))} {self.mem(size)}, {self.reg(size)}"
        )

    def stack(self):
        a, b = self.reg(), self.reg()
        self.out(f"push {a}", f"push {b}", f"pop {a}", f"pop {self.reg()}")

    def string(self):
        self.out(
            f"mov ecx, {self.r.randrange(40)}",
            f"lea rdi, [r14 + {self.r.randrange(DATA_SIZE - 1024)}]",
            f"lea rsi, [r14 + {self.r.randrange(DATA_SIZE - 1024)}]",
        )
        self.out(
            self.r.choice(
                (
                    "rep movsb",
                    "rep movsq",
                    "rep stosd",
                    "repe cmpsb",
                    "repne scasb",
                    "lodsw",
                    "std; movsb; cld",
                )
            )
        )

    def sse(self):
        x, y = self.r.randrange(16), self.r.randrange(16)
        at = f"[r14 + {self.r.randrange(DATA_SIZE // 16 - 1) * 16}]"
        op = self.r.choice(
            "paddd pxor pmullw pshufb pcmpeqb por psubq punpcklbw addpd mulps subpd andps maxps".split()
        )
        self.out(
            self.r.choice(
                (
                    f"{op} xmm{x}, xmm{y}",
                    f"{op} xmm{x}, xmmword ptr {at}",
                    f"movaps xmmword ptr {at}, xmm{x}",
                    f"movq {self.reg()}, xmm{x}",
                    f"movq xmm{x}, {self.reg()}",
                    f"cvtsi2sd xmm{x}, {self.reg()}",
                )
            )
        )

    def branch(self):
        over = self.label()
        self.out(f"j{self.r.choice('z nz c nc s ns p np o no l ge le g be a'.split())} {over}")
        self.plain()
        self.out(f"{over}:")

    def indirect(self):
        table, ends = self.label(), [self.label() for _ in range(4)]
        done, index, target = self.label(), self.r.choice(REGS), self.r.choice(REGS)
        if index == target:
            return
        self.out(
            f"and {index}, 3",
            f"lea {target}, [rip + {table}]",
            f"jmp qword ptr [{target} + {index} * 8]",
            ".align 8",
            f"{table}: .quad " + ", ".join(ends),
        )
        for end in ends:
            self.out(f"{end}: add {index}, {self.r.randrange(99)}", f"jmp {done}")
        self.out(f"{done}:")

    def flags(self):
        self.define_flags()
        self.out(
            self.r.choice(
                (
                    f"pushfq; pop {self.reg()}",
                    "cli; sti",
                    "sti; nop; cli; sti",
                    "clc",
                    "stc",
                    "cmc",
                    f"pushfq; cli; popfq",
                    "lahf; sahf",
                )
            )
        )

    def edit_page(self):
        """An entry of a page table, then INVLPG, and accesses that may fault; the A and D bits are read back."""
        page, frame = self.r.randrange(EDITED_PAGES), 0xA00 + self.r.randrange(8)
        rights = self.r.choice((7, 7, 3, 1, 5, 0, 0x23, 0x63)) | self.r.choice((0, 0, 0x100))
        a, b = self.r.sample(REGS, 2)
        self.out(
            f"mov {a}, {frame << 12 | rights}",
            f"mov {b}, {PT_EDITED + 8 * page}",
            f"mov [{b}], {a}",
            f"mov {a}, {EDITED + page * 4096 + self.r.randrange(512) * 8}",
            f"invlpg [{a}]",
        )
        for access in self.r.sample(
            (
                f"mov {self.reg()}, [{a}]",
                f"mov [{a}], {b}",
                f"lock inc qword ptr [{a}]",
                f"mov dword ptr [{a} + 4094], 77",
            ),
            2,
        ):
            self.may_fault(access)
            self.out(f"mov {a}, {EDITED + page * 4096 + 8}")
        self.out(f"mov {b}, {PT_EDITED + 8 * page}", f"mov {a}, [{b}]", f"add [r14], {a}")

    def through_edited(self):
        a = self.r.choice(REGS)
        self.out(f"mov {a}, {EDITED + self.r.randrange(EDITED_PAGES * 4096 - 8)}")
        self.may_fault(
            self.r.choice(
                (
                    f"mov {self.reg()}, [{a}]",
                    f"add [{a}], {self.reg(32)}",
                    f"xor {self.reg()}, [{a}]",
                    f"mov byte ptr [{a}], 3",
                )
            )
        )

    def alias(self):
        a, b = self.r.sample(REGS, 2)
        at = self.r.randrange(DATA_SIZE - 8)
        self.out(f"movabs {a}, {UPPER + 0xA00000 + at}", f"mov [{a}], {b}", f"add {b}, [r14 + {at}]")

    def system(self):
        a = self.r.choice(REGS)
        e = self.sized(a, 32)
        self.out(
            *self.r.choice(
                (
                    (f"mov {a}, cr0",),
                    (f"mov {a}, cr0", f"xor {a}, 0x10000", f"mov cr0, {a}"),
                    (f"mov {a}, cr3", f"mov cr3, {a}"),
                    (f"mov {a}, cr4", f"xor {a}, 0x80", f"mov cr4, {a}"),
                    (f"mov cr2, {a}", f"mov {self.reg()}, cr2"),
                    (f"and {a}, 15", f"mov cr8, {a}", f"mov {self.reg()}, cr8"),
                    ("clts",),
                    (f"smsw {e}",),
                    (f"str {e}",),
                    (f"sldt {e}",),
                    ("sgdt [r14 + 64]",),
                    ("sidt [r14 + 80]",),
                    ("lgdt [rip + gdtr]",),
                    ("lidt [rip + idtr]",),
                    (f"invlpg [r14 + 4096]",),
                    ("wbinvd",),
                    ("swapgs", "swapgs"),
                    (f"mov {a}, dr7",),
                    (f"mov dr0, {a}", f"mov {self.reg()}, dr0"),
                    ("pause",),
                    (f"mov {e}, ds",),
                    (f"mov {e}, cs",),
                    (f"mov {e}, 0x18", f"mov es, {e}"),
                    (f"mov {e}, 0", f"mov fs, {e}"),
                    (f"mov {e}, 0x28", f"lar {e}, {e}"),
                    (f"mov {e}, 0x18", f"lsl {e}, {e}"),
                    (f"mov {e}, 0x2b", f"verr {self.sized(a, 16)}"),
                    ("in al, 0x61",),
                    ("out 0x80, al",),
                    ("mov ecx, 0xc0000102", "rdmsr"),
                    ("mov ecx, 0xc0000102", "xor edx, edx", "wrmsr"),
                    ("mov ecx, 0xc0000080", "rdmsr"),
                    ("mov ecx, 0xc0000103", "xor edx, edx", "wrmsr"),
                    ("mov ecx, 0x277", "rdmsr"),
                    ("rdtsc",),
                    (f"mov eax, {self.r.randrange(0x14)}", "xor ecx, ecx", "cpuid"),
                    ("sti", "hlt") if self.r.random() < 0.2 else ("nop",),
                )
            )
        )
        self.define_flags()

    def exception(self):
        a = self.r.choice(REGS)
        self.may_fault(
            *self.r.choice(
                (
                    ("ud2",),
                    (f"movabs {a}, 0x123456789abcdef0", f"mov {a}, [{a}]"),
                    (f"mov {a}, 0x7ffff0000000", f"mov [{a}], {a}"),
                    (f"mov ecx, 0x12345", "rdmsr"),
                    (f"mov {a}, 0x100000000000", f"call {a}"),
                    ("int3",),
                    (f"int {self.r.randrange(0x40, 0x48)}",),
                    (f"mov {self.sized(a, 32)}, 0x1234", f"mov ds, {self.sized(a, 32)}"),
                    (f"xor {a}, {a}", f"div {a}"),
                    (f"mov {a}, 0x80000000000", f"mov cr4, {a}"),
                    ("int 0x60",),
                )
            )
        )
        self.define_flags()

    def far(self):
        behind, a = self.label(), self.r.choice(REGS)
        if self.r.random() < 0.5:
            self.out("push 0x10", f"lea {a}, [rip + {behind}]", f"push {a}", "rex.W retf", f"{behind}:")
        else:
            self.define_flags()
            self.out(
                f"mov {a}, rsp",
                "push 0x18",
                f"push {a}",
                "pushfq",
                "push 0x10",
                f"lea {a}, [rip + {behind}]",
                f"push {a}",
                "iretq",
                f"{behind}:",
            )

    def changing_code(self):
        """A store into the instruction right behind it, or into one further on."""
        a, b = self.r.sample(list(LOW), 2)
        at = self.label()
        self.out(f"mov byte ptr [rip + {at} + 1], {self.sized(a, 8)}")
        for _ in range(self.r.randrange(3)):
            self.plain()
        code = {"rax": 0xB8, "rcx": 0xB9, "rdx": 0xBA, "rbx": 0xBB, "rbp": 0xBD, "rsi": 0xBE, "rdi": 0xBF}[b]
        self.out(f"{at}: .byte {code}, 1, 2, 3, 0")

    def ring3(self):
        """IRETQ to ring 3, some instructions there, and back by SYSCALL."""
        user = self.label()
        self.out(f"lea rax, [rip + {user}]", "call to_user")
        skip = self.label()
        self.out(f"jmp {skip}", f"{user}:")
        for _ in range(self.r.randrange(1, 6)):
            self.r.choice(
                (self.arithmetic, self.move, self.stack, self.sse, self.user_fault, self.user_call)
            )()
        self.out("mov eax, 0x777", "syscall", f"{skip}:")

    def user_fault(self):
        a = self.r.choice(REGS)
        self.may_fault(
            *self.r.choice(
                (
                    ("cli",),
                    ("hlt",),
                    (f"mov {a}, cr0",),
                    ("out 0x80, al",),
                    ("int 0x60",),
                    ("rdmsr",),
                    (f"mov {a}, {EDITED}", f"mov [{a}], {a}"),
                    ("int3",),
                    ("swapgs",),
                    ("ud2",),
                )
            )
        )
        self.define_flags()

    def user_call(self):
        self.out("mov eax, 1", "syscall")

    # ---- putting it together ----

    def plain(self):
        self.r.choice((self.arithmetic, self.arithmetic, self.move, self.one_operand))()

    def instruction(self):
        kinds = (
            (self.arithmetic, 20),
            (self.move, 14),
            (self.one_operand, 5),
            (self.shift, 6),
            (self.multiply, 3),
            (self.divide, 2),
            (self.bits, 3),
            (self.atomic, 2),
            (self.stack, 4),
            (self.string, 3),
            (self.sse, 6),
            (self.branch, 8),
            (self.indirect, 2),
            (self.flags, 4),
            (self.edit_page, 3),
            (self.through_edited, 3),
            (self.alias, 2),
            (self.system, 8),
            (self.exception, 3),
            (self.far, 2),
            (self.changing_code, 2 if self.changes else 0),
            (self.ring3, 1),
        )
        self.r.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def function(self, number):
        self.out(f"f{number}:")
        for _ in range(BLOCKS):
            for _ in range(self.r.randrange(3, LENGTH)):
                self.instruction()
            if number + 1 < FUNCTIONS and self.r.random() < 0.25:  # calls go downwards: they end
                self.out(f"call f{self.r.randrange(number + 1, FUNCTIONS)}")
        self.out("ret")


def main():
    seed, rounds = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    w = Writer(seed)
    for number in range(FUNCTIONS):
        w.function(number)
    w.out("body:", *(f"call f{n}" for n in range(0, FUNCTIONS, 2)), "ret")
    print(f'/* seed {seed} */\n#define ROUNDS {rounds}\n#include "random_kernel.inc"\n.intel_syntax noprefix')
    print("\n".join(w.lines))


if __name__ == "__main__":
    main()
