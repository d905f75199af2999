# SPDX-License-Identifier: GPL-2.0-or-later
"""The modelled speed of hardware assist, for hosts without VT-x or AMD-V: docs/model.md.

    modelled time = native time + exits taken x published cost + EPT entries read x measured latency

Exits and EPT entries are those that hwassist/vtx, VT-x in software, counted in the region of interest;
its own time is an interpreter's and enters nowhere. What comes out is a Measurement like any other, marked
`modelled`, so tables, means and pictures mark it without more ado. Constants: data/hwassist_model.json.
Read next: lecture.py, where measured and modelled meet.
"""
import json
from dataclasses import dataclass, replace
from pathlib import Path

from . import numbers
from .records import Sample

MODELLED = "hardware (modelled)"  # its name among the engines
COUNTED = "hwassist/vtx"  # whose counts it rests on
MEASURED = "hwassist/kvm"  # what it is to foretell
# Engines of the technique whose speed is not the hardware's: VT-x in software, and user code alone.
NOT_HARDWARE = (
    COUNTED,
    f"{COUNTED}:cached",
    f"{COUNTED}:4k",
    f"{COUNTED}:shadow",
    f"{MEASURED}:ring3",
)

DATA_FILE = Path(__file__).resolve().parent.parent / "data" / "hwassist_model.json"


def constants():
    """The data file."""
    return json.loads(DATA_FILE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Latencies:
    """What a page-table entry costs, in seconds: from the caches, and from memory."""

    cached: float
    memory: float

    @classmethod
    def of(cls, results, known):
        """As the native run measured them here; None when it didn't."""
        found = {}
        for m in results.measurements:
            sample = m.latencies.get(known["name"])
            if m.kind == "native" and m.status == "ok" and sample and sample.unit == "ns":
                found[m.workload] = sample.median * 1e-9
        cached = found.get(known["cached"]["workload"])
        if cached is None:
            return None
        memory = found.get(known["memory"]["workload"], cached)
        return cls(min(cached, memory), max(cached, memory))


def with_model(results, text):
    """The results with one modelled measurement for each row that hwassist/vtx ran."""
    known = constants()
    latencies = Latencies.of(results, known["latency"])
    rows = [
        m
        for m in results.measurements
        if m.engine == COUNTED and m.kind == "engine" and m.status == "ok" and not m.modelled
    ]
    made = [_modelled(m, known, latencies, text) for m in rows]
    return replace(results, measurements=results.measurements + [m for m in made if m])


def exit_seconds(exits, known):
    """What the exits taken cost at the published prices."""
    prices, kinds = known["published"]["operations"], known["operation_of_exit"]
    other = known["operation_of_other_exits"]
    return sum(
        float(count.taken) * prices[kinds.get(reason, other)] * 1e-6
        for reason, count in exits.items()
    )


def _modelled(m, known, latencies, text):
    """One row's model; na, with the reason, where a term of the formula is not known."""
    blank = replace(
        m,
        engine=MODELLED,
        modelled=True,
        status="na",
        reason="",
        ratio=None,
        seconds=None,
        mips=None,
        exits={},
        counters={},
        latencies={},
        startup=None,
        memory_kb=None,
        run_counters={},
    )
    refs = m.counters.get("ept_refs")
    if m.ratio is None or m.seconds is None or refs is None:
        return replace(blank, reason=text("hardware.no.counts", engine=COUNTED))
    if latencies is None:
        workload = known["latency"]["cached"]["workload"]
        return replace(blank, reason=text("hardware.no.latency", workload=workload))
    native = m.seconds.median * m.ratio.median  # of as many iterations as were counted
    exits = exit_seconds(m.exits, known)
    # Fewest: no walk costs anything. Most: each entry comes from memory.
    times = [
        native + exits + float(refs) * each for each in (0.0, latencies.cached, latencies.memory)
    ]
    best, middle, worst = (native / t if t > 0 else 0.0 for t in times)
    if not 0 < worst <= middle <= best:
        return replace(blank, reason=text("hardware.no.counts", engine=COUNTED))
    return replace(
        blank,
        status="ok",
        ratio=Sample(middle, worst, best, m.ratio.n),
        reason=formula(known, latencies, text),
    )


def formula(known, latencies, text):
    """The footnote of every modelled figure: formula, constants, sources, and what the bounds mean."""
    paper = known["published"]
    prices = ", ".join(f"{name} {price:g}" for name, price in paper["operations"].items())
    return text(
        "hardware.formula",
        engine=COUNTED,
        prices=prices,
        source=paper["source"],
        column=paper["column"],
        cached=numbers.plain(latencies.cached * 1e9),
        memory=numbers.plain(latencies.memory * 1e9),
    )


def errors(results):
    """modelled / measured of each row that has both: above 1 the model is too fast."""
    measured, modelled = (
        {
            m.key: m.ratio.median
            for m in results.measurements
            if m.engine == name and m.status == "ok" and m.ratio
        }
        for name in (MEASURED, MODELLED)
    )
    return [speed / measured[key] for key, speed in modelled.items() if key in measured]


def error_text(errors, text):
    """The model's error in one line."""
    ends = min(errors), max(errors), numbers.geometric_mean(errors)
    low, high, mean = (numbers.percent_off(e) for e in ends)
    return text("hardware.error", low=low, high=high, mean=mean, n=len(errors))
