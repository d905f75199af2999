# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads results.jsonl (JSON Lines, schema version 1), as `virtlab bench --out OUT` writes it.

First in the flow. The file may come from an interrupted run, a full disk, a newer Virtlab or a
student's own engine, so every value is checked. What cannot be used becomes a warning that names
file, line and reason, and the rest is used all the same. Values are checked by fields.py; what
comes out is in records.py. Read next: tables.py.
"""
import json
from pathlib import Path

from .fields import (
    NAME_LIMIT,
    Fields,
    clean,
    count,
    counters,
    engine_list,
    exits,
    is_text,
    kind_of,
    latencies,
    positive,
    sample,
    text_map,
)
from .records import Host, Measurement, Results

SCHEMA = 1
STATUSES = ("ok", "na", "failed")


class Unusable(Exception):
    """Nothing in the file can be reported on; the message is the one line that says why."""


def load(path):
    """The Results in a file; raises Unusable (with a one-line message) when there are none."""
    path = Path(path)
    if path.is_dir():
        path = path / "results.jsonl"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror or error}") from error
    results = Results(path)
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            _take_line(results, number, line, is_cut=number == len(lines))
    if not results.measurements:
        why = results.warnings[0] if results.warnings else f"{path}: no measurement in it"
        more = len(results.warnings) - 1
        raise Unusable(f"nothing usable: {why}" + (f" (and {more} more)" if more > 0 else ""))
    return results


def _take_line(results, number, line, is_cut):
    """Adds one line's record to the results, or a warning about it."""

    def warn(reason):
        results.warnings.append(f"{results.path}:{number}: {reason}")

    try:
        record = _parse_json(line, is_cut)
        if record.get("schema") != SCHEMA:
            shown = clean(json.dumps(record.get("schema")), 20)
            raise ValueError(f"unknown schema version {shown}; this report reads version {SCHEMA}")
        take = _TAKERS.get(record.get("type"), _ignore) if is_text(record.get("type")) else _ignore
        take(results, record, warn)
    except ValueError as error:
        warn(f"{error}; line not used")


def _parse_json(line, is_cut):
    """One line as a dictionary."""
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from error
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    except json.JSONDecodeError as error:
        kind = "truncated last line" if is_cut else "corrupt JSON"
        raise ValueError(f"{kind}: {error.msg} at column {error.colno}") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


def _no_constant(name):
    raise ValueError(f"{name} is not a JSON number")


def _ignore(_results, _record, _warn):
    """Record types of later versions are no concern of ours."""


def _take_host(results, record, warn):
    if results.host is not None:
        warn("a second host record (two runs in one file?); the later one is used")
    fields = Fields(record, warn)
    mitigations = fields.optional("mitigations", text_map, {})
    results.host = Host(
        **{
            k: fields.text(k) for k in ("time", "mode", "virtlab", "commit", "kernel", "cpu", "kvm")
        },
        cores=fields.optional("cores", count, 0),
        memory_mb=fields.optional("memory_mb", count, 0),
        tsc_mhz=fields.optional("tsc_mhz", positive, None),
        mitigations=mitigations,
        engines=fields.optional("engines", engine_list, ()),
        peers=fields.optional("peers", engine_list, ()),
    )


def _take_measurement(results, record, warn):
    fields = Fields(record, warn)
    workload, engine = fields.name("workload"), fields.name("engine")
    status = record.get("status")
    if status not in STATUSES:
        raise ValueError(f"status is {clean(json.dumps(status), 40)}, not ok, na or failed")
    technique = fields.text("technique", NAME_LIMIT)
    ratio = fields.optional("ratio", sample, None)
    measurement = Measurement(
        suite=fields.text("suite", NAME_LIMIT),
        workload=workload,
        args=fields.text("args", NAME_LIMIT),
        ran_args=fields.text("ran_args", NAME_LIMIT),
        group=fields.text("class", NAME_LIMIT),
        engine=engine,
        technique=technique,
        kind=kind_of(record.get("kind"), engine, technique),
        status=status,
        reason=fields.text("reason"),
        modelled=record.get("modelled") is True,
        ratio=ratio,
        seconds=fields.optional("seconds", sample, None),
        mips=fields.optional("mips", positive, None),
        exits=fields.optional("exits", exits, {}),
        latencies=fields.optional("latencies", latencies, {}),
        startup=fields.optional("startup", sample, None),
        memory_kb=fields.optional("memory_kb", sample, None),
        counters=fields.optional("counters", counters, {}),
        run_counters=fields.optional("run_counters", counters, {}),
    )
    _add(results, measurement, warn)


def _add(results, new, warn):
    """Appends a measurement; the same one again replaces the earlier (a run taken up again)."""
    for index, old in enumerate(results.measurements):
        if old.key == new.key and old.engine == new.engine:
            warn(f"{new.workload} under {new.engine} a second time; the later one is used")
            results.measurements[index] = new
            return
    results.measurements.append(new)


def _take_end(results, record, warn):
    fields = Fields(record, warn)
    results.complete = record.get("complete") is True
    results.seconds = fields.optional("seconds", positive, None)


_TAKERS = {"host": _take_host, "measurement": _take_measurement, "end": _take_end}
