#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""exit_counts.py - are the exits that two engines counted for the same guests the same, and those that the guests say?

Usage: exit_counts.py REFERENCE MEASURED, two outputs of exit_counts.sh (other lines in them are ignored). Prints what
differs, then `exit counts: N passed, M failed`.

What can be compared:
  ports       how often each port was read and written: the machine sees every access, under any engine
  mmio        the same by device
  exits       io: as many as accesses of all ports, within each engine; mmio, hlt: counted by each engine when it comes
              back; cpuid: KVM handles it in the kernel, so it is the kernel's count (kernel_exits), where that can be had
  interrupts  of guests that wait for each one

What can't, because it follows time and not the guest's text:
  - the digits of roi_ns in what a workload prints: so what goes out by the UART is compared less the bytes printed
  - of a guest with a kernel: the ticks (each is an interrupt and an end of interrupt at port 0x20), what it takes to
    measure 10 ms by the PIT (ports 0x42, 0x43, 0x61; anew when something came in between), the clock (0x70, 0x71: read until it gives the same
    twice), how often it is idle (HLT)
  - EPT violations and page faults: how a hypervisor fills its second-level tables is its own affair
"""
import json
import re
import sys

UART_DATA, UART_STATUS = "0x3f8", "0x3fd"
FOLLOW_TIME = {"0x20", "0x42", "0x43", "0x61", "0x70", "0x71"}  # ports of a kernel that knows time
EXITS = ("mmio", "hlt", "cpuid")


def read(path):
    """{guest: (bytes printed, statistics, first line)} of one output of exit_counts.sh, and its failures."""
    counts, said, failures = {}, {}, []
    with open(path, errors="replace") as file:
        for line in file:
            line = line.rstrip("\r\n")
            if match := re.match(r"counts (\S+) (\d+) ({.*})$", line):
                counts[match[1]] = (int(match[2]), json.loads(match[3]))
            elif match := re.match(r"said (\S+) (.*)$", line):
                said[match[1]] = match[2]
            elif line.startswith("FAILED: ") and " under " in line:
                failures.append(line)
    return {name: (*counts[name], said.get(name, "")) for name in counts}, failures


def taken(stats, reason):
    """How often, by the engine's count or the kernel's; None: the engine can't know."""
    if reason == "cpuid" and stats["engine"].startswith("hwassist/kvm"):
        kernel = stats.get("kernel_exits") or {}
        return kernel["taken"].get(reason, 0) if kernel.get("source") else None
    return stats["exits"].get(reason, {"taken": 0})["taken"]


def accesses(stats, printed, is_flat):
    """What the guest did at ports and devices, less what follows time."""
    result = {}
    for where, count in [*stats["ports"].items(), *stats["mmio"].items()]:
        for way in ("reads", "writes"):
            number = count[way]
            if where == UART_DATA and way == "writes":
                number -= printed
            if is_flat and where == UART_STATUS and way == "reads":
                number -= printed  # the flat runtime asks before each byte
            if is_flat or where not in FOLLOW_TIME:
                result[f"{way} of {where}"] = number
    return result


class Comparison:
    def __init__(self):
        self.passed = self.failed = 0

    def same(self, guest, what, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {guest}: {what}: {got}, want {wanted}")

    def by_its_own_words(self, guest, engine, stats, said):
        """flat-exits says what it did: that, and nothing else, must have been counted."""
        words = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", said)}
        if not said.startswith("exits: ok "):
            self.same(guest, f"{engine}: what it said", said, "exits: ok ...")
            return
        port = lambda name, way: stats["ports"].get(name, {"reads": 0, "writes": 0})[way]
        lapic = stats["mmio"].get("lapic", {"reads": 0, "writes": 0})
        self.same(guest, f"{engine}: writes of port 0x80", port("0x80", "writes"), words["out"])
        self.same(guest, f"{engine}: reads of port 0x84", port("0x84", "reads"), words["in"])
        self.same(guest, f"{engine}: writes of port 0x88", port("0x88", "writes"), words["outs"])
        self.same(guest, f"{engine}: reads of the local APIC", lapic["reads"], words["read"])
        self.same(guest, f"{engine}: writes of the local APIC", lapic["writes"], words["write"])
        self.same(guest, f"{engine}: exits mmio", taken(stats, "mmio"), words["read"] + words["write"])
        if engine.startswith("hwassist/") and taken(stats, "cpuid") is not None:
            self.same(guest, f"{engine}: exits cpuid", taken(stats, "cpuid"), words["cpuid"])
        self.same(guest, f"{engine}: exits hlt", taken(stats, "hlt"), words["hlt"])
        self.same(guest, f"{engine}: writes of port 0x43", port("0x43", "writes"), words["hlt"])

    def within(self, guest, stats, is_flat, has_strings):
        """What must hold within one engine's counts."""
        engine, ports = stats["engine"], stats["ports"]
        every = sum(count["reads"] + count["writes"] for count in ports.values())
        kernel = stats.get("kernel_exits") or {}
        if kernel.get("source") and not has_strings:  # the kernel has an exit more for each REP
            for reason in ("io", "hlt"):
                self.same(guest, f"{engine}: the kernel's exits {reason}, against those that came out",
                          kernel["taken"].get(reason, 0), taken(stats, reason))
        if not has_strings:  # of which one exit may carry many
            self.same(guest, f"{engine}: exits io, against accesses of all ports", taken(stats, "io"), every)
        if not is_flat:  # one write was the first initialization word; the last interrupt's end may not have come
            ends = ports["0x20"]["writes"] - 1
            missing = stats["counters"]["interrupts"] - ends
            self.same(guest, f"{engine}: interrupts without an end of interrupt", missing in (0, 1), True)

    def guest(self, name, reference, measured):
        is_flat = name.startswith("flat-")
        has_strings = name in ("flat-strings", "os-disk")
        sides = [(*side, accesses(side[1], side[0], is_flat)) for side in (reference, measured)]
        for _, stats, said, _ in sides:
            self.within(name, stats, is_flat, has_strings)
            if name in ("flat-exits", "flat-strings", "flat-nothing"):
                self.by_its_own_words(name, stats["engine"], stats, said)
        (_, wanted_stats, _, wanted), (_, stats, _, got) = sides
        for where in sorted({*wanted, *got}):
            self.same(name, f"{stats['engine']}: {where}", got.get(where, 0), wanted.get(where, 0))
        for reason in EXITS:
            number = taken(stats, reason)
            if number is None:
                print(f"left out: {name}: {stats['engine']} doesn't know its exits by {reason}: the kernel handles it")
            elif stats["engine"].startswith("hwassist/") and (is_flat or reason in ("mmio", "cpuid")):
                self.same(name, f"{stats['engine']}: exits {reason}", number, taken(wanted_stats, reason))
        if is_flat:
            self.same(name, f"{stats['engine']}: interrupts", stats["counters"].get("interrupts", 0),
                      wanted_stats["counters"]["interrupts"])


def main():
    (reference, failures), (measured, more) = (read(path) for path in sys.argv[1:3])
    comparison = Comparison()
    for line in dict.fromkeys(failures + more):
        comparison.failed += 1
        print(line)
    for name in reference:
        if name in measured:
            comparison.guest(name, reference[name], measured[name])
        else:
            comparison.failed += 1
            print(f"FAILED: {name}: nothing was measured")
    if not reference:
        comparison.failed += 1
        print("FAILED: there is nothing to compare with")
    print(f"exit counts: {comparison.passed} passed, {comparison.failed} failed")
    sys.exit(comparison.failed != 0)


main()
