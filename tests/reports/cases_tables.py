# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of a complete run: every figure is worked out again from the stored file."""
import re
import unittest

from support import DATA, Run, markdown_rows, root_of_product, stored, tables_of


class SampleFiles(unittest.TestCase):
    def test_every_stored_host_says_that_it_is_made_up(self):
        for path in DATA.glob("*.jsonl"):
            for line in path.read_bytes().splitlines():
                if b'"type": "host"' in line:
                    with self.subTest(path.name):
                        self.assertIn(b'"cpu": "sample, not a measurement"', line)


class CompleteRun(unittest.TestCase):
    def setUp(self):
        self.run_ = tables_of("complete")

    def test_succeeds_without_a_word_on_stderr(self):
        self.assertEqual((self.run_.status, self.run_.err), (0, ""))

    def test_makes_the_files_that_it_names(self):
        expected = {
            "table.md",
            "table.tex",
            "table.csv",
            "table-mips.csv",
            "table-latency.csv",
            "table-notes.csv",
            "lecture.md",
            "lecture.tex",
            "lecture.csv",
            "lecture-notes.csv",
        }
        self.assertEqual(self.run_.names(), expected)
        for name in expected:
            self.assertIn(f"  {name}\n", self.run_.out)

    def test_columns_are_native_then_engines_then_peers(self):
        heading = markdown_rows(self.run_.text("table.md"))[0]
        self.assertEqual(
            heading,
            [
                "workload",
                "native (s)",
                "emulate/interp",
                "full/bt",
                "para/direct",
                "qemu-tcg (peer)",
                "bochs (peer)",
            ],
        )

    def test_every_ok_cell_shows_its_median_and_spread(self):
        rows = {row[0]: row for row in markdown_rows(self.run_.text("table.md"))[:30]}
        columns = {"emulate/interp": 2, "full/bt": 3, "para/direct": 4, "qemu-tcg": 5, "bochs": 6}
        for m in stored("complete"):
            if m["engine"] in columns and m["status"] == "ok":
                with self.subTest(m["workload"], engine=m["engine"]):
                    cell = rows[m["workload"]][columns[m["engine"]]]
                    found = re.fullmatch(r"([\d.]+) % \(([\d.]+)-([\d.]+)\)", cell)
                    self.assertIsNotNone(found, cell)
                    for shown, key in zip(found.groups(), ("median", "min", "max")):
                        true = 100 * m["ratio"][key]
                        step = 10.0 ** -len(shown.partition(".")[2])
                        self.assertLessEqual(abs(float(shown) - true), 0.5001 * step)

    def test_workloads_are_grouped_by_class_in_the_order_of_the_contract(self):
        bold = [r[0] for r in markdown_rows(self.run_.text("table.md")) if not any(r[1:])]
        self.assertEqual(bold[:4], ["**compute**", "**memory**", "**system**", "**disk**"])

    def test_geometric_means_are_those_of_the_file(self):
        means = [r for r in self.run_.csv("table.csv") if r["row"] == "mean"]
        classes = [m["class"] for m in means]
        self.assertEqual(classes, ["compute", "memory", "system", "disk", ""])
        for mean in means:
            for engine, column in (
                ("emulate/interp", "emulate/interp"),
                ("para/direct",) * 2,
                ("bochs", "bochs (peer)"),
            ):
                ratios = [
                    m["ratio"]["median"]
                    for m in stored("complete")
                    if m["engine"] == engine
                    and m["status"] == "ok"
                    and mean["class"] in ("", m["class"])
                ]
                with self.subTest(engine, group=mean["class"]):
                    self.assertEqual(int(mean[f"{column} n"]), len(ratios))
                    self.assertAlmostEqual(
                        float(mean[f"{column} % of native"]),
                        100 * root_of_product(ratios),
                        places=2,
                    )

    def test_a_mean_says_over_how_many_workloads_it_is(self):
        rows = {row[0]: row for row in markdown_rows(self.run_.text("table.md"))}
        self.assertRegex(rows["**geometric mean, system**"][4], r"\*\* \(over 5\)$")
        self.assertRegex(rows["**geometric mean, all**"][2], r"\*\* \(over 19\)$")

    def test_na_and_failed_carry_a_footnote_with_the_reason(self):
        page = self.run_.text("table.md")
        rows = {row[0]: row for row in markdown_rows(page)[:30]}
        self.assertEqual(rows["write-protect-faults"][4], "n/a ¹")
        self.assertEqual(rows["disk-rand-write"][6], "failed ²")
        self.assertIn(
            "- ¹ n/a: needs the bare kernel; this engine runs the paravirtual one\n", page
        )
        self.assertIn("- ² failed: time limit of 60 s reached\n", page)

    def test_mips_stand_in_a_table_of_their_own(self):
        found = {r["workload"]: r for r in self.run_.csv("table-mips.csv")}
        for m in stored("complete"):
            if "mips" in m and m["engine"] == "emulate/interp":
                self.assertEqual(float(found[m["workload"]]["emulate/interp MIPS"]), m["mips"])
        self.assertNotIn("full/bt MIPS", found["sieve"])

    def test_footnotes_tell_the_host_and_the_run(self):
        page = self.run_.text("table.md")
        for part in (
            "sample, not a measurement",
            "2 cores",
            "1024 MB",
            "sample kernel",
            "quick",
            "commit abc123",
            "mitigated: spectre\\_v2",
            "vulnerable: mds",
            "not affected by 2 more",
            "hwassist/kvm has no column: /dev/kvm",
        ):
            self.assertIn(part, page)

    def test_every_format_holds_the_same_figures(self):
        shown = re.findall(r"\d[\d.]* % \([\d.]+-[\d.]+\)", self.run_.text("table.md"))
        tex = self.run_.text("table.tex").replace("\\\\{\\scriptsize", " ").replace("--", "-")
        tex = tex.replace("\\,\\%", " %")
        self.assertGreater(len(shown), 80)
        for figure in shown:
            self.assertIn(figure, tex)
            self.assertIn(figure, self.run_.out)

    def test_a_second_run_writes_the_same_bytes(self):
        again = Run("complete", "--formats", "md,tex,csv")
        for name in again.names():
            self.assertEqual(again.text(name), self.run_.text(name), name)


class Modelled(unittest.TestCase):
    def test_modelled_cells_and_their_means_carry_a_dagger_and_a_label(self):
        page = tables_of("modelled").text("table.md")
        rows = {row[0]: row for row in markdown_rows(page)}
        self.assertEqual(rows["sieve"][2], "97.0 % (94.1-99.9) † ¹")
        self.assertTrue(rows["**geometric mean, all**"][2].endswith("†"))
        self.assertNotIn("†", rows["sieve"][3])
        self.assertIn("- † modelled (exit counts times published costs), not measured\n", page)
        self.assertIn("- ¹ formula: native time + sum of exits times published cost\n", page)
