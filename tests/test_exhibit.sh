#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_exhibit.sh - statements about `virtlab exhibit popek-goldberg`: that it sees what textbooks and manuals say, and
# that its conclusions follow from what it saw.
#
# Usage: test_exhibit.sh BUILD_DIR.
set -u
build=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
virtlab=$build/virtlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$virtlab" exhibit --json "$work/exhibit.json" popek-goldberg >"$work/table" 2>"$work/err"
status=$?
if [ $status -eq 2 ] && grep -q world "$work/err"; then
    echo "no world can be made here: $(cat "$work/err")"
    exit 77
fi
[ $status -eq 0 ] || { cat "$work/err"; exit 1; }

python3 - "$work/exhibit.json" <<'PYTHON' || exit 1
import json, sys
x86, riscv = json.load(open(sys.argv[1]))["machines"]
wrong = 0

def state(what, true):
    global wrong
    if not true:
        wrong += 1
        print("NOT TRUE:", what)

def row(machine, name):
    return next(r for r in machine["rows"] if r["name"] == name)

def each(machine, names, field, value):
    for name in names:
        state(f"{machine['isa']}: {name}: {field} is {value}, not {row(machine, name)[field]}", row(machine, name)[field] == value)

# x86-64: the manual's privileged instructions (SDM 3, 5.9) trap in ring 3 ...
each(x86, ["CLI", "STI", "LGDT", "LIDT", "LLDT", "LTR", "CLTS", "LMSW", "MOV r, CR0", "MOV CR3, r", "MOV r, DR7", "WRMSR", "RDMSR",
           "HLT", "INVD", "WBINVD", "INVLPG", "IN", "OUT", "SWAPGS", "SYSRET", "RDTSC, CR4.TSD set"], "class", "sensitive-privileged")
# ... and those of Robin and Irvine's that no later processor or kernel has closed do not, and tell something wrong.
each(x86, ["PUSHF", "POPF", "LAR", "LSL", "VERR", "VERW", "MOV r, CS", "PUSH FS", "CALL far, same ring"], "class", "sensitive-unprivileged")
each(x86, ["MOV r, r", "ADD", "MOV m, r", "CALL near", "LAHF", "REP MOVSB"], "class", "innocuous")
each(x86, ["UD2", "INT3", "SYSCALL"], "class", "always-traps")

# What was observed, not only what was concluded.
state("ring 3 reads IF = 1 by PUSHF, ring 0 of the virtual CPU IF = 0",
      int(row(x86, "PUSHF")["runs"]["user"]["seen"]["RAX"], 16) & 0x200 and not int(row(x86, "PUSHF")["runs"]["kernel"]["seen"]["RAX"], 16) & 0x200)
state("MOV r, CS shows ring 3", int(row(x86, "MOV r, CS")["runs"]["user"]["seen"]["RAX"], 16) & 3 == 3)
state("POPF changes IF in ring 0", row(x86, "POPF")["runs"]["kernel"]["changes"] == {"IF": ["0x0", "0x1"]})
state("HLT waits in ring 0", row(x86, "HLT")["runs"]["kernel"]["end"] == "left")

# RISC-V: below M-mode the CSRs of M and S are out of reach, so is MRET; what deviates is the model's error by rule.
for r in riscv["rows"]:
    if r["name"].startswith(("read m", "write m", "read s", "write s")):
        state(f"RISC-V: {r['name']} is an illegal instruction", r["user"] == "illegal instruction")
each(riscv, ["MRET", "SRET", "write satp", "write mtvec", "read mstatus"], "class", "sensitive-privileged")
each(riscv, ["ADD a0, a2, a3", "LD a0, 0(a2)", "FENCE"], "class", "innocuous")
state("RISC-V: what is sensitive and silent deviates from the specification",
      all(r["deviates"] for r in riscv["rows"] if r["class"] == "sensitive-unprivileged"))

# The conclusions follow from the runs, everywhere.
for machine in (x86, riscv):
    for r in machine["rows"]:
        user, kernel, other = (r["runs"][k] for k in ("user", "kernel", "other"))
        state(f"{r['name']} was run", "unrun" not in (user["end"], kernel["end"], other["end"]))
        silent = user["end"] not in ("trap", "enter")
        state(f"{r['name']}: silent or not", not silent if r["class"] in ("sensitive-privileged", "privileged", "always-traps") else silent)
        if r["class"] == "innocuous":
            state(f"{r['name']} gives the same everywhere", user["seen"] == kernel["seen"] == other["seen"] and not kernel["changes"])
sys.exit(1 if wrong else 0)
PYTHON

# The report: two pictures (where gnuplot is), a table, in both languages; and a damaged file is refused by name.
for lang in en zh; do
    python3 -B "$here/../reports/exhibit.py" "$work/exhibit.json" --lang $lang --into "$work/$lang" >"$work/out" 2>"$work/err" ||
        { echo "NOT TRUE: the report in '$lang' can be made: $(cat "$work/err")"; exit 1; }
    grep -q PUSHF "$work/$lang/exhibit.md" || { echo "NOT TRUE: the table in '$lang' holds PUSHF"; exit 1; }
    if command -v gnuplot >/dev/null; then
        grep -q PUSHF "$work/$lang/popek-goldberg-x86.svg" || { echo "NOT TRUE: the picture in '$lang' names PUSHF"; exit 1; }
    fi
done
echo '{"exhibit": "popek-goldberg", "schema": 1, "machines": [{"isa": 3}]}' >"$work/bad.json"
python3 -B "$here/../reports/exhibit.py" "$work/bad.json" >/dev/null 2>"$work/err"
[ $? -eq 2 ] && grep -q "bad.json: not what virtlab exhibit writes" "$work/err" ||
    { echo "NOT TRUE: a damaged file is refused: $(cat "$work/err")"; exit 1; }

# Usage.
"$virtlab" exhibit nothing 2>"$work/err"
[ $? -eq 2 ] && grep -q "which exhibit?" "$work/err" || { echo "NOT TRUE: an unknown exhibit is refused"; exit 1; }
exit 0
