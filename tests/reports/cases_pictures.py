# SPDX-License-Identifier: GPL-2.0-or-later
"""The pictures: made in every format, with the right labels; what happens without gnuplot."""
import shutil
import unittest
import xml.dom.minidom

from support import DATA, Run

from virtlab_report import gnuplot, plot_exits, plot_layout, records


HAS_GNUPLOT = shutil.which("gnuplot") is not None


class Pictures(unittest.TestCase):
    MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}

    def assert_drawn(self, run, names):
        self.assertEqual(run.names(), {f"{n}.{f}" for n in names for f in self.MAGIC})
        for path in run.folder.iterdir():
            magic = self.MAGIC.get(path.suffix[1:])
            if magic:
                data = path.read_bytes()
                self.assertTrue(data.startswith(magic) and len(data) > 2000, path.name)

    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_all_pictures_of_a_complete_run(self):
        run = Run("complete", "--formats", "svg,pdf,png")
        self.assertEqual((run.status, run.err), (0, ""))
        self.assert_drawn(
            run,
            (
                "speed",
                "lecture-speed",
                "exits-emulate-interp",
                "exits-full-bt",
                "exits-para-direct",
            ),
        )
        labels = self.labels(run.folder / "speed.svg")
        for label in (
            "emulate/interp",
            "qemu-tcg (peer)",
            "native = 100 %",
            "sieve",
            "n/a",
            "failed",
            "100 %",
            "1 %",
        ):
            self.assertIn(label, labels)

    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_hostile_names_are_labels_and_nothing_else(self):
        run = Run("hostile", "--formats", "svg,pdf,png")
        self.assertEqual((run.status, run.err), (0, ""))
        self.assert_drawn(run, ("speed", "lecture-speed", "exits-full-touch-pwned"))
        self.assertFalse((run.folder / "pwned").exists())
        labels = self.labels(run.folder / "speed.svg")
        self.assertIn("full/`touch pwned`’", labels)
        self.assertIn("peer_%s{} (peer)", labels)

    @unittest.skipUnless(HAS_GNUPLOT, "gnuplot is not installed")
    def test_markdown_shows_the_pictures_that_were_made(self):
        run = Run("modelled", "--formats", "md,png")
        self.assertIn("](speed.png)", run.text("table.md"))
        self.assertIn("](lecture-speed.png)", run.text("lecture.md"))

    @staticmethod
    def labels(path):
        """All texts of an SVG picture, which must be well-formed."""
        document = xml.dom.minidom.parse(str(path))
        return {
            "".join(
                n.data
                for t in e.getElementsByTagName("tspan") or [e]
                for n in t.childNodes
                if n.nodeType == n.TEXT_NODE
            ).strip()
            for e in document.getElementsByTagName("text")
        }

    def test_without_gnuplot_the_tables_are_made_and_a_warning_names_it(self):
        run = Run("complete", environment={"PATH": str(DATA)})
        self.assertEqual(run.status, 0)
        self.assertIn("gnuplot not found; the Debian package is gnuplot-nox", run.err)
        self.assertIn("table.md", run.names())
        self.assertNotIn("speed.svg", run.names())

    def test_a_lesser_terminal_is_taken_with_a_warning_and_a_missing_one_named(self):
        chosen, warnings = gnuplot.choose(("svg", "pdf", "png"), {"svg", "png"})
        self.assertEqual(chosen, {"svg": "svg", "png": "png"})
        self.assertEqual(len(warnings), 2)
        self.assertIn("no pdf pictures", warnings[0])
        self.assertIn("it has no pngcairo", warnings[1])

    def test_exits_stack_up_to_a_hundred_per_cent_taken_below_avoided(self):
        exits = {"io": records.Exits(30, 0), "cli": records.Exits(10, 60)}
        boxes = plot_exits._stack([("w", exits)], ["cli", "io"])
        self.assertEqual(
            boxes,
            {
                (0, "taken"): [(0, 0.0, 10.0)],
                (1, "taken"): [(0, 10.0, 40.0)],
                (0, "avoided"): [(0, 40.0, 100.0)],
            },
        )

    def test_long_names_break_where_they_may(self):
        self.assertEqual(
            plot_layout.wrapped("write-protect-faults", 130), "write-\nprotect-\nfaults"
        )
        self.assertEqual(plot_layout.wrapped("sieve", 10), "sieve")
