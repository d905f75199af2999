# SPDX-License-Identifier: GPL-2.0-or-later
"""Results -> the tables of speed, MIPS and latencies, in one Document.

Rows are workloads, grouped by class; columns are native, the engines, the peers. Built once here,
printed by markdown.py, latex.py, csvout.py and terminal.py. Read next: footnotes.py, lecture.py.
"""
from dataclasses import dataclass, replace

from . import footnotes, numbers
from .model import Cell, Column, Document, Footnotes, Row, Table

CLASS_ORDER = ("compute", "memory", "system", "disk")
SPEED_FIELDS = ("percent", "min", "max", "n", "status", "note")
_TIMES = (("ms", 1e6), ("µs", 1e3), ("ns", 1))  # in nanoseconds, the largest first
SECONDS_FIELDS = ("value", "min", "max", "n", "status", "note")


@dataclass(frozen=True)
class Subject:
    """What a column stands for: an engine, a peer, or native."""

    name: str
    kind: str


class Grid:
    """The measurements laid out: which rows, which columns, what is at each crossing."""

    def __init__(self, results):
        self.results = results
        self._at = {(m.key, m.engine): m for m in results.measurements}
        self.subjects = _subjects(results)
        self.groups = _groups(results)  # [((suite, class), [row key, ...]), ...]
        self.names = _row_names(results)

    def at(self, key, subject):
        """The measurement of one workload under one subject, or None."""
        return self._at.get((key, subject.name))

    @property
    def keys(self):
        return [key for _, keys in self.groups for key in keys]


def _subjects(results):
    """Native first, engines next, peers last, each in the order of the host record; but not those
    that are n/a throughout: footnotes.py says why they have no column."""
    kinds, tried = {}, set()
    for m in results.measurements:
        kinds.setdefault(m.engine, m.kind)
        if m.kind == "native" or m.status != "na":
            tried.add(m.engine)
    kinds = {name: kind for name, kind in kinds.items() if name in tried}
    listed = [e.name for e in (*results.host.engines, *results.host.peers)] if results.host else []
    place = {name: i for i, name in enumerate([*listed, *kinds])}
    rank = ("native", "engine", "peer").index
    ordered = sorted(kinds, key=lambda name: (rank(kinds[name]), place[name]))
    return [Subject(name, kinds[name]) for name in ordered]


def _groups(results):
    """Row keys by suite and class, suites and workloads in the order in which they were run."""
    groups, seen = {}, set()
    for m in results.measurements:
        if m.key not in seen:
            seen.add(m.key)
            groups.setdefault((m.suite, m.group), []).append(m.key)
    suites = list(dict.fromkeys(suite for suite, _ in groups))

    def place(group):
        suite, name = group
        known = CLASS_ORDER.index(name) if name in CLASS_ORDER else len(CLASS_ORDER)
        return (suites.index(suite), known)

    return [(group, groups[group]) for group in sorted(groups, key=place)]


def _row_names(results):
    """A row is named by its workload, and by its arguments where it ran with several."""
    variants = {}
    for m in results.measurements:
        variants.setdefault((m.suite, m.workload), set()).add(m.args)
    return {
        m.key: f"{m.workload} {m.args}".strip()
        if len(variants[m.suite, m.workload]) > 1
        else m.workload
        for m in results.measurements
    }


def build(results, text):
    """The Document that table.md, table.tex and table.csv hold."""
    grid, notes = Grid(results), Footnotes()
    document = Document("table", text("speed.title"))
    document.tables.append(speed_table(grid, text, notes))
    for table in (mips_table(grid, text, notes), latency_table(grid, text)):
        if table.rows:
            document.tables.append(table)
    document.notes = [*notes.all(), *footnotes.of_speed(grid, text), *footnotes.of_run(grid, text)]
    return document


# --- speed ---------------------------------------------------------------------------------------


