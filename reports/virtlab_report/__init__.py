# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtlab's reports: a results folder in; tables, pictures and a terminal summary out.

The flow, and the order in which to read the files:

    results.py     results.jsonl -> Results: every bad line named; fields.py checks each value,
                   records.py says what comes out
    numbers.py     percentages, seconds and means as text
    model.py       Document, Table, Row, Cell, Note: what a table *is*, whatever it is printed as
    tables.py      Results -> the speed, MIPS and latency tables;  footnotes.py: what stands below
    hardware.py    what hardware assist would do here, modelled from counts: docs/model.md
    lecture.py     Results + lecture_text.py -> the lecture's comparison of the four techniques
    suites.py      suites with a document of their own: nano.py, kernel.py ...
    markdown.py, latex.py, csvout.py, terminal.py     a Document -> text, once for each format
    gnuplot.py     runs gnuplot;  plots.py and plot_*.py say what to draw, plot_bars.py how bars
    text.py        every word that a reader sees, in English and Chinese

Nothing here measures anything: figures come from the results file or are computed from it.
"""
