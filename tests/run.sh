#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh - runs all tests side by side: each program and script on its own, so that a crash of one hides no other.
#
# Usage: run.sh BUILD_DIR [NAME...]. A test is a program BUILD_DIR/tests/test_*, a script tests/test_*.sh or
# tests/guest/*.sh (called with BUILD_DIR), or tests/reports/test_*.py. Exit status 77 means skipped: its last line says why.
# Each test's output is kept in BUILD_DIR/tests/NAME.log and shown when it fails.
set -u
build=$1
shift
here=$(dirname "$0")
limit=${VIRTLAB_TEST_TIMEOUT:-600}
mkdir -p "$build/tests"
XDG_CACHE_HOME=$(cd "$build/tests" && pwd)/cache # what engines keep for another run: not in the user's own cache
export XDG_CACHE_HOME

# All tests as "name<TAB>command".
list_tests() {
    for source in "$here"/test_*.c; do
        name=$(basename "$source" .c)
        printf '%s\t%s\n' "$name" "$build/tests/$name"
    done
    for script in "$here"/test_*.sh "$here"/guest/*.sh; do
        [ -x "$script" ] && printf '%s\t%s %s\n' "$(basename "$script" .sh)" "$script" "$build"
    done
    for script in "$here"/reports/test_*.py; do
        [ -e "$script" ] && printf '%s\tpython3 %s\n' "$(basename "$script" .py)" "$script"
    done
}

wanted() {
    [ $# -eq 1 ] && return 0
    local name=$1 want
    shift
    for want in "$@"; do
        [ "$name" = "$want" ] || [ "$name" = "test_$want" ] && return 0
    done
    return 1
}

# Runs one test and leaves its status and seconds in NAME.status.
run_one() {
    local name=$1 command=$2 start status
    start=$(date +%s)
    # shellcheck disable=SC2086
    timeout --kill-after=10 "$limit" $command >"$build/tests/$name.log" 2>&1 </dev/null
    status=$?
    echo "$status $(($(date +%s) - start))" >"$build/tests/$name.status"
}
export -f run_one
export build limit

# A name that matches nothing is an error, not a pass.
for want in "$@"; do
    list_tests | cut -f1 | grep -qx -e "$want" -e "test_$want" || {
        echo "run.sh: no test is called '$want'" >&2
        exit 2
    }
done

names=()
commands=()
while IFS=$'\t' read -r name command; do
    if wanted "$name" "$@" || [ $# -eq 0 ]; then
        names+=("$name")
        commands+=("$name" "$command")
        rm -f "$build/tests/$name.status"
    fi
done < <(list_tests)

printf '%s\0' "${commands[@]}" | xargs -0 -n 2 -P "$(nproc)" bash -c 'run_one "$0" "$1"'

passed=0 failed=0 skipped=0
for name in "${names[@]}"; do
    read -r status seconds <"$build/tests/$name.status" 2>/dev/null || { status=none seconds=0; }
    case $status in
    0)
        passed=$((passed + 1))
        printf '  pass  %-28s %3d s\n' "$name" "$seconds"
        ;;
    77)
        skipped=$((skipped + 1))
        printf '  skip  %-28s %s\n' "$name" "$(tail -n 1 "$build/tests/$name.log")"
        ;;
    *)
        failed=$((failed + 1))
        [ "$status" = 124 ] && status="still running after $limit s"
        printf '  FAIL  %-28s %3d s, status %s; %s.log:\n' "$name" "$seconds" "$status" "$build/tests/$name"
        tail -n 40 "$build/tests/$name.log" | sed 's/^/        /'
        ;;
    esac
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
