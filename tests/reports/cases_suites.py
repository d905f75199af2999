# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites with documents of their own, many engines, and names with a colon."""
import json
import re
import shutil
import unittest

from support import DATA, REPORTS, Run, markdown_rows, stored, tables_of

from virtlab_report import crossover, nano, plot_bars, records, results, suites, tables, text

HAS_GNUPLOT = shutil.which("gnuplot") is not None
ENGINES = [
    "emulate/interp",
    "full/bt",
    "full/bt:all",
    "full/bt:direct",
    "full/static",
    "full/trap",
    "para/direct",
    "hwassist/kvm",
    "hwassist/vtx",
]
OPERATIONS = ["syscall", "in", "cr8wr", "callret", "pgfault", "divzero", "ptemod"]


def measured(workload, engine):
    """The stored record of one crossing."""
    return next(m for m in stored("suites") if m["workload"] == workload and m["engine"] == engine)


class SeveralSuites(unittest.TestCase):
    def setUp(self):
        self.run_ = tables_of("suites")

    def test_each_suite_has_its_files(self):
        self.assertEqual((self.run_.status, self.run_.err), (0, ""))
        for name in ("table", "lecture", "kernel", "nano"):
            for ending in ("md", "tex", "csv"):
                self.assertIn(f"{name}.{ending}", self.run_.names())
        for name in ("kernel-times.csv", "nano-ratio.csv", "nano-notes.csv", "table-latency.csv"):
            self.assertIn(name, self.run_.names())

    def test_the_lecture_is_made_of_its_own_rows_alone(self):
        for name in ("table.md", "lecture.md", "table-latency.csv"):
            self.assertNotIn("nano", self.run_.text(name))
            self.assertNotIn("kernel-", self.run_.text(name))
        ratios = [
            m["ratio"]["median"]
            for m in stored("suites")
            if m["suite"] == "lecture" and m["engine"] == "para/direct"
        ]
        row = next(
            r for r in self.run_.csv("lecture.csv") if r["technique"] == "paravirtualization"
        )
        self.assertEqual(int(row["speed n"]), len(ratios))
        self.assertAlmostEqual(float(row["speed measured max %"]), 100 * max(ratios), places=2)

    def test_a_file_without_the_lecture_gives_no_table_of_it(self):
        run = Run("no_lecture", "--formats", "md")
        self.assertEqual((run.status, run.err), (0, ""))
        self.assertEqual(run.names(), {"kernel.md", "nano.md"})

    def test_names_with_a_colon_are_columns_in_every_format(self):
        heading = markdown_rows(self.run_.text("table.md"))[0]
        self.assertEqual(heading[2:11], ENGINES)
        self.assertIn("full/bt:direct % of native", self.run_.csv("table.csv")[0])
        self.assertIn("bt:direct", self.run_.text("table.tex"))

    def test_wide_latex_tables_stay_within_a_page(self):
        for name in ("table.tex", "nano.tex", "kernel.tex"):
            for columns in re.findall(r"begin\{tabular\}\{([lr]+)\}", self.run_.text(name)):
                self.assertLessEqual(len(columns), 7, name)

    def test_an_engine_that_is_na_throughout_has_a_note_and_no_column(self):
        page = self.run_.text("nano.md")
        self.assertNotIn("emulate/unicorn", markdown_rows(page)[0])
        self.assertIn("emulate/unicorn has no column: needs an operating system", page)

    def test_latencies_are_in_a_unit_that_suits_their_row(self):
        rows = {r[0]: r for r in markdown_rows(self.run_.text("table.md"))}
        self.assertEqual(rows["getpid: system call"][1], "200 ns (194-206)")
        self.assertEqual(rows["forkwait: fork and wait"][1], "90.0 µs (87.3-92.7)")
        spreadsheet = {r["workload"]: r for r in self.run_.csv("table-latency.csv")}
        fork = spreadsheet["forkwait: fork and wait"]
        self.assertEqual((fork["native median"], fork["native unit"]), ("90000.0", "ns"))
        self.assertIn("90.0 $\\mu$s", self.run_.text("table.tex"))


