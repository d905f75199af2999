# SPDX-License-Identifier: GPL-2.0-or-later
"""The modelled speed of hardware assist: the formula, its marks, and its error where KVM was measured.

What is expected is worked out here from the stored counts, with the paper's figures written out again.
"""
import dataclasses
import unittest

from support import DATA, Run, markdown_rows, root_of_product, stored, tables_of

from virtlab_report import hardware, lecture, results, tables
from virtlab_report.text import Text

MICROSECONDS = {  # of one exit, PVM's table 1; what it doesn't name costs a hypercall's 0.46
    "io": 3.79,
    "mmio": 3.79,
    "cpuid": 0.54,
    "msr_read": 0.87,
    "msr_write": 0.87,
    "exception": 1.66,
}
CHASE, CHASE_TLB = 4.0, 100.0  # ns, as the native rows of the stored file have them


def expected(record, nanoseconds):
    """The modelled speed from one stored record of hwassist/vtx, an EPT entry taking so long."""
    native = record["seconds"]["median"] * record["ratio"]["median"]
    extra = sum(MICROSECONDS.get(k, 0.46) * v["taken"] for k, v in record["exits"].items()) / 1e6
    return native / (native + extra + record["counters"]["ept_refs"] * nanoseconds / 1e9)


def of_engine(engine):
    return {m["workload"]: m for m in stored("hardware") if m["engine"] == engine}


class Model(unittest.TestCase):
    def test_each_figure_is_native_time_plus_exits_plus_walks(self):
        rows = {r["workload"]: r for r in tables_of("hardware").csv("table.csv")}
        self.assertEqual(len(of_engine("hwassist/vtx")), 4)
        for name, record in of_engine("hwassist/vtx").items():
            for field, latency in (("%", CHASE), ("min", CHASE_TLB), ("max", 0)):
                column = "hardware (modelled) " + ("% of native" if field == "%" else field)
                with self.subTest(name, field=field):
                    self.assertAlmostEqual(
                        float(rows[name][column]), 100 * expected(record, latency), places=2
                    )

    def test_every_figure_and_mean_is_marked_and_the_footnote_names_formula_and_source(self):
        page = tables_of("hardware").text("table.md")
        lines = markdown_rows(page)
        rows = {r[0]: r for r in lines}
        column = lines[0].index("hardware (modelled)")
        for name in ("sieve", "getpid", "**geometric mean, all**"):
            self.assertIn("†", rows[name][column], name)
            for other in range(1, len(rows[name])):
                if other != column:
                    self.assertNotIn("†", rows[name][other], name)
        for page in (page, tables_of("hardware").text("lecture.md")):
            for words in (
                "modelled time = native time + exits taken",
                "SOSP 2023, table 1",
                "pio 3.79",
                "upper bound",
            ):
                self.assertIn(words, page)

    def test_measured_and_modelled_stand_side_by_side_with_the_models_error(self):
        kvm, vtx = of_engine("hwassist/kvm"), of_engine("hwassist/vtx")
        off = [expected(vtx[w], CHASE) / kvm[w]["ratio"]["median"] for w in kvm]
        percent = [f"{100 * (e - 1):+.1f} %" for e in (min(off), max(off), root_of_product(off))]
        line = (
            f"the model's error: {percent[0]} to {percent[1]}, mean {percent[2]} "
            "(4 workloads, modelled against measured)"
        )
        run = tables_of("hardware")
        row = run.csv("lecture.csv")[3]
        self.assertIn(line, row["speed as shown"])
        self.assertIn(line, run.text("table.md"))
        self.assertIn("modelled, not measured†", row["speed as shown"])

    def test_only_hardware_counts_as_measured_hardware(self):
        row = tables_of("hardware").csv("lecture.csv")[3]
        ratios = [m["ratio"]["median"] for m in of_engine("hwassist/kvm").values()]
        self.assertEqual(row["speed n"], "4")
        self.assertAlmostEqual(float(row["speed measured min %"]), 100 * min(ratios), places=2)
        self.assertAlmostEqual(float(row["speed measured max %"]), 100 * max(ratios), places=2)
        self.assertIn(
            "user code alone under hwassist/kvm:ring3, measured: 50.0 %", row["speed as shown"]
        )

    def test_without_kvm_the_model_stands_alone_and_the_reason_is_given(self):
        loaded = results.load(DATA / "hardware.jsonl")
        loaded.measurements = [m for m in loaded.measurements if m.engine != hardware.MEASURED]
        words = Text("en")
        loaded = hardware.with_model(loaded, words)
        cell = lecture.build(loaded, words).tables[0].rows[3].cells[1]
        self.assertTrue(
            cell.lines[0].startswith(
                "not measured: hwassist/kvm was not run; hwassist/vtx is VT-x in software"
            )
        )
        self.assertTrue(cell.lines[1].startswith("modelled, not measured†: "), cell.lines)
        self.assertFalse(any("error" in line for line in cell.lines))

    def test_what_the_formula_lacks_is_a_reason_and_no_figure(self):
        words = Text("en")

        def without(**fields):
            loaded = results.load(DATA / "hardware.jsonl")
            loaded.measurements = [dataclasses.replace(m, **fields) for m in loaded.measurements]
            loaded = hardware.with_model(loaded, words)
            return [m for m in loaded.measurements if m.engine == hardware.MODELLED], loaded

        for fields, reason in (
            ({"latencies": {}}, "no model: the native run of chase measured no latency"),
            ({"counters": {}}, "no model: the record of hwassist/vtx lacks times or counts"),
            ({"seconds": None}, "no model: the record of hwassist/vtx lacks times or counts"),
        ):
            made, loaded = without(**fields)
            self.assertEqual({(m.status, m.ratio, m.reason) for m in made}, {("na", None, reason)})
            notes = [n.text for n in tables.build(loaded, words).notes]
            self.assertIn(f"hardware (modelled) has no column: {reason}.", notes)

    def test_absurd_counts_give_no_figure_and_no_crash(self):
        loaded = results.load(DATA / "hardware.jsonl")
        huge = int(1e308)
        loaded.measurements = [
            dataclasses.replace(
                m,
                counters={"ept_refs": huge},
                exits={"io": results.exits({"io": {"taken": huge}})["io"]},
            )
            for m in loaded.measurements
        ]
        made = hardware.with_model(loaded, Text("en")).measurements
        for m in made:
            if m.engine == hardware.MODELLED:
                self.assertTrue(
                    m.status == "na" or 0 < m.ratio.min <= m.ratio.median <= m.ratio.max
                )

    def test_the_chinese_report_says_the_same(self):
        self.assertIn("模型误差", Run("hardware", "--lang", "zh", "--formats", "md").text("lecture.md"))

    def test_every_constant_has_its_source(self):
        known = hardware.constants()
        self.assertTrue(known["published"]["source"] and known["published"]["column"])
        self.assertEqual(known["published"]["unit"], "us")
        kinds = {*known["operation_of_exit"].values(), known["operation_of_other_exits"]}
        self.assertLessEqual(kinds, set(known["published"]["operations"]))