def speed_table(grid, text, notes):
    """Native in seconds, the others as a percentage of it, with a mean below each class."""
    rows = []
    for group, keys in grid.groups:
        rows.append(_group_row(grid, group, text))
        rows += [_speed_row(grid, key, text, notes) for key in keys]
        label = text("mean.class", group=text.group(group[1]))
        rows.append(_mean_row(grid, keys, label, text, notes))
    if len(grid.groups) > 1:
        rows.append(_mean_row(grid, grid.keys, text("mean.all"), text, notes))
    return Table("speed", text("speed.title"), _speed_columns(grid, text), rows)


def _speed_columns(grid, text):
    columns = [Column(text("workload"), numeric=False)]
    for subject in grid.subjects:
        if subject.kind == "native":
            columns.append(Column(text("native"), text("seconds.unit"), fields=SECONDS_FIELDS))
        else:
            columns.append(_column(subject, text, SPEED_FIELDS))
    return columns


def _column(subject, text, fields):
    subtitle = text("peer") if subject.kind == "peer" else ""
    title = text("native") if subject.kind == "native" else subject.name
    return Column(title, subtitle, fields=fields)


def _group_row(grid, group, text):
    """The heading of a class; it names the suite too when there is more than one."""
    suite, name = group
    several = len({s for (s, _), _ in grid.groups}) > 1
    title = f"{suite}: {text.group(name)}" if several and suite else text.group(name)
    return Row("group", [Cell(title)])


def _speed_row(grid, key, text, notes):
    cells = [Cell(grid.names[key], values=(grid.names[key],))]
    for subject in grid.subjects:
        cells.append(_speed_cell(grid.at(key, subject), subject, grid.results, text, notes))
    return Row("data", cells)


def _speed_cell(m, subject, results, text, notes):
    if m is None:
        note = text("note.not.run" if results.complete else "note.interrupted.cell")
        return _blank(text("nothing"), "", notes.number(note))
    if m.status != "ok":
        word = text(m.status)
        note = notes.number(f"{word}: {m.reason or text('no.reason')}")
        return _blank(word, m.status, note, "bad" if m.status == "failed" else "dim")
    sample = m.seconds if subject.kind == "native" else m.ratio
    if sample is None:
        return _blank(text("nothing"), m.status, notes.number(text("note.no.speed")))
    marks = modelled_notes(m, text, notes)
    if m.ran_args and m.ran_args != m.args:
        marks = [*marks, notes.number(text("note.short.run"))]
    if subject.kind == "native":
        shown, spread, scale, tone = (
            numbers.plain(sample.median),
            numbers.plain_spread(sample),
            1,
            "",
        )
    else:
        shown, spread, scale = numbers.percent(sample.median), numbers.percent_spread(sample), 100
        tone = _tone(sample.median)
    values = tuple(float(f"{scale * v:.6g}") for v in (sample.median, sample.min, sample.max))
    values += (sample.n, m.status, "; ".join(n.text for n in marks))
    return Cell(shown, spread, notes=tuple(marks), values=values, tone=tone)


def _blank(word, status, note, tone="dim"):
    """A crossing without a figure, with the footnote that says why."""
    return Cell(word, notes=(note,), values=("", "", "", "", status, note.text), tone=tone)


def modelled_notes(m, text, notes):
    """The dagger of a modelled figure, and its formula when the record gives one."""
    if not m.modelled:
        return []
    return [notes.modelled(text("note.modelled"))] + ([notes.number(m.reason)] if m.reason else [])


def _tone(ratio):
    """The lecture's own borders: below 30 % is emulation's realm, 80 % is close to native."""
    return "good" if ratio >= 0.8 else "middle" if ratio >= 0.3 else "slow"


def _mean_row(grid, keys, label, text, notes):
    cells = [Cell(label, values=(label,))]
    for subject in grid.subjects:
        usable = [m for m in (grid.at(key, subject) for key in keys) if has_speed(m)]
        cells.append(
            Cell(values=("",) * 6) if subject.kind == "native" else _mean_cell(usable, text, notes)
        )
    return Row("mean", cells)


def has_speed(m):
    """Only what ran and holds a ratio may enter a mean."""
    return m is not None and m.status == "ok" and m.ratio is not None


