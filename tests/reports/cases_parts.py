# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers, texts and table pieces, each by itself."""
import re
import unittest

from support import DATA

from virtlab_report import (
    csvout,
    latex,
    lecture,
    lecture_text,
    numbers,
    records,
    results,
    tables,
    text,
)


class Parts(unittest.TestCase):
    def test_percentages(self):
        for ratio, shown in (
            (0.031, "3.1 %"),
            (0.5, "50.0 %"),
            (1, "100 %"),
            (12.34, "1234 %"),
            (0.0031, "0.31 %"),
            (0.00031, "0.031 %"),
            (0.999, "99.9 %"),
        ):
            self.assertEqual(numbers.percent(ratio), shown)

    def test_three_significant_digits(self):
        for value, shown in (
            (0.01234, "0.0123"),
            (1.234, "1.23"),
            (123.4, "123"),
            (12345, "12345"),
        ):
            self.assertEqual(numbers.plain(value), shown)

    def test_short_counts(self):
        for count, shown in (
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (12345, "12k"),
            (999_600, "1.0M"),
            (3_400_000, "3.4M"),
            (5 * 10**12, "5000G"),
        ):
            self.assertEqual(numbers.short_count(count), shown)

    def test_a_single_run_shows_no_spread(self):
        self.assertEqual(numbers.percent_spread(records.Sample(0.1, 0.1, 0.1, 1)), "")

    def test_every_text_is_there_in_every_language_with_the_same_fields(self):
        for key, versions in text.TEXTS.items():
            self.assertEqual(set(versions), set(text.LANGUAGES), key)
            fields = {frozenset(re.findall(r"\{\w+\}", v)) for v in versions.values()}
            self.assertEqual(len(fields), 1, key)
        for technique in lecture_text.TECHNIQUES:
            for part in ("name", "claim", "mode", "pros", "cons", "trend"):
                versions = getattr(technique, part)
                self.assertEqual(set(versions), set(text.LANGUAGES))
                self.assertRegex(versions["zh"], "[\u4e00-\u9fff]")

    def test_every_spreadsheet_field_has_a_name(self):
        words = text.Text("en")
        for name in ("complete", "modelled"):
            loaded = results.load(DATA / f"{name}.jsonl")
            for document in (tables.build(loaded, words), lecture.build(loaded, words)):
                for table in document.tables:
                    widths = {
                        sum(len(c.values) for c in r.cells) for r in table.rows if r.kind != "group"
                    }
                    self.assertEqual(widths, {sum(len(c.fields) for c in table.columns)})
                self.assertTrue(csvout.render(document, words))

    def test_wide_latex_tables_are_cut_into_blocks_of_like_width(self):
        words = text.Text("en")
        table = tables.build(results.load(DATA / "complete.jsonl"), words).tables[0]
        sizes = [len(block.columns) - 1 for block in latex.blocks(table, limit=4)]
        self.assertEqual(sizes, [3, 3])
