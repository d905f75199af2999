# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and reasons full of what Markdown, LaTeX, CSV and terminals take for commands."""
import csv
import re
import shutil
import subprocess
import unittest

from support import new_folder, tables_of

from virtlab_report import latex


class HostileStrings(unittest.TestCase):
    def setUp(self):
        self.run_ = tables_of("hostile")

    def test_markdown_tables_keep_their_columns(self):
        lines = [x for x in self.run_.text("table.md").splitlines() if x.startswith("|")]
        self.assertEqual({len(re.findall(r"(?<!\\)\|", line)) for line in lines}, {6})

    def test_markdown_shows_no_foreign_mark_up(self):
        page = self.run_.text("table.md")
        self.assertNotIn("<b>", page)
        self.assertIn("&lt;b&gt;", page)
        self.assertIsNone(re.search(r"(?<!\\)`", page))

    def test_no_control_character_reaches_any_output(self):
        outputs = [self.run_.text(n) for n in self.run_.names()] + [self.run_.out, self.run_.err]
        for output in outputs:
            self.assertIsNone(
                re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\u202e\ud800-\udfff]", output)
            )

    def test_csv_holds_no_formula_and_reads_back(self):
        for name in ("table.csv", "table-notes.csv", "lecture.csv"):
            for row in csv.reader(self.run_.text(name).lstrip("\ufeff").splitlines(keepends=True)):
                for cell in row:
                    self.assertFalse(cell.startswith(("=", "+", "@")), cell)
        workloads = [r["workload"] for r in self.run_.csv("table.csv") if r["row"] == "data"]
        self.assertEqual(workloads, ["we|ird_`touch pwned`'", "plain", "'=1+1"])

    def test_latex_specials_are_escaped(self):
        tex = self.run_.text("table.tex")
        self.assertNotIn("\\input{z}", tex)
        self.assertIn("\\textbackslash{}end\\{tabular\\}", tex)
        self.assertEqual(
            latex.escape("a_b & 5 % $x$ {y} #1 ~^ \\z --"),
            "a\\_b \\& 5\\,\\% \\$x\\$ \\{y\\} \\#1 \\textasciitilde{}"
            "\\textasciicircum{} \\textbackslash{}z -{}-",
        )
        self.assertEqual(latex.escape("é中"), "éU+4E2D")
        self.assertEqual(latex.escape("中", any_unicode=True), "中")

    def test_latex_braces_and_environments_balance(self):
        for name in ("hostile", "complete", "modelled"):
            for file in ("table.tex", "lecture.tex"):
                tex = re.sub(r"\\[{}\\]", "", re.sub(r"(?m)^%.*$", "", tables_of(name).text(file)))
                self.assertEqual(tex.count("{"), tex.count("}"))
                self.assertEqual(tex.count("\\begin{tabular}"), tex.count("\\end{tabular}"))

    def test_chinese_report_of_hostile_strings_is_made_too(self):
        self.assertEqual(tables_of("hostile", "--lang", "zh").status, 0)

    @unittest.skipUnless(shutil.which("pdflatex"), "pdflatex is not installed")
    def test_latex_compiles_without_a_package(self):
        for name in ("hostile", "complete"):
            folder = tables_of(name).folder
            build = new_folder()
            (build / "all.tex").write_text(
                "\\documentclass{article}\\begin{document}\n"
                f"\\input{{{folder}/table.tex}}\n\\input{{{folder}/lecture.tex}}\n"
                "\\end{document}\n",
                encoding="utf-8",
            )
            done = subprocess.run(
                ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
                cwd=build,
                capture_output=True,
                timeout=60,
                check=False,
            )
            self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace")[-1500:])
