# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands below the tables: how the figures came about, on which host, and what is missing.

Without these a percentage means nothing: a speed holds for one CPU, one kernel and one set of
mitigations. Called by tables.py and lecture.py.
"""
from . import hardware
from .model import Note


def of_speed(grid, text):
    """How to read the speed table."""
    ratios = [
        m.ratio
        for m in grid.results.measurements
        if m.ratio and m.kind != "native" and not m.modelled
    ]
    notes = []
    if ratios:
        runs = text.between(min(r.n for r in ratios), max(r.n for r in ratios))
        notes = [Note("", text("note.speed", n=runs)), Note("", text("note.mean"))]
    if any(s.kind == "peer" for s in grid.subjects):
        notes.append(Note("", text("note.peer")))
    if any(s.name == hardware.COUNTED for s in grid.subjects):
        notes.append(
            Note("", text("lecture.software", engine=hardware.COUNTED) + text("full.stop"))
        )
    errors = hardware.errors(grid.results)
    if errors:
        notes.append(Note("", hardware.error_text(errors, text) + text("full.stop")))
    return notes


def of_run(grid, text):
    """Host, kernel, mitigations, commit, mode; engines without a column; what went wrong."""
    results = grid.results
    notes = _host(results, text) + _absent(grid, text)
    if not results.complete:
        notes.append(Note("", text("note.interrupted")))
    if results.warnings:
        notes.append(Note("", text("note.warnings", n=len(results.warnings))))
    return notes


def _host(results, text):
    host, unknown = results.host, text("unknown")
    if host is None:
        return [Note("", text("note.no.host"))]
    texts = [
        text(
            "note.host",
            cpu=host.cpu or unknown,
            cores=host.cores or unknown,
            memory=host.memory_mb or unknown,
            kernel=host.kernel or unknown,
        ),
        text(
            "note.run",
            mode=host.mode or unknown,
            time=host.time or unknown,
            virtlab=host.virtlab or unknown,
            commit=host.commit or unknown,
        ),
    ]
    if results.seconds:
        texts[1] += text("note.run.seconds", seconds=f"{results.seconds:.0f}")
    if host.mitigations:
        texts.append(text("note.mitigations", list=mitigation_summary(host.mitigations, text)))
    if host.kvm:
        texts.append(text("note.kvm", kvm=host.kvm.rstrip(".")))
    return [Note("", t) for t in texts]


def mitigation_summary(mitigations, text):
    """The kernel's lines (Documentation/admin-guide/hw-vuln) by their first word, names alone."""
    kinds = {"Mitigation": [], "Vulnerable": [], "Not affected": [], "": []}
    for name, state in sorted(mitigations.items()):
        kind = next(k for k in kinds if state.startswith(k))
        kinds[kind].append(name)
    parts = []
    for kind, key in (
        ("Mitigation", "mitigated"),
        ("Vulnerable", "vulnerable"),
        ("", "mitigation.other"),
    ):
        if kinds[kind]:
            parts.append(text(key, names=text("list.separator").join(kinds[kind])))
    if kinds["Not affected"]:
        parts.append(text("not.affected", n=len(kinds["Not affected"])))
    return text("clause.separator").join(parts)


def _absent(grid, text):
    """Engines and peers without a column, each with its reason: not here, not run, n/a throughout."""
    host = grid.results.host
    shown = {s.name for s in grid.subjects}
    reasons = {}
    for engine in (*host.engines, *host.peers) if host else ():
        default = text("absent.not.run" if engine.available else "absent.no.reason")
        reasons[engine.name] = engine.reason or default
    for m in grid.results.measurements:
        if m.status == "na" and m.reason:
            reasons[m.engine] = m.reason
    return [
        Note("", text("note.absent", name=name, reason=reason.rstrip(".")))
        for name, reason in reasons.items()
        if name not in shown
    ]
