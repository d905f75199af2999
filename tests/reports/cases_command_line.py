# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line and the summary on the terminal."""
import os
import re
import subprocess
import sys
import unittest

from support import DATA, Run, SCRIPT, on_a_terminal, tables_of

from virtlab_report import results, tables, terminal, text


class CommandLine(unittest.TestCase):
    def test_help_teaches(self):
        done = subprocess.run(
            [sys.executable, "-B", str(SCRIPT), "--help"],
            capture_output=True,
            check=False,
            timeout=30,
        )
        self.assertEqual(done.returncode, 0)
        for part in (b"--lang", b"--formats", b"--into", b"examples:", b"exit status"):
            self.assertIn(part, done.stdout)

    def test_wrong_usage_is_status_2(self):
        for options in (["--formats", "md,docx"], ["--lang", "tlh"], ["--formats", ""]):
            self.assertEqual(Run("failed", *options).status, 2)

    def test_formats_and_into_are_obeyed(self):
        run = Run("failed", "--formats", "md", "--into", "new/slides")
        self.assertEqual(run.names(), {"new"})
        made = {p.name for p in (run.folder / "new/slides").iterdir()}
        self.assertEqual(made, {"table.md", "lecture.md"})

    def test_a_folder_that_cannot_be_written_is_one_line_and_status_2(self):
        run = Run("failed", "--formats", "md", "--into", "results.jsonl/x")
        self.assertEqual((run.status, run.err.count("\n")), (2, 1))

    def test_a_reader_that_has_seen_enough_is_no_error(self):
        folder = tables_of("complete").folder
        done = subprocess.run(
            f"'{sys.executable}' -B '{SCRIPT}' '{folder}' --formats csv | true",
            shell=True,
            capture_output=True,
            check=False,
            timeout=30,
        )
        self.assertEqual(done.stderr, b"")


class Terminal(unittest.TestCase):
    class Tty:
        def isatty(self):
            return True

    def test_colour_only_for_a_terminal_without_no_color(self):
        self.assertTrue(terminal.wants_colour(self.Tty(), {}))
        self.assertFalse(terminal.wants_colour(self.Tty(), {"NO_COLOR": "1"}))
        with open(os.devnull, encoding="utf-8") as not_a_terminal:
            self.assertFalse(terminal.wants_colour(not_a_terminal, {}))
        self.assertNotIn("\033", tables_of("complete").out)

    def test_a_narrow_terminal_gets_the_table_in_pieces(self):
        for language in text.LANGUAGES:
            words = text.Text(language)
            table = tables.build(results.load(DATA / "complete.jsonl"), words).tables[0]
            for piece in terminal._pieces(table, 80):
                for line in terminal._table(piece, False):
                    self.assertLessEqual(terminal.width_of(line), 80)
            joined = [c.heading for p in terminal._pieces(table, 80) for c in p.columns[1:]]
            self.assertEqual(joined, [c.heading for c in table.columns[1:]])

    def test_a_real_terminal_gets_colour_and_no_line_wider_than_itself(self):
        for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            shown = on_a_terminal(80, extra)
            self.assertIn("geometric mean, all", shown)
            self.assertEqual("\033[" in shown, coloured)
            plain = re.sub(r"\033\[\d+m", "", shown).partition("in /")[0]
            for line in plain.splitlines():
                self.assertLessEqual(terminal.width_of(line), 80, line)

    def test_chinese_characters_are_two_columns_wide_and_accents_none(self):
        self.assertEqual(
            [terminal.width_of(x) for x in ("ab", "硬件a", "（", "e\u0301")], [2, 5, 2, 1]
        )

    def test_columns_line_up_in_both_languages(self):
        for language in text.LANGUAGES:
            words = text.Text(language)
            table = tables.build(results.load(DATA / "modelled.jsonl"), words).tables[0]
            heading, rule, *rows = terminal._table(table, False)
            wide = [r for r in rows if "%" in r and not r.endswith("†")]
            self.assertEqual(
                {terminal.width_of(r) for r in (heading, rule, *wide)}, {terminal.width_of(rule)}
            )
