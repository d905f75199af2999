#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test_harness.sh - statements about the virtlab command: options, exit statuses, statistics, and a bench that survives
# workloads which hang, die or lie.
#
# Usage: test_harness.sh BUILD_DIR. The guest is $VIRTLAB_GUEST, or BUILD_DIR/guest.
set -u
build=$(readlink -f "$1")
virtlab=$build/virtlab
guest=${VIRTLAB_GUEST:-$build/guest}
export VIRTLAB_GUEST=$guest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# --- how statements are made ---------------------------------------------------------------------

pass() { passed=$((passed + 1)); }

not_true() {
    failed=$((failed + 1))
    echo "NOT TRUE: $1"
    shift
    printf '    %s\n' "$@"
}

# statement "TEXT" COMMAND...: the command succeeds.
statement() {
    local text=$1
    shift
    if "$@" >"$work/said" 2>&1; then pass; else not_true "$text" "command: $*" "said: $(tail -n 1 "$work/said")"; fi
}

# Runs virtlab; its output goes to $work/out and $work/err, its exit status to $status.
run() {
    "$virtlab" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

# gives STATUS "PART OF STDERR" ARGS...: virtlab ends with that status, and its one line on stderr holds the part.
gives() {
    local want=$1 part=$2
    shift 2
    run "$@"
    if [ "$status" -eq "$want" ] && grep -qF -- "$part" "$work/err" && [ "$(wc -l <"$work/err")" -eq 1 ]; then
        pass
    else
        not_true "'virtlab $*' ends with $want and one line that says: $part" "status: $status" "stderr: $(cat "$work/err")"
    fi
}

# json FILE "PYTHON EXPRESSION OVER d": it is true of the document.
json() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(0 if eval(sys.argv[2]) else 1)' "$1" "$2"
}

# rows DIR "PYTHON EXPRESSION OVER rows": rows is the list of the records of results.jsonl; row(w, e) finds one of them.
rows() {
    python3 - "$1/results.jsonl" "$2" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
def row(workload, engine):
    return next(r for r in rows if r.get("workload") == workload and r.get("engine") == engine)
sys.exit(0 if eval(sys.argv[2]) else 1)
PYTHON
}

# --- usage ---------------------------------------------------------------------------------------

usage() {
    gives 2 "unknown command 'bnech'; did you mean 'bench'?" bnech
    gives 2 "unknown option --engin; did you mean --engine?" run --engin emulate sieve
    gives 2 "--engine needs a value" run --engine
    gives 2 "--trace-io takes no value" run --trace-io=yes sieve
    gives 2 "no engine 'emualte'" run --engine emualte sieve
    gives 2 "'12Q' is not a size" run --mem 12Q sieve
    gives 2 "'lots' is not a size" run --mem lots sieve
    gives 2 "too large a size" run --mem 99999999999G sieve
    gives 2 "from 2M to 3G" run --mem 64K sieve
    gives 2 "from 2M to 3G" run --mem=5000000 sieve
    gives 2 "--timeout: '0' is not a number of seconds above 0" run --timeout 0 sieve
    gives 2 "--timeout: 'nan'" run --timeout nan sieve
    gives 2 "neither real nor virtual" run --clock fast sieve
    gives 2 "--out DIR is missing" bench
    gives 2 "no workload named 'seive'; did you mean 'sieve'?" bench --workloads seive --peers none --out "$work/x"
    gives 2 "no suite named 'lectrue'; did you mean 'lecture'?" bench --suite system,lectrue --peers none --out "$work/x"
    gives 2 "no suite named 'nothing'" bench --suite nothing --peers none --out "$work/x"
    gives 2 "no peer named 'vmware'" bench --peers vmware --out "$work/x"
    gives 2 "is not a list of names" bench --workloads sieve,,fib --peers none --out "$work/x"
    gives 2 "is not a count" bench --reps 0 --out "$work/x"
    gives 2 "one word too many" bench sieve
    for command in list doctor run bench; do
        statement "virtlab $command --help explains itself with an example" \
            eval "'$virtlab' $command --help | grep -q '^ *virtlab $command'"
    done
    run
    statement "virtlab alone prints its usage and fails" [ "$status" -eq 2 ]
}

