#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the reports: `python3 tests/reports/test_reports.py [-v] [-k PATTERN]`.

Runs the statements in cases_*.py about what report.py makes of the stored results in data/. Those
are made up and say so ("cpu": "sample, not a measurement"); hostile, corrupt and interrupted ones
are among them. Numbers in the output are worked out again from the file.
"""
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def load_tests(loader, _tests, _pattern):
    """unittest's hook: every case there is; an empty suite would be a success that says nothing."""
    suite = loader.discover(str(HERE), pattern="cases_*.py")
    if suite.countTestCases() == 0:
        raise RuntimeError("no test cases found beside test_reports.py")
    return suite


if __name__ == "__main__":
    unittest.main()
