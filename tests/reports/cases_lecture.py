# SPDX-License-Identifier: GPL-2.0-or-later
"""The lecture's comparison: claims, measured ranges, and why there is none."""
import dataclasses
import unittest

from support import DATA, markdown_rows, root_of_product, stored, tables_of

from virtlab_report import lecture, lecture_text, results


class Lecture(unittest.TestCase):
    def measured(self, technique):
        return [
            m["ratio"]["median"]
            for m in stored("complete")
            if m["technique"] == technique and m["kind"] == "engine" and m["status"] == "ok"
        ]

    def test_four_techniques_with_claim_and_measured_range(self):
        rows = tables_of("complete").csv("lecture.csv")
        self.assertEqual(
            [r["technique"] for r in rows],
            [
                "hardware emulation",
                "full virtualization",
                "paravirtualization",
                "hardware-assisted virtualization",
            ],
        )
        for row, technique in zip(rows, ("emulate", "full", "para")):
            ratios = self.measured(technique)
            self.assertAlmostEqual(float(row["speed measured min %"]), 100 * min(ratios), places=2)
            self.assertAlmostEqual(float(row["speed measured max %"]), 100 * max(ratios), places=2)
            self.assertAlmostEqual(
                float(row["speed geometric mean %"]), 100 * root_of_product(ratios), places=2
            )
        for row, claim in zip(rows, ("below 30 %", "30 to 80 %", "80 %", "80 %")):
            self.assertIn(claim, row["speed claimed"])

    def test_a_technique_without_a_speed_says_why(self):
        cases = (
            (
                "complete",
                3,
                "not measured: engine not available: hwassist/kvm: /dev/kvm: No "
                "such file or directory",
            ),
            ("interrupted", 2, "not measured: no engine of this technique in this build"),
            (
                "failed",
                0,
                "not measured: no workload of emulate/interp gave a speed: guest "
                "died: triple fault",
            ),
            (
                "modelled",
                3,
                "not measured: hwassist/vtx is modelled only; modelled, not "
                "measured†: 91.0-99.0 %, geometric mean",
            ),
        )
        for name, row, said in cases:
            with self.subTest(name):
                found = tables_of(name).csv("lecture.csv")[row]["speed as shown"]
                self.assertTrue(found.startswith(said), found)

    def test_chinese_headings_and_techniques_are_the_lectures(self):
        rows = markdown_rows(tables_of("complete", "--lang", "zh").text("lecture.md"))
        self.assertEqual(rows[0], ["技术", "速度", "模式", "优点", "缺点", "趋势"])
        self.assertEqual([r[0] for r in rows[2:]], ["硬件仿真", "全虚拟化", "半虚拟化", "硬件辅助虚拟化"])

    def test_peers_do_not_count_as_engines_of_a_technique(self):
        loaded = results.load(DATA / "complete.jsonl")
        engines = {m.engine for t in lecture_text.TECHNIQUES for m in lecture.usable(loaded, t.key)}
        self.assertEqual(engines, {"emulate/interp", "full/bt", "para/direct"})
        as_peers = [dataclasses.replace(m, kind="peer") for m in loaded.measurements]
        loaded.measurements = as_peers
        self.assertEqual(lecture.usable(loaded, "emulate"), [])