# --- files ---------------------------------------------------------------------------------------

files() {
    gives 2 "$work/none: No such file or directory" run --kernel "$work/none"
    gives 2 "$work/none: No such file or directory" run --initrd "$work/none" sieve
    gives 2 "$work/none: No such file or directory" run --drive "$work/none" sieve
    gives 2 "$work: Is a directory" run --kernel "$work"
    gives 2 "$work/no/stats: No such file or directory" run --stats "$work/no/stats" sieve 1
    echo "not a kernel" >"$work/text"
    gives 2 "$work/text" run --kernel "$work/text"
    head -c 3000 "$guest/kernel.elf" >"$work/cut.elf"
    gives 2 "$work/cut.elf" run --kernel "$work/cut.elf"
    VIRTLAB_GUEST=$work/none gives 2 "the guest isn't built?" run sieve
    : >"$work/file"
    gives 2 "$work/file" bench --workloads sieve --peers none --out "$work/file/results"
}

# --- runs ----------------------------------------------------------------------------------------

runs() {
    run run --engine emulate sieve 1
    statement "a workload's line is all that stdout holds" \
        eval "[ $status -eq 0 ] && [ \$(wc -l <$work/out) -eq 1 ] && grep -q '^sieve: ok iterations=1 ' $work/out"
    for want in 0 1 7 255; do
        run run --engine emulate busybox sh -c "exit $want"
        statement "the guest's exit status $want is passed through" [ "$status" -eq "$want" ]
    done
    run run --engine emulate busybox printf '<%s>' 'two words' 'a"b\c' '' '$x'
    statement "arguments reach the guest as they were given" [ "$(cat "$work/out")" = '<two words><a"b\c><><$x>' ]
    echo "typed text" | "$virtlab" run --engine emulate --timeout 20 busybox head -n 1 >"$work/out" 2>&1
    statement "stdin is the guest's console" grep -q "typed text" "$work/out"
    gives 124 "time-out after 1 s" run --timeout 1 busybox sleep 100
    gives 124 "time-out after 1 s" run --timeout 1 busybox sh -c 'while true; do :; done'

    for signal in INT:130 TERM:143; do
        rm -f "$work/stats"
        # A shell starts background jobs with SIGINT ignored; env gives them the default back.
        env --default-signal=INT "$virtlab" run --stats "$work/stats" busybox sleep 100 >/dev/null 2>&1 </dev/null &
        sleep 1
        kill -"${signal%:*}" $!
        wait $!
        status=$?
        statement "SIG${signal%:*} ends a run with status ${signal#*:}" [ "$status" -eq "${signal#*:}" ]
        statement "... and the statistics are written" json "$work/stats" "d['end'] == 'signal'"
    done
}

statistics() {
    run run --engine emulate --stats "$work/stats" fib 2
    statement "statistics name engine, end and status" \
        json "$work/stats" "d['engine'] == 'emulate/interp' and d['end'] == 'poweroff' and d['status'] == 0 and d['reason'] is None"
    statement "one region of interest was marked, and lies within the run" \
        json "$work/stats" "len(d['regions']) == 1 and 0 < d['regions'][0]['seconds'] < d['seconds']"
    statement "counters: 2 x 392835 calls take between 5 and 50 million instructions" \
        json "$work/stats" "5e6 < d['regions'][0]['counters']['instructions'] < 5e7"
    statement "mips is instructions by time" \
        json "$work/stats" "abs(d['mips'] - d['counters']['instructions'] / d['seconds'] / 1e6) < 0.01 * d['mips']"
    statement "exits that never happened are left out" \
        json "$work/stats" "all(e['taken'] + e['avoided'] > 0 for e in d['exits'].values())"
    statement "port accesses are counted by port: the console's bytes, the two marks and the power-off" \
        json "$work/stats" "d['ports']['0x3f8']['writes'] >= $(wc -c <"$work/out") and d['ports']['0xf8'] == {'reads': 0, 'writes': 3}"
    statement "the region is part of the whole" \
        json "$work/stats" "all(v <= d['counters'][k] for k, v in d['regions'][0]['counters'].items())"
    run run --timeout 1 --stats "$work/stats" busybox sleep 100
    statement "a run that timed out leaves its statistics, with the reason" \
        json "$work/stats" "d['end'] == 'timeout' and d['status'] == 124 and 'time-out' in d['reason']"
    run run --clock virtual --stats "$work/stats" sieve 1
    run run --clock virtual --stats "$work/again" sieve 1
    statement "with virtual time, a run repeats to the instruction" \
        eval "json $work/stats 'd[\"counters\"] == json.load(open(\"$work/again\"))[\"counters\"]'"
}

