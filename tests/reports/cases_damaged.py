# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupted, corrupt and empty results files: what is named, and what is used all the same."""
import json
import re
import unittest

from support import DATA, Run, markdown_rows, new_folder, stored, tables_of

from virtlab_report import markdown, results, tables, terminal, text


class DamagedFiles(unittest.TestCase):
    def test_an_interrupted_run_is_used_and_named_as_such(self):
        run = tables_of("interrupted")
        self.assertEqual(run.status, 0)
        self.assertRegex(run.err, r"results\.jsonl:7: truncated last line: .*; line not used\n")
        page = run.text("table.md")
        self.assertIn("The run was interrupted", page)
        self.assertIn("not measured: the run was interrupted before", page)
        self.assertIn("emulate/unicorn has no column: libunicorn.so.2 not found", page)

    def test_each_bad_line_is_named_and_the_rest_is_used(self):
        loaded = results.load(DATA / "corrupt.jsonl")
        said = {}
        for warning in loaded.warnings:
            path, line, reason = re.fullmatch(r"(.*\.jsonl):(\d+): (.*)", warning).groups()
            self.assertEqual(path, str(DATA / "corrupt.jsonl"))
            said[int(line)] = reason
        expected = {
            2: "corrupt JSON",
            3: "unknown schema version 2",
            4: "not a JSON object",
            5: "not UTF-8 at byte 1",
            6: 'status is "great"',
            7: "workload is missing",
            9: "ratio: -1 is not above 0",
            10: "NaN is not a JSON number",
            11: "ratio: min 0.6, median 0.5",
            13: "a second time; the later one",
            15: "nested too deeply",
            16: "ratio: not a finite number",
            17: "exits: -1 is not a count",
        }
        self.assertEqual(set(said), set(expected))
        for line, part in expected.items():
            self.assertIn(part, said[line])
        self.assertEqual(
            [m.workload for m in loaded.measurements],
            ["sieve", "sieve", "huge", "fine", "huge2", "exits"],
        )
        self.assertAlmostEqual(loaded.measurements[3].ratio.median, 0.05)

    def test_warnings_go_to_stderr_and_are_not_a_flood(self):
        run = tables_of("corrupt")
        self.assertEqual(run.status, 0)
        lines = run.err.splitlines()
        self.assertEqual(len(lines), 11)
        self.assertTrue(lines[-1].endswith("and 3 more like these"))

    def test_nothing_usable_is_one_line_and_status_2(self):
        run = Run("unusable")
        self.assertEqual((run.status, run.out), (2, ""))
        self.assertEqual(run.err.count("\n"), 1)
        self.assertIn("results.jsonl:1: unknown schema version 7", run.err)
        self.assertEqual(run.names(), set())

    def test_empty_file_missing_folder_and_host_alone_are_unusable(self):
        folder = new_folder()
        (folder / "empty.jsonl").write_bytes(b"")
        host = (DATA / "failed.jsonl").read_bytes().splitlines()[0]
        (folder / "host.jsonl").write_bytes(host + b"\n")
        for name, part in (
            ("empty.jsonl", "no measurement"),
            ("host.jsonl", "no measurement"),
            ("absent", "No such file"),
        ):
            with self.subTest(name), self.assertRaisesRegex(results.Unusable, part):
                results.load(folder / name)

    def test_no_speed_at_all_still_makes_tables(self):
        run = tables_of("failed")
        self.assertEqual(run.status, 0)
        self.assertIn("- ¹ failed: guest died: triple fault\n", run.text("table.md"))
        self.assertEqual(markdown_rows(run.text("table.md"))[-1][2], "**-**")

    def test_every_prefix_of_a_file_is_survived(self):
        data = (DATA / "modelled.jsonl").read_bytes()
        path = new_folder() / "results.jsonl"
        words = text.Text("en")
        for end in range(0, len(data), 61):
            path.write_bytes(data[:end])
            try:
                loaded = results.load(path)
            except results.Unusable:
                continue
            with self.subTest(end):
                self.assertFalse(loaded.complete)
                self.assertTrue(markdown.render(tables.build(loaded, words), words))

    def test_any_field_may_hold_anything(self):
        record = stored("complete")[1]
        path = new_folder() / "results.jsonl"
        words = text.Text("en")
        sound = json.dumps(stored("complete")[0])
        for source in (record, stored("complete", "host")[0], stored("complete", "end")[0]):
            for key in source:
                for value in (
                    None,
                    True,
                    -3,
                    1e300,
                    "x",
                    "",
                    [],
                    {},
                    [1],
                    {"a": 1},
                    [[{}]],
                    {"a": {"taken": "x"}},
                    {"median": {}},
                ):
                    changed = json.dumps({**source, key: value})
                    path.write_text(f"{sound}\n{changed}\n", encoding="utf-8")
                    with self.subTest(key=key, value=value):
                        document = tables.build(results.load(path), words)
                        self.assertTrue(terminal.render(document))
