# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks on the values of one record: each parser takes a JSON value and returns what the report
works with, or raises ValueError with the reason. Used by results.py, where the flow goes on.
"""
import math
import unicodedata

from .records import EngineInfo, Exits, Sample

NAME_LIMIT = 60
TEXT_LIMIT = 400


def clean(value, limit=TEXT_LIMIT):
    """One printable line: control, bidi and half characters become spaces, long text is cut."""
    shown = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in value)
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


class Fields:
    """A record's fields; a field that is there but wrong is dropped with a warning."""

    def __init__(self, record, warn):
        self.record = record
        self.warn = warn

    def name(self, key):
        """A field that the record is worthless without."""
        value = self.record.get(key)
        if not is_text(value) or not clean(value):
            raise ValueError(f"{key} is missing or not a text")
        return clean(value, NAME_LIMIT)

    def text(self, key, limit=TEXT_LIMIT):
        return self.optional(key, lambda value: _text(value, limit), "")

    def optional(self, key, parse, default):
        value = self.record.get(key)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.warn(f"{key}: {error}; field not used")
            return default


def is_text(value):
    return isinstance(value, str)


def _text(value, limit=TEXT_LIMIT):
    if not is_text(value):
        raise ValueError("not a text")
    return clean(value, limit)


def _number(value):
    """A finite float; True and 10**400 are none."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    raise ValueError("not a finite number")


def positive(value):
    number = _number(value)
    if number <= 0:
        raise ValueError(f"{number:g} is not above 0")
    return number


def count(value):
    number = _number(value)
    if number < 0 or number != int(number):
        raise ValueError(f"{number:g} is not a count")
    return int(number)


def _dict(value):
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def text_map(value):
    return {clean(k, NAME_LIMIT): _text(v) for k, v in _dict(value).items()}


def sample(value):
    record = _dict(value)
    median = positive(record.get("median"))
    low = positive(record.get("min", median))
    high = positive(record.get("max", median))
    if not low <= median <= high:
        raise ValueError(f"min {low:g}, median {median:g}, max {high:g} are out of order")
    unit = _text(record.get("unit", ""), 10)
    return Sample(median, low, high, count(record.get("n", 1)), unit)


def exits(value):
    found = {}
    for reason, counts in _dict(value).items():
        counts = _dict(counts)
        exits = Exits(count(counts.get("taken", 0)), count(counts.get("avoided", 0)))
        found[clean(reason, NAME_LIMIT) or "?"] = exits
    return found


def latencies(value):
    return {clean(name, NAME_LIMIT) or "?": sample(v) for name, v in _dict(value).items()}


def counters(value):
    return {clean(name, NAME_LIMIT) or "?": count(v) for name, v in _dict(value).items()}


def engine_list(value):
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(_engine_info(item) for item in value)


def _engine_info(value):
    record = _dict(value)
    name = _text(record.get("name"), NAME_LIMIT)
    technique = _text(record.get("technique") or "", NAME_LIMIT)
    reason = _text(record.get("reason") or "")
    return EngineInfo(name, technique, record.get("available") is True, reason)


def kind_of(kind, engine, technique):
    """native, engine or peer; told from the other fields when the record does not say."""
    if kind in ("native", "engine", "peer"):
        return kind
    if engine == "native" or technique == "native":
        return "native"
    return "peer" if technique == "peer" else "engine"