lists() {
    run list --json
    statement "list --json is JSON with engines, workloads, suites and peers" \
        json "$work/out" "all(d[k] for k in ('engines', 'workloads', 'suites', 'peers'))"
    statement "what is not available has a reason" \
        json "$work/out" "all(x['available'] or x['reason'] for x in d['engines'] + d['peers'])"
    statement "the lecture suite holds every workload of its four classes" json "$work/out" \
        "d['suites'][0]['workloads'] == [w['name'] for w in d['workloads'] if w['class'] in ('compute', 'memory', 'system', 'disk')]"
    statement "every workload belongs to a suite, and every suite has workloads" json "$work/out" \
        "all(s['workloads'] for s in d['suites']) and {w['name'] for w in d['workloads']} == {w for s in d['suites'] for w in s['workloads']}"
    statement "no two workloads share a name" json "$work/out" \
        "len({w['name'] for w in d['workloads']}) == len(d['workloads'])"
    statement "the engines that a suite names are there" json "$work/out" \
        "all(e in [x['name'] for x in d['engines']] for s in d['suites'] if s['engines'] for e in s['engines'].split(','))"
    run doctor
    statement "doctor says what it finds" \
        eval "[ $status -eq 0 ] && grep -q '^KVM' $work/out && grep -q 'emulate/interp *ready' $work/out"
}

# --- the bench -----------------------------------------------------------------------------------

bench_of_one() {
    local out=$work/one
    run bench --workloads sieve,disk-seqread --engines emulate --peers none --quick --reps 2 --out "$out"
    statement "a small bench succeeds" [ "$status" -eq 0 ]
    statement "its first line is the host, its last a complete end" \
        rows "$out" "rows[0]['type'] == 'host' and rows[-1]['type'] == 'end' and rows[-1]['complete'] is True"
    statement "every line carries the schema's version" rows "$out" "all(r['schema'] == 1 for r in rows)"
    statement "the engine's row is ok, with 2 pairs" \
        rows "$out" "row('sieve', 'emulate/interp')['status'] == 'ok' and row('sieve', 'emulate/interp')['ratio']['n'] == 2"
    statement "min <= median <= max, and an interpreter is slower than the CPU" \
        rows "$out" "(lambda s: 0 < s['min'] <= s['median'] <= s['max'] < 1)(row('sieve', 'emulate/interp')['ratio'])"
    statement "the native row has seconds, one for each pair and the first" \
        rows "$out" "row('sieve', 'native')['seconds']['n'] == 3 and row('sieve', 'native')['ratio']['median'] == 1"
    statement "counters and MIPS are the region's" rows "$out" \
        "(lambda r: abs(r['counters']['instructions'] / r['mips'] / 1e6 / r['seconds']['max'] - 1) < 1)(row('sieve', 'emulate/interp'))"
    statement "a workload of like operations has the latency of one: 64 reads an iteration, 100 iterations" rows "$out" \
        "(lambda r: abs(r['latencies']['read of 4 KiB']['max'] * 6400 / 1e9 / r['seconds']['max'] - 1) < 0.01)(row('disk-seqread', 'emulate/interp'))"
    statement "... and natively too" rows "$out" "row('disk-seqread', 'native')['latencies']['read of 4 KiB']['unit'] == 'ns'"
    statement "... and others have none" rows "$out" "row('sieve', 'emulate/interp')['latencies'] == {}"
    statement "reading a disk takes I/O exits" \
        rows "$out" "row('disk-seqread', 'emulate/interp')['exits']['io']['taken'] > 100"
    statement "no scratch file is left behind" [ "$(ls -A "$out")" = results.jsonl ]
    statement "stderr is plain text when it isn't a terminal" eval "! grep -q $'\\033' $work/err"
    statement "the report scripts take the file" python3 "$(dirname "$0")/../reports/report.py" "$out"
}

