# SPDX-License-Identifier: GPL-2.0-or-later
"""The records that the reports work on: host, measurement, sample. Plain data, no behaviour.

fields.py makes them from JSON values, results.py from a whole file; tables.py and the plots read
them. Texts in here are clean (one printable line), numbers finite, samples in order.
"""
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """A repeated measurement: its median with its spread."""

    median: float
    min: float
    max: float
    n: int
    unit: str = ""


@dataclass(frozen=True)
class Exits:
    """How often one sensitive event left the guest's world, and how often it did not have to."""

    taken: int
    avoided: int


@dataclass(frozen=True)
class EngineInfo:
    """What the host record says of one engine or peer."""

    name: str
    technique: str
    available: bool
    reason: str


@dataclass(frozen=True)
class Host:
    """Where and by what the figures were obtained."""

    time: str = ""
    mode: str = ""
    virtlab: str = ""
    commit: str = ""
    kernel: str = ""
    cpu: str = ""
    cores: int = 0
    memory_mb: int = 0
    tsc_mhz: float | None = None
    kvm: str = ""
    mitigations: dict = field(default_factory=dict)
    engines: tuple = ()
    peers: tuple = ()


@dataclass(frozen=True)
class Measurement:
    """One workload under one engine."""

    suite: str
    workload: str
    args: str  # the row's; a slow engine may have run with others:
    ran_args: str
    group: str  # the field "class": compute, memory, system, disk
    engine: str
    technique: str
    kind: str  # native, engine, peer
    status: str  # ok, na, failed
    reason: str
    modelled: bool
    ratio: Sample | None
    seconds: Sample | None
    mips: float | None
    exits: dict
    latencies: dict
    startup: Sample | None = None  # seconds until the region of interest began
    memory_kb: Sample | None = None  # of the VMM's own
    counters: dict = field(default_factory=dict)  # of the region of interest, as exits
    run_counters: dict = field(default_factory=dict)  # of the whole run

    @property
    def key(self):
        """What a table row stands for."""
        return (self.suite, self.workload, self.args)


@dataclass
class Results:
    """All that could be used of one results file."""

    path: Path
    host: Host | None = None
    measurements: list = field(default_factory=list)
    complete: bool = False
    seconds: float | None = None
    warnings: list = field(default_factory=list)

    def only(self, keep):
        """The same run with those measurements alone for whose suite `keep` is true."""
        return replace(self, measurements=[m for m in self.measurements if keep(m.suite)])
