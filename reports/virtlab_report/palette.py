# SPDX-License-Identifier: GPL-2.0-or-later
"""Colours of the pictures, after Okabe and Ito: colour-blind readers can tell them apart.

A technique has one hue wherever it appears, its variants differ in lightness; peers are grey.
"""

TECHNIQUE = {
    "emulate": ("#0072B2", "#56B4E9", "#9FD3F2"),
    "full": ("#D55E00", "#E69F00", "#F6CF7B", "#8C3B00", "#B98A2E"),
    "para": ("#009E73", "#7CCBB0", "#B8E3D5"),
    "hwassist": ("#AA4499", "#CC79A7", "#E7B9D2"),
}
OTHER = ("#332288", "#888844", "#444444")
PEER = ("#8C8C8C", "#5A5A5A", "#BDBDBD")
REASONS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A500", "#8C8C8C")
PUBLISHED = ("#E6E6E6", "#D0D0D0", "#BABABA")  # other people's figures, beside our own
NATIVE = "#111111"
INK = "#333333"
FAINT = "#777777"
GRID = "#dddddd"


def of_engines(engines):
    """{name: colour} for (name, technique, kind) in the order of the columns."""
    used, colours = {}, {}
    for name, technique, kind in engines:
        hue = PEER if kind == "peer" else TECHNIQUE.get(technique, OTHER)
        turn = used.get(hue, 0)
        used[hue] = turn + 1
        colours[name] = hue[turn % len(hue)]
    return colours