class Nano(unittest.TestCase):
    def setUp(self):
        self.page = tables_of("suites").text("nano.md")
        self.rows = markdown_rows(self.page)

    def test_rows_are_the_papers_operations_columns_ours_and_the_papers(self):
        self.assertEqual([r[0] for r in self.rows[2:9]], OPERATIONS)
        self.assertEqual(self.rows[0][1:11], ["native", *ENGINES])
        self.assertEqual(
            self.rows[0][11:],
            ["qemu-tcg (peer)"]
            + [f"{c} (2006, cycles)" for c in ("native", "software VMM", "hardware VMM")],
        )

    def test_cycles_are_nanoseconds_times_the_tsc(self):
        run = tables_of("suites")
        for row in run.csv("nano.csv"):
            record = measured(f"nano-{row['operation']}", "full/bt:all")
            ns = record["latencies"][row["operation"]]["median"]
            self.assertAlmostEqual(float(row["full/bt:all median"]), 2.5 * ns, delta=1e-4 * ns)

    def test_multiples_of_native_are_of_one_operation_each(self):
        row = next(
            r for r in tables_of("suites").csv("nano-ratio.csv") if r["operation"] == "callret"
        )
        ours = measured("nano-callret", "full/trap")["latencies"]["callret"]["median"]
        native = measured("nano-callret", "native")["latencies"]["callret"]["median"]
        self.assertAlmostEqual(float(row["full/trap"]), ours / native, places=3)

    def test_what_has_no_native_side_has_no_multiple(self):
        for row in tables_of("suites").csv("nano-ratio.csv"):
            if row["operation"] in ("in", "cr8wr", "pgfault", "divzero"):
                self.assertEqual(row["full/bt"], "", row["operation"])

    def test_the_papers_figures_are_those_of_its_data_file(self):
        paper = json.loads((REPORTS / "data" / "adams_agesen_2006.json").read_text())
        rows = {r[0]: r for r in self.rows[2:9]}
        for name, known in paper["operations"].items():
            for shown, cycles in zip(rows[name][-3:], known["cycles"]):
                figure = re.match(r"~?([\d.]+|-)", shown).group(1)
                self.assertEqual(figure == "-", cycles is None, name)
                if cycles is not None:
                    self.assertEqual(float(figure), cycles, name)
        self.assertIn("ASPLOS 2006", self.page)
        self.assertIn("~210", "".join(rows["in"]))

    def test_na_cells_say_why(self):
        rows = {r[0]: r for r in self.rows[2:9]}
        self.assertRegex(rows["in"][1], r"^n/a .")
        self.assertIn("n/a: privileged: a process can't do it", self.page)
        self.assertIn("n/a: a paravirtual kernel has no such operation", self.page)

    def test_without_the_tscs_rate_costs_are_nanoseconds(self):
        self.assertEqual(nano.scale(records.Results("x", records.Host())), (1, "ns"))
        self.assertEqual(nano.scale(records.Results("x", None)), (1, "ns"))
        self.assertEqual(
            nano.scale(records.Results("x", records.Host(tsc_mhz=3000))), (3, "cycles")
        )


class Kernel(unittest.TestCase):
    def test_speeds_are_multiples_of_qemus_translator(self):
        rows = tables_of("suites").csv("kernel-times.csv")
        self.assertEqual([r["workload"] for r in rows], ["kernel-sieve", "kernel-chase"])
        for row in rows:
            ours = measured(row["workload"], "full/bt")["ratio"]["median"]
            qemu = measured(row["workload"], "qemu-tcg")["ratio"]["median"]
            self.assertAlmostEqual(float(row["full/bt"]), ours / qemu, places=3)
            self.assertEqual(row["full/trap"], "")
        self.assertIn("failed: POPF is silent in ring 1", tables_of("suites").text("kernel.md"))


class Pictures(unittest.TestCase):
    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_pictures_of_many_engines(self):
        run = Run("suites", "--formats", "svg,md")
        self.assertEqual((run.status, run.err), (0, ""))
        for name in (
            "nano.svg",
            "kernel.svg",
            "speed.svg",
            "exits-full-bt.svg",
            "exits-full-bt-all.svg",
        ):
            self.assertIn(name, run.names())
        picture = (run.folder / "nano.svg").read_text(encoding="utf-8")
        for label in ("2006: hardware VMM", "full/bt:direct", "15826", "~210", "ptemod"):
            self.assertIn(label, picture)
        self.assertIn("](nano.svg)", run.text("nano.md"))
        self.assertNotIn("](nano.svg)", run.text("table.md"))

    def test_every_bar_lies_within_its_axis(self):
        bars = [plot_bars.Bar("a", 0.3, 0.2, 0.5), plot_bars.Bar("b", 90000, 80000, 99000)]
        chart = plot_bars.Chart(
            "x", "x", "x", ["one", "two"], [plot_bars.Series("s", "#000", bars)]
        )
        body = plot_bars.picture(chart).body
        low, high = map(float, re.search(r"set yrange \[(\S+):(\S+)\]", body).groups())
        self.assertLess(low, 0.2)
        self.assertGreater(high, 99000)

    def test_a_series_without_a_figure_is_left_out(self):
        bars = {"some": plot_bars.Bar("1", 1, 1, 1), "none": plot_bars.Bar("n/a")}
        series = [plot_bars.Series(name, "#000", [bar]) for name, bar in bars.items()]
        body = plot_bars.picture(plot_bars.Chart("x", "x", "x", ["one"], series)).body
        self.assertIn("'some'", body)
        self.assertNotIn("'none'", body)