# Workloads in the guest's kernel, suites of their own, and what can't run natively.
kernel_mode() {
    run run --engine emulate kernel:sieve 1
    statement "kernel:NAME runs a workload in the guest's kernel, with the program's result" \
        eval "[ $status -eq 0 ] && [ \"\$(sed 's/.*check=//' $work/out)\" = \"\$($guest/bin/sieve 1 | sed 's/.*check=//')\" ]"
    run run --engine emulate kernel:seive 1
    statement "a name that isn't there ends with 2 and names those that are" \
        eval "[ $status -eq 2 ] && grep -q 'sieve sha256 fib chase nano roundtrip batching' $work/out"
    run run --engine emulate kernel:nano 1ms out
    statement "... and so does an operation that isn't there" eval "[ $status -eq 2 ] && grep -q '^usage: kernel:nano' $work/out"
    for time in 0ms ms 1us 12345678ms; do
        run run --engine emulate kernel:nano $time in
        statement "N is a number or a time, and $time is neither" [ "$status" -eq 2 ]
    done
    run run --engine emulate --clock virtual --stats "$work/stats" kernel:nano 4ms in
    statement "a time is filled with as many iterations as fit: 4 ms are 4 million instructions of virtual time" \
        json "$work/stats" "2e6 < d['regions'][0]['counters']['instructions'] < 8e6"
    statement "... and each of the 16 IN of an iteration is an exit" eval \
        "json $work/stats \"d['regions'][0]['exits']['io']['taken'] == 16 * \$(sed 's/.*iterations=\([0-9]*\).*/\1/' $work/out) + 1\""

    local out=$work/kernel
    run bench --suite nano,kernel --quick --engines emulate/interp --peers none --reps 1 --out "$out"
    statement "two suites in one bench: every row is there, and none failed" rows "$out" \
        "len([r for r in rows if r.get('engine') == 'emulate/interp' and r['status'] == 'ok']) == 11"
    statement "each row tells its suite" rows "$out" \
        "row('nano-in', 'native')['suite'] == 'nano' and row('kernel-sieve', 'native')['suite'] == 'kernel'"
    statement "what a process can't do is n/a natively, with the reason" rows "$out" \
        "row('nano-in', 'native')['status'] == 'na' and 'privileged' in row('nano-in', 'native')['reason']"
    statement "... and then an engine has a latency, but no ratio" rows "$out" \
        "row('nano-in', 'emulate/interp')['ratio'] is None and row('nano-in', 'emulate/interp')['latencies']['in']['median'] > 0"
    statement "where both have a time to fill, the ratio is of one operation each" rows "$out" \
        "(lambda e, n: abs(e['ratio']['median'] * e['latencies']['callret']['median'] / n['latencies']['callret']['max'] - 1) < 0.9)(row('nano-callret', 'emulate/interp'), row('nano-callret', 'native'))"
    run list --json
    statement "the report makes what the suites' table says" eval "python3 '$(dirname "$0")/../reports/report.py' '$out' >/dev/null &&
        python3 -c 'import json, os, sys
d = json.load(open(sys.argv[1]))
names = [n for s in d[\"suites\"] if s[\"name\"] in (\"nano\", \"kernel\") for n in s[\"reports\"].split()]
sys.exit(not names or not all(os.path.exists(sys.argv[2] + \"/\" + n) for n in names))' $work/out $out"
    statement "... and no table of the lecture, which wasn't measured" [ ! -e "$out/table.md" ]
}

# A guest whose sieve is another program than the native one.
make_guest() {
    local folder=$work/guest-$1 stage=$work/stage
    mkdir -p "$folder" "$stage/bin" "$stage/dev" "$stage/tmp"
    cp -r "$guest/kernel.elf" "$guest/bin" "$guest/share" "$folder"
    printf '#include <stdio.h>\nint main(void) { %s return 0; }\n' "$2" >"$work/$1.c"
    musl-gcc -static -O1 -o "$stage/bin/sieve" "$work/$1.c" || return
    cp "$guest/bin/fib" "$stage/bin/fib"
    (cd "$stage" && find . -mindepth 1 | cpio --quiet -o -H newc) >"$folder/initrd.cpio"
}

# survives NAME "C STATEMENTS" "PART OF THE REASON": a bad sieve is a row with that reason, and fib after it is ok.
survives() {
    make_guest "$1" "$2"
    VIRTLAB_GUEST=$work/guest-$1 run bench --workloads sieve,fib --engines emulate --peers none --quick --reps 1 \
        --timeout 12 --out "$work/$1"
    statement "a guest's workload that $1 is a failed row: $3" \
        rows "$work/$1" "row('sieve', 'emulate/interp')['status'] == 'failed' and '$3' in row('sieve', 'emulate/interp')['reason']"
    statement "... without figures" \
        rows "$work/$1" "row('sieve', 'emulate/interp')['ratio'] is None and row('sieve', 'emulate/interp')['mips'] is None"
    statement "... and the bench goes on" \
        rows "$work/$1" "row('fib', 'emulate/interp')['status'] == 'ok' and rows[-1]['complete'] is True"
}

bench_survives() {
    survives hangs 'for (volatile int i = 0;; i++);' 'time-out after 12 s'
    survives dies '*(volatile int *)8 = 0;' 'exit status'
    survives lies 'puts("sieve: ok iterations=20 roi_ns=1 check=0123456789abcdef");' 'regions of interest'
    survives ends-early 'puts("bye");' 'no line'
    make_guest declines 'puts("sieve: n/a: not today"); return 3;'
    VIRTLAB_GUEST=$work/guest-declines run bench --workloads sieve --engines emulate --peers none --quick --reps 1 \
        --out "$work/declines"
    statement "a guest's workload that says n/a is n/a, with its reason" rows "$work/declines" \
        "row('sieve', 'emulate/interp')['status'] == 'na' and row('sieve', 'emulate/interp')['reason'] == 'not today'"
    # The same, on the native side: nothing is left to compare with.
    make_guest natively 'return 3;'
    cp "$work/stage/bin/sieve" "$work/guest-natively/bin/sieve"
    VIRTLAB_GUEST=$work/guest-natively run bench --workloads sieve,fib --engines emulate --peers none --quick \
        --reps 1 --out "$work/natively"
    statement "a native run that fails is a failed row, and so are those that lean on it" rows "$work/natively" \
        "row('sieve', 'native')['reason'] == 'exit status 3' and 'native run failed' in row('sieve', 'emulate/interp')['reason']"
    statement "... and the bench goes on" rows "$work/natively" "row('fib', 'emulate/interp')['status'] == 'ok'"
}

# The right line and marks, but a check value of 17 digits where it has 16 natively.
bench_compares() {
    make_guest differs ""
    cp "$guest/bin/sieve" "$work/stage/bin/sieve"
    sed -i 's/check=%016llx/check=%017llx/' "$work/stage/bin/sieve"
    (cd "$work/stage" && find . -mindepth 1 | cpio --quiet -o -H newc) >"$work/guest-differs/initrd.cpio"
    VIRTLAB_GUEST=$work/guest-differs run bench --workloads sieve --engines emulate --peers none --quick --reps 1 \
        --out "$work/differs"
    statement "another check value than the native run's is a failed row" \
        rows "$work/differs" "row('sieve', 'emulate/interp')['status'] == 'failed' and 'wrong result: check=' in row('sieve', 'emulate/interp')['reason']"
}

# A lab's engine: a shared object. This one is the first built-in engine under another name, without its OS capability.
own_engine() {
    cat >"$work/mine.c" <<'SOURCE'
#include <virtlab/engine.h>
struct engine_ops virtlab_engine;
__attribute__((constructor)) static void fill_in(void)
{
    virtlab_engine = *engines[0];
    virtlab_engine.name = "lab/mine";
    virtlab_engine.capabilities = ENGINE_FLAT;
}
SOURCE
    local include
    include=$(dirname "$0")/../include
    statement "an engine compiles with nothing but the public headers" \
        gcc -shared -fPIC -Wall -Werror -I"$include" -o "$work/mine.so" "$work/mine.c"
    run run --engine "$work/mine.so" sieve 1
    statement "an engine without an OS runs a workload's flat image" \
        eval "[ $status -eq 0 ] && grep -q '^sieve: ok iterations=1 ' $work/out"
    gives 2 "which workload" run --engine "$work/mine.so"
    run bench --workloads sieve,getpid --engines "$work/mine.so" --peers none --quick --reps 1 --out "$work/mine"
    statement "it is a column of its own, found by its path" rows "$work/mine" "row('sieve', 'lab/mine')['status'] == 'ok'"
    statement "what needs an OS is n/a, with the reason" rows "$work/mine" \
        "row('getpid', 'lab/mine')['status'] == 'na' and 'needs an operating system' in row('getpid', 'lab/mine')['reason']"
}

bench_interrupted() {
    local out=$work/interrupted
    env --default-signal=INT "$virtlab" bench --workloads sieve,fib,sha256,matmul,lz --engines emulate --peers none \
        --out "$out" >/dev/null 2>"$work/err" </dev/null &
    local bench=$!
    for _ in $(seq 100); do
        sleep 0.2
        grep -qs '"measurement"' "$out/results.jsonl" && break
    done
    kill -INT $bench
    wait $bench
    status=$?
    statement "Ctrl-C ends a bench with status 130" [ "$status" -eq 130 ]
    statement "... what was measured is there, and the end says incomplete" \
        rows "$out" "row('sieve', 'emulate/interp')['status'] == 'ok' and rows[-1]['type'] == 'end' and rows[-1]['complete'] is False"
    statement "... no child goes on" eval "! pgrep -P $bench"
    statement "... no scratch file is left behind" [ "$(ls -A "$out")" = results.jsonl ]
}

# On a terminal: raw mode while it runs, Ctrl-A x quits, and the old mode is back afterwards.
terminal() {
    statement "the terminal is raw in a run, Ctrl-A x quits, the mode is restored" python3 - "$virtlab" <<'PYTHON'
import os, pty, select, sys, termios, time

def local_flags(fd):
    return termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

master, slave = pty.openpty()
before = local_flags(slave)
child = os.fork()
if child == 0:
    os.setsid()
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.execv(sys.argv[1], ["virtlab", "run", "busybox", "cat"])
time.sleep(1)
during = local_flags(slave)
os.write(master, b"hello\r")
time.sleep(0.5)
os.write(master, b"\x01x")
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
output = b""
while select.select([master], [], [], 0.2)[0]:
    output += os.read(master, 4096)
print(before, during, local_flags(slave), status, output)
sys.exit(0 if before and not during and local_flags(slave) == before and status == 0 and b"hello" in output else 1)
PYTHON
}

usage
files
runs
statistics
lists
bench_of_one
kernel_mode
bench_survives
bench_compares
own_engine
bench_interrupted
terminal
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