def _mean_cell(usable, text, notes):
    if not usable:
        return Cell(text("nothing"), values=("", "", "", 0, "", ""), tone="dim")
    mean = numbers.geometric_mean([m.ratio.median for m in usable])
    # One modelled figure makes the mean a modelled one.
    marks = [notes.modelled(text("note.modelled"))] if any(m.modelled for m in usable) else []
    over = text("mean.over", n=len(usable))
    values = (
        float(f"{100 * mean:.6g}"),
        "",
        "",
        len(usable),
        "ok",
        "; ".join(n.text for n in marks),
    )
    return Cell(numbers.percent(mean), over, notes=tuple(marks), values=values, tone=_tone(mean))


# --- MIPS and latencies --------------------------------------------------------------------------


def mips_table(grid, text, notes):
    """Instructions a second, for the engines that can know them."""
    subjects = [s for s in grid.subjects if any(_mips(grid.at(k, s)) for k in grid.keys)]
    rows = []
    for group, keys in grid.groups:
        known = [k for k in keys if any(_mips(grid.at(k, s)) for s in subjects)]
        if known:
            rows.append(_group_row(grid, group, text))
            rows += [_mips_row(grid, key, subjects, text, notes) for key in known]
    columns = [Column(text("workload"), numeric=False)]
    columns += [_column(s, text, ("mips", "note")) for s in subjects]
    return Table("mips", text("mips.title"), columns, rows)


def _mips(m):
    return m.mips if m is not None and m.status == "ok" else None


def _mips_row(grid, key, subjects, text, notes):
    cells = [Cell(grid.names[key], values=(grid.names[key],))]
    for subject in subjects:
        m = grid.at(key, subject)
        if not _mips(m):
            cells.append(Cell(text("nothing"), values=("", ""), tone="dim"))
            continue
        marks = tuple(modelled_notes(m, text, notes))
        values = (float(f"{m.mips:.6g}"), "; ".join(n.text for n in marks))
        cells.append(Cell(numbers.plain(m.mips), notes=marks, values=values))
    return Row("data", cells)


def latency_table(grid, text):
    """What a single event cost, where a workload measured that; one row a name."""
    wanted = [(key, name) for key in grid.keys for name in _latency_names(grid, key)]
    subjects = [
        s for s in grid.subjects if any(_latency(grid.at(k, s), name) for k, name in wanted)
    ]
    rows = []
    for key, name in wanted:
        label = f"{grid.names[key]}: {name}"
        samples = [_latency(grid.at(key, s), name) for s in subjects]
        unit = _row_unit(samples)
        cells = [_latency_cell(sample, unit) for sample in samples]
        rows.append(Row("data", [Cell(label, values=(label,)), *cells]))
    columns = [Column(text("workload"), numeric=False)]
    columns += [_column(s, text, ("median", "min", "max", "n", "unit")) for s in subjects]
    return Table("latency", text("latency.title"), columns, rows)


def _latency_names(grid, key):
    found = [grid.at(key, s) for s in grid.subjects]
    return dict.fromkeys(
        n for m in found if m is not None and m.status == "ok" for n in m.latencies
    )


def _latency(m, name):
    return m.latencies.get(name) if m is not None and m.status == "ok" else None


def _latency_cell(sample, unit):
    """Shown in the row's unit, kept for a spreadsheet in the file's."""
    if sample is None:
        return Cell("-", values=("",) * 5, tone="dim")
    values = (sample.median, sample.min, sample.max, sample.n, sample.unit)
    shown = _in_unit(sample, unit)
    figure = f"{numbers.plain(shown.median)} {unit or sample.unit}".strip()
    return Cell(figure, numbers.plain_spread(shown), values=values)


def _row_unit(samples):
    """One unit for a row, so that its figures compare at a glance; '' leaves each its own."""
    known = [s for s in samples if s is not None]
    if any(s.unit != "ns" for s in known):
        return ""
    smallest = min(s.median for s in known)
    return next(unit for unit, size in _TIMES if smallest >= size or unit == "ns")


def _in_unit(sample, unit):
    size = dict(_TIMES).get(unit, 1)
    return replace(
        sample, median=sample.median / size, min=sample.min / size, max=sample.max / size
    )
