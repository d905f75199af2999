# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites whose question table.md doesn't answer: each has a document and pictures of its own.

Suites without an entry are told by percentages of native: they go into table.* and speed.*, and
into the lecture's ranges. bench/suites.c is the list of all suites. To add an entry: a module with
`build(results, text)` that returns a Document named after the suite, and `pictures(results, text)`
that returns a list of Pictures; what they get holds the measurements of that suite alone.
"""
from dataclasses import dataclass
from typing import Callable

from . import (
    batching,
    crossover,
    hardware,
    kernel,
    nano,
    nested,
    plot_crossover,
    plot_nano,
    plot_nested,
    roundtrip,
    translation,
)


@dataclass(frozen=True)
class SuiteReport:
    """What a suite gets in place of its rows in table.md."""

    build: Callable
    pictures: Callable = lambda _results, _text: []


REPORTS = {
    "kernel": SuiteReport(kernel.build, kernel.pictures),
    "nano": SuiteReport(nano.build, plot_nano.pictures),
    "nested": SuiteReport(nested.build, plot_nested.pictures),
    "roundtrip": SuiteReport(roundtrip.build),
    "batching": SuiteReport(batching.build),
    "translation": SuiteReport(translation.build),
    "crossover": SuiteReport(crossover.build, plot_crossover.pictures),
}


def general(results, text):
    """The measurements that table.*, speed.* and lecture.* are made of, the modelled ones among them."""
    return hardware.with_model(results.only(lambda suite: suite not in REPORTS), text)


def special(results):
    """(SuiteReport, its measurements) for each such suite in the results, in the order above."""
    for name, report in REPORTS.items():
        own = results.only(lambda suite, name=name: suite == name)
        if own.measurements:
            yield report, own
