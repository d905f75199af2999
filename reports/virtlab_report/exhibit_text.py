# SPDX-License-Identifier: GPL-2.0-or-later
"""The words of the exhibit's table and pictures, in English and Chinese. exhibit.py uses them."""

CLASSES = {
    "sensitive-privileged": {"en": "sensitive and privileged", "zh": "敏感且特权"},
    "sensitive-unprivileged": {"en": "sensitive, silent in user mode", "zh": "敏感，用户态不陷入"},
    "sensitive-open": {
        "en": "sensitive, silent until the supervisor closes it",
        "zh": "敏感，监管者关闭后才陷入",
    },
    "privileged": {"en": "privileged, no effect seen", "zh": "特权，未见影响"},
    "always-traps": {"en": "traps in both modes", "zh": "两种模式下均陷入"},
    "innocuous": {"en": "innocuous", "zh": "无害"},
    "unknown": {"en": "could not be run", "zh": "无法运行"},
}

WORDS = {
    "title": {
        "en": "Popek and Goldberg's sets, measured",
        "zh": "Popek 与 Goldberg 的指令集合（实测）",
    },
    "instruction": {"en": "instruction", "zh": "指令"},
    "found": {"en": "found to be", "zh": "判定"},
    "user": {"en": "in user mode", "zh": "用户态"},
    "kernel": {"en": "in kernel mode", "zh": "内核态"},
    "evidence": {"en": "why sensitive", "zh": "敏感的依据"},
    "where": {
        "en": "{isa}: user mode is {user}; kernel mode is {kernel}.",
        "zh": "{isa}：用户态为 {user}；内核态为 {kernel}。",
    },
    "rule": {
        "en": "{name}: the specification demands a trap here ({rule}); the model that was run does not follow it.",
        "zh": "{name}：规范要求此处陷入（{rule}）；所用模型与规范不符。",
    },
    "sensitive": {"en": "sensitive: {n}", "zh": "敏感指令：{n}"},
    "privileged": {"en": "privileged: {n}", "zh": "特权指令：{n}"},
    "outside": {
        "en": "in neither set: traps in both modes ({traps}): {names}; innocuous: {plain} rows",
        "zh": "两集合之外：两种模式下均陷入（{traps}）：{names}；无害：{plain} 行",
    },
    "model": {
        "en": "the model's error, not the instruction set's: the specification demands a trap",
        "zh": "模型的错误，并非指令集的错误：规范要求陷入",
    },
    "silent": {"en": "silent in user mode: {n}", "zh": "用户态不陷入：{n}"},
    "open": {"en": "silent until the supervisor closes it", "zh": "监管者关闭前不陷入"},
}