class Crossover(unittest.TestCase):
    def test_rows_are_amounts_of_work_and_figures_microseconds(self):
        rows = markdown_rows(tables_of("crossover").text("crossover.md"))
        self.assertEqual(rows[0][:3], ["workload", "native", "full/bt"])
        row = next(r for r in rows if r[0] == "crossover-1000")
        self.assertEqual(row[1], "2.10 (2.04-2.16)")
        self.assertEqual(row[-1], "10.1 (9.8-10.4)")

    def test_the_place_where_direct_execution_wins_is_told(self):
        page = tables_of("crossover").text("crossover.md")
        self.assertIn("takes between 2.10 and 6.10 µs natively", page)

    def test_where_the_lines_do_not_cross_none_is_told(self):
        found = results.load(DATA / "crossover.jsonl")
        few = found.only(lambda suite: True)
        few.measurements = [m for m in few.measurements if m.engine != "full/bt:all"]
        self.assertIsNone(crossover.crossing(tables.Grid(few)))

    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_the_picture_has_a_line_for_each_engine(self):
        run = Run("crossover", "--formats", "svg")
        self.assertEqual((run.status, run.err), (0, ""))
        picture = (run.folder / "crossover.svg").read_text(encoding="utf-8")
        for label in ("native", "full/bt:all", "full/bt:direct", "natively"):
            self.assertIn(label, picture)


class Nested(unittest.TestCase):
    def test_a_miss_costs_the_guests_entries_and_the_epts(self):
        rows = markdown_rows(tables_of("nested").text("nested.md"))
        self.assertEqual(
            next(r for r in rows if r[0] == "walk-4k")[1:],
            ["4.0", "4.0 + 15.0 = 19.0", "1.0 + 3.6 = 4.6", "4.0 + 20.0 = 24.0", "4.0"],
        )
        row = next(r for r in tables_of("nested").csv("nested.csv") if r["workload"] == "forkwait")
        self.assertAlmostEqual(float(row["hwassist/vtx guest's"]), 1990 / 500)
        self.assertEqual(row["hwassist/vtx:4k status"], "failed")
        self.assertIn("the guest died", tables_of("nested").text("nested.md"))

    def test_exits_are_told_with_ept_and_without(self):
        rows = tables_of("nested").csv("nested-exits.csv")
        found = {(r["workload"], r["memory"]): r for r in rows}
        self.assertEqual(len(found), 4)
        self.assertEqual(float(found["forkwait", "shadow"]["hidden_fault"]), 2380 / 2)
        self.assertEqual(float(found["forkwait", "EPT"]["hidden_fault"]), 0)
        self.assertEqual(float(found["forkwait", "EPT"]["io"]), 3)

    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_the_pictures_have_a_bar_for_each_engine(self):
        run = Run("nested", "--formats", "svg")
        self.assertEqual((run.status, run.err), (0, ""))
        walks = (run.folder / "nested.svg").read_text(encoding="utf-8")
        for label in ("emulate/interp", "hwassist/vtx:cached", "hwassist/vtx:4k", "24.0"):
            self.assertIn(label, walks)
        exits = (run.folder / "nested-exits.svg").read_text(encoding="utf-8")
        for label in ("hwassist/vtx:shadow", "1707", "forkwait"):
            self.assertIn(label, exits)


class Registry(unittest.TestCase):
    def test_every_report_builds_a_document_of_its_suites_name(self):
        found = results.load(DATA / "suites.jsonl")
        seen = {report.build(own, text.Text("zh")).name for report, own in suites.special(found)}
        self.assertEqual(seen, {"kernel", "nano"})
        self.assertTrue(tables.build(suites.general(found, text.Text("zh")), text.Text("zh")).tables)
