# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers as text, and the one mean that is right for ratios.

Used by tables.py, lecture.py and the plots. A figure shows as many digits as its spread deserves,
and the two ends of a spread have as many decimals as the median that they belong to.
"""
import math


def geometric_mean(ratios):
    """The mean of speed ratios: it does not depend on which side is called the native one."""
    return math.exp(math.fsum(math.log(r) for r in ratios) / len(ratios))


def decimals_for(value, digits):
    """Decimals that leave `digits` significant digits, at least the whole part, at most 9."""
    if value <= 0:
        return 0
    return min(9, max(0, digits - 1 - math.floor(math.log10(value))))


def percent_decimals(percent):
    """31.2 and 3.1 have one decimal, 0.31 two; from 100 upwards none."""
    if percent >= 100:
        return 0
    return 1 if percent >= 1 else decimals_for(percent, 2)


def percent(ratio):
    """0.031 -> '3.1 %'"""
    value = 100 * ratio
    return f"{value:.{percent_decimals(value)}f} %"


def percent_off(ratio):
    """1.03 -> '+3.0 %', 0.9 -> '-10.0 %': how far a figure is from the one it should equal."""
    return f"{100 * (ratio - 1):+.1f} %"


def percent_range(low, high):
    """0.03, 0.4 -> '3.0-40.0 %'; one figure where both ends look the same."""
    ends = dict.fromkeys((percent(low)[:-2], percent(high)[:-2]))
    return "-".join(ends) + " %"


def percent_spread(sample):
    """The spread of a ratio, in the decimals of its median; nothing for a single run, which has none
    (a modelled figure has bounds all the same)."""
    if sample.n < 2 and sample.min == sample.max:
        return ""
    decimals = percent_decimals(100 * sample.median)
    return f"{100 * sample.min:.{decimals}f}-{100 * sample.max:.{decimals}f}"


def plain(value):
    """Three significant digits: 0.0123, 1.23, 123, 12345."""
    return f"{value:.{decimals_for(value, 3)}f}"


def plain_spread(sample):
    """The spread of a time or a latency, in the decimals of its median."""
    if sample.n < 2:
        return ""
    decimals = decimals_for(sample.median, 3)
    return f"{sample.min:.{decimals}f}-{sample.max:.{decimals}f}"


def short_count(count):
    """A count for a picture: 950, 12k, 3.4M."""
    for limit, divisor, suffix in (
        (1e3, 1, ""),
        (1e6, 1e3, "k"),
        (1e9, 1e6, "M"),
        (1e12, 1e9, "G"),
    ):
        scaled = count / divisor
        # 999 600 is 1.0M, not 1000k: choose the unit after rounding.
        if round(scaled) < 1000 or limit == 1e12:
            return f"{scaled:.1f}{suffix}" if suffix and scaled < 9.95 else f"{scaled:.0f}{suffix}"
    return str(count)
