# SPDX-License-Identifier: GPL-2.0-or-later
"""Every word that a reader of a report sees, in English and Chinese (the lecture's cells apart,
which stand in lecture_text.py). Reasons and names come from the results file and stay as they are.

A new language is one more entry in each pair and in LANGUAGES; a test checks that none is missing.
"""

LANGUAGES = ("en", "zh")

TEXTS = {
    # headings
    "speed.title": {
        "en": "Speed as a percentage of native",
        "zh": "速度（占本机原生速度的百分比）",
    },
    "mips.title": {
        "en": "Guest instructions per second (MIPS)",
        "zh": "每秒执行的客户机指令数（MIPS，百万条）",
    },
    "latency.title": {"en": "Latencies", "zh": "延迟"},
    "lecture.title": {"en": "Four ways to virtualize a machine", "zh": "四种虚拟化技术的比较"},
    "workload": {"en": "workload", "zh": "负载"},
    "native": {"en": "native", "zh": "原生"},
    "seconds.unit": {"en": "(s)", "zh": "（秒）"},
    "peer": {"en": "(peer)", "zh": "（参照）"},
    "class.compute": {"en": "compute", "zh": "计算"},
    "class.memory": {"en": "memory", "zh": "内存"},
    "class.system": {"en": "system", "zh": "系统"},
    "class.disk": {"en": "disk", "zh": "磁盘"},
    "class.other": {"en": "other", "zh": "其他"},
    "mean.class": {"en": "geometric mean, {group}", "zh": "几何平均（{group}）"},
    "mean.all": {"en": "geometric mean, all", "zh": "几何平均（全部）"},
    "mean.over": {"en": "over {n}", "zh": "共 {n} 项"},
    "notes": {"en": "Notes", "zh": "说明"},
    # cells and their footnotes
    "na": {"en": "n/a", "zh": "不适用"},
    "failed": {"en": "failed", "zh": "失败"},
    "nothing": {"en": "-", "zh": "-"},
    "note.short.run": {
        "en": "slow here: measured with fewer iterations, and paired with native runs of as many",
        "zh": "此处较慢：以较少的迭代次数测量，并与相同次数的本机运行配对",
    },
    "no.reason": {"en": "no reason recorded", "zh": "未记录原因"},
    "note.not.run": {"en": "not run", "zh": "未运行"},
    "note.interrupted.cell": {
        "en": "not measured: the run was interrupted before",
        "zh": "未测量：运行在此之前中断",
    },
    "note.no.speed": {
        "en": "ran, but its record holds no speed",
        "zh": "已运行，但记录中没有速度",
    },
    "note.modelled": {
        "en": "modelled (exit counts times published costs), not measured",
        "zh": "模型推算（退出次数乘以公开发表的开销），并非实测",
    },
    "note.mean": {
        "en": "Geometric means are over the workloads that ran, as many as 'over' says.",
        "zh": "几何平均只统计成功运行的负载，项数见括号。",
    },
    "note.speed": {
        "en": "Speed is native time divided by engine time, the same binary, paired in one "
        "session: median of {n} runs, in brackets smallest and largest. Native is in seconds.",
        "zh": "速度 = 原生时间 / 引擎时间，同一程序，同一会话内交替运行：取 {n} 次的中位数，括号内为最小值与最大值。原生一列单位为秒。",
    },
    "range": {"en": "{low} to {high}", "zh": "{low} 至 {high}"},
    "note.peer": {
        "en": "Columns marked (peer) are other people's machines, run on the same kernel and "
        "workloads for comparison.",
        "zh": "标有（参照）的列是其他虚拟机，以同样的内核与负载运行，作比较之用。",
    },
    "note.host": {
        "en": "Host: {cpu}, {cores} cores, {memory} MB; kernel {kernel}.",
        "zh": "主机：{cpu}，{cores} 核，{memory} MB；内核 {kernel}。",
    },
    "note.no.host": {
        "en": "Host: not recorded in the results file.",
        "zh": "主机：结果文件中没有记录。",
    },
    "note.run": {
        "en": "Run: {mode}, {time}, Virtlab {virtlab}, commit {commit}.",
        "zh": "运行：{mode}，{time}，Virtlab {virtlab}，提交 {commit}。",
    },
    "note.run.seconds": {"en": " The whole run took {seconds} s.", "zh": "全程用时 {seconds} 秒。"},
    "unknown": {"en": "unknown", "zh": "未知"},
    "note.kvm": {"en": "KVM: {kvm}.", "zh": "KVM：{kvm}。"},
    "note.mitigations": {"en": "CPU mitigations: {list}.", "zh": "CPU 漏洞缓解措施：{list}。"},
    "mitigated": {"en": "mitigated: {names}", "zh": "已缓解：{names}"},
    "vulnerable": {"en": "vulnerable: {names}", "zh": "未缓解：{names}"},
    "not.affected": {"en": "not affected by {n} more", "zh": "另有 {n} 项不受影响"},
    "mitigation.other": {"en": "unclear: {names}", "zh": "不明：{names}"},
    "list.separator": {"en": ", ", "zh": "、"},
    "full.stop": {"en": ".", "zh": "。"},
    "clause.separator": {"en": "; ", "zh": "；"},
    "note.absent": {
        "en": "{name} has no column: {reason}.",
        "zh": "{name} 没有列出：{reason}。",
    },
    "absent.not.run": {"en": "available, but not run", "zh": "可用，但未运行"},
    "absent.no.reason": {"en": "not available here", "zh": "此处不可用"},
    "note.interrupted": {
        "en": "The run was interrupted: these are the measurements made until then.",
        "zh": "运行被中断：以下只包含中断前的测量结果。",
    },
    "note.warnings": {
        "en": "Lines or fields of the results file that could not be used: {n}; the report's "
        "warnings name them.",
        "zh": "结果文件中无法使用的行或字段：{n} 处；见报告的警告。",
    },
    # what a column is called in a spreadsheet, after its heading
    "field.value": {"en": "", "zh": ""},
    "field.percent": {"en": "% of native", "zh": "占原生 %"},
    "field.mips": {"en": "MIPS", "zh": "MIPS"},
    "field.median": {"en": "median", "zh": "中位数"},
    "field.min": {"en": "min", "zh": "最小"},
    "field.max": {"en": "max", "zh": "最大"},
    "field.n": {"en": "n", "zh": "次数"},
    "field.unit": {"en": "unit", "zh": "单位"},
    "field.status": {"en": "status", "zh": "状态"},
    "field.note": {"en": "note", "zh": "说明"},
    "field.mark": {"en": "mark", "zh": "标记"},
    "field.class": {"en": "class", "zh": "类别"},
    "field.kind": {"en": "row", "zh": "行"},
    "field.claimed": {"en": "claimed", "zh": "课程说法"},
    "field.min.percent": {"en": "measured min %", "zh": "实测最小 %"},
    "field.max.percent": {"en": "measured max %", "zh": "实测最大 %"},
    "field.mean.percent": {"en": "geometric mean %", "zh": "几何平均 %"},
    "field.guest": {"en": "guest's", "zh": "客户机的"},
    "field.ept": {"en": "EPT's", "zh": "EPT 的"},
    "field.misses": {"en": "TLB misses", "zh": "TLB 缺失"},
    "field.shown": {"en": "as shown", "zh": "显示为"},
    # the lecture table
    "lecture.technique": {"en": "technique", "zh": "技术"},
    "lecture.speed": {"en": "speed", "zh": "速度"},
    "lecture.mode": {"en": "mode", "zh": "模式"},
    "lecture.pros": {"en": "pros", "zh": "优点"},
    "lecture.cons": {"en": "cons", "zh": "缺点"},
    "lecture.trend": {"en": "trend", "zh": "趋势"},
    "lecture.claim": {"en": "lecture: {claim}", "zh": "课程：{claim}"},
    "lecture.measured": {
        "en": "measured: {range}, geometric mean {mean} ({n} workloads)",
        "zh": "实测：{range}，几何平均 {mean}（{n} 个负载）",
    },
    "lecture.engine": {
        "en": "{engine}: {range}, geometric mean {mean}",
        "zh": "{engine}：{range}，几何平均 {mean}",
    },
    "lecture.modelled": {
        "en": "modelled, not measured†: {range}, geometric mean {mean} ({n} workloads)",
        "zh": "模型推算，并非实测†：{range}，几何平均 {mean}（{n} 个负载）",
    },
    "lecture.not.measured": {"en": "not measured: {reason}", "zh": "未测量：{reason}"},
    "lecture.no.engine": {
        "en": "no engine of this technique in this build",
        "zh": "此版本没有该技术的引擎",
    },
    "lecture.unavailable": {
        "en": "engine not available: {engine}: {reason}",
        "zh": "引擎不可用：{engine}：{reason}",
    },
    "lecture.not.run": {"en": "{engine} was not run", "zh": "{engine} 未运行"},
    "lecture.no.ok": {
        "en": "no workload of {engine} gave a speed: {reason}",
        "zh": "{engine} 没有负载得到速度：{reason}",
    },
    "lecture.note": {
        "en": "Measured: smallest and largest median over the workloads that ran, and their "
        "geometric mean, as a percentage of the native speed of the same binary.",
        "zh": "实测：成功运行的负载之中位数的最小值与最大值，以及几何平均，均为占同一程序原生速度的百分比。",
    },
    "lecture.modelled.only": {"en": "{engine} is modelled only", "zh": "{engine} 只有模型推算值"},
    "lecture.ring3": {
        "en": "apart from these, user code alone under hwassist/kvm:ring3, measured: {range}, "
        "geometric mean {mean} ({n} workloads)",
        "zh": "另外，hwassist/kvm:ring3 只运行用户态代码，实测：{range}，几何平均 {mean}（{n} 个负载）",
    },
    "lecture.software": {
        "en": "{engine} is VT-x in software: it counts exits, its own speed is an interpreter's",
        "zh": "{engine} 是软件实现的 VT-x：用于统计退出，其自身速度是解释器的速度",
    },
    "lecture.user.only": {
        "en": "{engine} runs user code alone",
        "zh": "{engine} 只运行用户态代码",
    },
    # the model of hardware assist
    "hardware.formula": {
        "en": "modelled time = native time + exits taken x published cost + EPT entries read x latency. "
        "Exits and EPT entries as {engine} counted them in the region of interest (its clock interrupts "
        "included, more than hardware would see in its shorter time). Costs in us: {prices} ({source}; {column}); "
        "MMIO as pio, other reasons as hypercall. Latency: {cached} ns, the native load of chase; in brackets "
        "worst, {memory} ns, the load of chase-tlb, and best, walks for nothing. The software TLB "
        "(1024 entries of 4 KiB, direct-mapped, no paging-structure caches) is not a real one's size or shape: "
        "where its misses are more than a real TLB's, the walk term is an upper bound",
        "zh": "推算时间 = 原生时间 + 退出次数 x 公开发表的开销 + 读取的 EPT 表项数 x 访存延迟。"
        "退出与 EPT 表项数由 {engine} 在测量区间内统计（包含时钟中断，因其运行较久而多于真实硬件）。"
        "开销（微秒）：{prices}（{source}；{column}）；MMIO 按 pio 计，其他原因按 hypercall 计。"
        "延迟：{cached} ns，即原生 chase 的一次读取；括号内最差为 {memory} ns（chase-tlb 的一次读取），"
        "最好为页表遍历不计。软件 TLB（1024 项，4 KiB，直接映射，无页表结构缓存）与真实 TLB 大小和结构不同："
        "其缺失多于真实 TLB 时，遍历一项为上限",
    },
    "hardware.error": {
        "en": "the model's error: {low} to {high}, mean {mean} ({n} workloads, modelled against measured)",
        "zh": "模型误差：{low} 至 {high}，平均 {mean}（{n} 个负载，推算值相对实测值）",
    },
    "hardware.no.latency": {
        "en": "no model: the native run of {workload} measured no latency",
        "zh": "无法推算：{workload} 的原生运行没有测得延迟",
    },
    "hardware.no.counts": {
        "en": "no model: the record of {engine} lacks times or counts",
        "zh": "无法推算：{engine} 的记录缺少时间或计数",
    },
    # the suite kernel
    "kernel.title": {"en": "Loops in kernel mode", "zh": "内核态循环"},
    "kernel.times": {
        "en": "Speed in kernel mode, as a multiple of {yardstick}'s",
        "zh": "内核态速度（{yardstick} 的倍数）",
    },
    "kernel.note": {
        "en": "Engines and peers run the loop in the guest's kernel, in kernel mode at the kernel's own "
        "addresses; native is the same source as a program in user mode.",
        "zh": "引擎与参照在客户机内核中、以内核态、在内核地址上运行该循环；原生一列是同一源代码编译成的用户态程序。",
    },
    # the suite translation
    "translation.title": {
        "en": "Interpretation, translation ahead of time and dynamic translation",
        "zh": "解释执行、提前翻译与动态翻译",
    },
    "translation.comparison": {
        "en": "Start-up, speed, memory and blocks: medians over {count} workloads that all engines ran",
        "zh": "启动时间、速度、内存与代码块：所有引擎均成功运行的 {count} 个负载之中位数",
    },
    "translation.engine": {"en": "engine", "zh": "引擎"},
    "translation.startup": {"en": "start-up", "zh": "启动"},
    "translation.speed": {"en": "speed", "zh": "速度"},
    "translation.memory": {"en": "memory", "zh": "内存"},
    "translation.blocks_decoded": {"en": "blocks met", "zh": "遇到的代码块"},
    "translation.static_blocks": {"en": "found in the translation", "zh": "译文中已有"},
    "translation.dynamic_blocks": {"en": "missing there", "zh": "译文中没有"},
    "translation.dynamic_kernel_blocks": {"en": "of these the kernel's", "zh": "其中属于内核"},
    "translation.blocks_translated": {"en": "translated at run time", "zh": "运行时翻译"},
    "translation.note": {
        "en": "Start-up: from the start of `virtlab run` to the workload's first mark, the guest's boot "
        "included (median, in brackets smallest and largest of all runs). Speed: geometric mean, as a "
        "percentage of native. Memory: what the monitor itself holds at the end (RssAnon), without the "
        "guest's RAM. Blocks: of the whole run, boot included. full/static:fresh translates the kernel at "
        "every start, full/static loads the translation from its file.",
        "zh": "启动：从 `virtlab run` 开始到负载的第一个标记，含客户机引导（中位数，括号内为所有运行的最小值与最大值）。"
        "速度：几何平均，占原生的百分比。内存：结束时监控器自身占用的内存（RssAnon），不含客户机内存。"
        "代码块：整个运行期间，含引导。full/static:fresh 每次启动都重新翻译内核，full/static 从文件载入译文。",
    },
    # the suite nano
    "nano.title": {"en": "Nanobenchmarks of a kernel", "zh": "内核微操作基准"},
    "nano.cost": {"en": "Cost of one operation in {unit}", "zh": "单次操作的开销（{unit}）"},
    "nano.ratio": {"en": "Cost as a multiple of native", "zh": "开销（原生的倍数）"},
    "nano.operation": {"en": "operation", "zh": "操作"},
    "nano.native": {"en": "native", "zh": "原生"},
    "nano.software VMM": {"en": "software VMM", "zh": "软件 VMM"},
    "nano.hardware VMM": {"en": "hardware VMM", "zh": "硬件 VMM"},
    "nano.2006": {"en": "(2006, cycles)", "zh": "（2006，周期）"},
    "nano.remark": {"en": "the paper: {remark}", "zh": "论文：{remark}"},
    "nano.note.cost": {
        "en": "Time between the marks around a loop of the operation, divided by how often it was done; "
        "cycles are ticks of the host's time-stamp counter. Median, in brackets smallest and largest.",
        "zh": "以操作循环前后标记之间的时间除以操作次数；周期为主机时间戳计数器的计数。取中位数，括号内为最小值与最大值。",
    },
    "nano.note.native": {
        "en": "Native is what a process can do: callret is the same loop, ptemod a plain store, syscall a call "
        "that the host's kernel refuses, with that kernel's own entry and exit.",
        "zh": "原生一列是进程所能做的：callret 为同样的循环，ptemod 为普通的存储，syscall 为主机内核拒绝的系统调用（含其自身的进入与退出）。",
    },
    "nano.note.paper": {
        "en": "Columns (2006, cycles): {source}. Machine: {machine}. ~: worked out from the text.",
        "zh": "标有（2006，周期）的列：{source}。机器：{machine}。~：由正文推算。",
    },
    # the suite crossover
    "crossover.title": {
        "en": "Direct execution and translation: the crossover",
        "zh": "直接执行与翻译的交叉点",
    },
    "crossover.time": {
        "en": "Time of a system call with the work before it, in microseconds",
        "zh": "一次系统调用连同其前的计算所用的时间（微秒）",
    },
    "crossover.note.found": {
        "en": "full/bt:direct overtakes full/bt:all where a call with its work takes between {low} and {high} µs natively.",
        "zh": "当一次调用连同其计算的原生时间在 {low} 与 {high} 微秒之间时，full/bt:direct 超过 full/bt:all。",
    },
    "crossover.note": {
        "en": "The number in a row's name is how many steps of work stand before each call. Median, in brackets "
        "smallest and largest.",
        "zh": "行名中的数字为每次调用之前的计算步数。取中位数，括号内为最小值与最大值。",
    },
    # the suite nested
    "nested.title": {"en": "Nested paging and shadow paging", "zh": "嵌套分页与影子分页"},
    "nested.refs": {
        "en": "Page-table entries read at a TLB miss: the guest's + the EPT's",
        "zh": "每次 TLB 缺失所读的页表项数：客户机的 + EPT 的",
    },
    "nested.exits": {
        "en": "Exits in a million instructions of the guest, by reason",
        "zh": "客户机每百万条指令的退出次数（按原因）",
    },
    "nested.memory": {"en": "memory", "zh": "内存"},
    "nested.ept": {"en": "EPT", "zh": "EPT"},
    "nested.shadow": {"en": "shadow", "zh": "影子页表"},
    "nested.note.refs": {
        "en": "Counted in the region of interest by the software processor, data and code. walk-4k and walk-2m miss "
        "the TLB at each load, in guest pages of 4 KiB and of 2 MiB; the EPT's pages are of 2 MiB (hwassist/vtx, "
        "hwassist/vtx:cached) or 4 KiB (hwassist/vtx:4k). emulate/interp and hwassist/vtx:shadow walk in one dimension.",
        "zh": "由软件处理器在测量区间内计数，含数据与代码。walk-4k 与 walk-2m 每次读取都使 TLB 缺失，客户机页分别为 4 KiB 与 2 MiB；"
        "EPT 页为 2 MiB（hwassist/vtx、hwassist/vtx:cached）或 4 KiB（hwassist/vtx:4k）。emulate/interp 与 hwassist/vtx:shadow 为一维遍历。",
    },
    "nested.note.full": {
        "en": "A full walk without caches reads n(m + 1) + m entries, with n levels in the guest's tables and m in the "
        "EPT: 4 levels lead to a page of 4 KiB, 3 to one of 2 MiB. A walk that ends in the guest's own fault reads fewer.",
        "zh": "无缓存的完整遍历读 n(m + 1) + m 个表项，n、m 为客户机页表与 EPT 的级数：4 KiB 页为 4 级，2 MiB 页为 3 级。以客户机自身缺页告终的遍历读得较少。",
    },
    "nested.note.exits": {
        "en": "Exits taken, with EPT (hwassist/vtx) and without (hwassist/vtx:shadow), divided by the guest's "
        "instructions; empty: none. io, external_interrupt and interrupt_window are the timer's here: they go with time.",
        "zh": "实际退出次数，分别为使用 EPT（hwassist/vtx）与不使用 EPT（hwassist/vtx:shadow），除以客户机指令数；空白表示没有。此处 io、external_interrupt 与 interrupt_window 来自定时器，随时间而变。",
    },
    "plot.nested.refs": {"en": "What a TLB miss costs", "zh": "一次 TLB 缺失的代价"},
    "plot.nested.refs.axis": {"en": "page-table entries read (log)", "zh": "所读页表项数（对数）"},
    "plot.nested.exits": {"en": "Exits with EPT and without", "zh": "使用与不使用 EPT 时的退出"},
    "plot.nested.exits.axis": {
        "en": "exits in a million instructions (log)",
        "zh": "每百万条指令的退出次数（对数）",
    },
    # pictures
    "plot.kernel": {"en": "Speed of loops in kernel mode", "zh": "内核态循环的速度"},
    "plot.crossover": {
        "en": "A system call with more and more work before it",
        "zh": "系统调用之前的计算越来越多时",
    },
    "plot.crossover.native": {
        "en": "a call with its work, natively, µs (log)",
        "zh": "一次调用连同其计算的原生时间，微秒（对数）",
    },
    "plot.crossover.time": {
        "en": "the same under the engine, µs (log)",
        "zh": "在该引擎下的时间，微秒（对数）",
    },
    # the suite roundtrip
    "roundtrip.title": {"en": "Round trips between kernel and hypervisor", "zh": "内核与虚拟机监控器之间的往返"},
    "roundtrip.cost": {"en": "One operation in microseconds", "zh": "单次操作（微秒）"},
    "roundtrip.paper": {"en": "KVM", "zh": "KVM"},
    "roundtrip.2023": {"en": "(2023, the paper's machine)", "zh": "（2023，论文的机器）"},
    "roundtrip.note": {
        "en": "Published figures: {source}. Their machine is another one: compare the shape.",
        "zh": "已发表数据：{source}。机器不同，只比较形状。",
    },
    # the suite batching
    "batching.title": {"en": "Many requests at once, and not waiting", "zh": "批量请求与异步完成"},
    "batching.cost": {"en": "One operation in microseconds", "zh": "单次操作（微秒）"},
    "batching.gain": {"en": "How many times cheaper", "zh": "便宜多少倍"},
    "batching.by": {"en": "gained by", "zh": "方法"},
    "batching.requests": {"en": "Disk requests for each notification", "zh": "每次通知对应的磁盘请求数"},
    "batching.list": {
        "en": "page-table entries by lists of 128, not singly",
        "zh": "页表项以 128 项为一批，而非逐项",
    },
    "batching.transfer.read": {"en": "reads by 32 blocks, not singly", "zh": "每次读 32 块，而非单块"},
    "batching.transfer.write": {"en": "writes by 32 blocks, not singly", "zh": "每次写 32 块，而非单块"},
    "batching.async.read": {
        "en": "a read not waited for in the hypervisor",
        "zh": "读单块时不在虚拟机监控器中等待",
    },
    "batching.async.reads": {"en": "... reads of 32 blocks", "zh": "读 32 块时同样"},
    "batching.async.write": {
        "en": "a write not waited for at all",
        "zh": "写单块时完全不等待",
    },
    "batching.async.writes": {"en": "... writes of 32 blocks", "zh": "写 32 块时同样"},
    "batching.note.cost": {
        "en": "update, updates: page-table entries in use, by a hypercall each or by lists of 128. The rest: blocks of"
        " 4 KiB of the disk, by transfers of one or 32; waiting: each transfer waits in the hypervisor for its end.",
        "zh": "update、updates：使用中的页表项，每次超级调用一项或一批 128 项。其余：磁盘的 4 KiB 块，"
        "每次传输一块或 32 块；waiting：每次传输都在虚拟机监控器中等待完成。",
    },
    "batching.note.requests": {
        "en": "'>': no notification at all, so many requests: the driver domain was awake, and looked at the ring by"
        " itself.",
        "zh": "“>”：请求如此之多而没有一次通知：驱动域一直醒着，自行查看请求环。",
    },
    "plot.nano": {
        "en": "Nanobenchmarks: 2006 and today",
        "zh": "内核微操作基准：2006 年与今天",
    },
    "plot.nano.axis": {"en": "{unit} (log); smaller is better", "zh": "{unit}（对数）；越小越好"},
    "plot.nano.2006": {"en": "2006: {column}", "zh": "2006：{column}"},
    "plot.speed": {"en": "Speed by workload and engine", "zh": "各负载在各引擎下的速度"},
    "plot.speed.axis": {"en": "speed, % of native (log)", "zh": "速度，占原生的 %（对数）"},
    "plot.native": {"en": "native = 100 %", "zh": "原生 = 100 %"},
    "plot.missing": {"en": "not run", "zh": "未运行"},
    "plot.exits": {"en": "Exits by reason: {engine}", "zh": "按原因统计的退出：{engine}"},
    "plot.exits.axis": {"en": "share of sensitive events, %", "zh": "占敏感事件的 %"},
    "plot.exits.numbers": {
        "en": "upper number: exits taken (solid); lower, grey: exits avoided (hatched)",
        "zh": "柱顶数字：上为实际退出（实心）；下（灰）为避免的退出（斜线）",
    },
    "plot.taken": {"en": "taken", "zh": "实际退出"},
    "plot.avoided": {"en": "avoided", "zh": "避免的退出"},
    "plot.other": {"en": "other", "zh": "其他"},
    "plot.lecture": {
        "en": "The lecture's claim and what this machine measured",
        "zh": "课程中的说法与本机实测",
    },
    "plot.lecture.axis": {"en": "speed, % of native (log)", "zh": "速度，占原生的 %（对数）"},
    "plot.claimed": {"en": "lecture", "zh": "课程"},
    "plot.claimed.plus": {"en": "lecture: 'and more'", "zh": "课程：“以上”"},
    "plot.measured": {"en": "measured, smallest to largest", "zh": "实测（最小至最大）"},
    "plot.modelled": {"en": "modelled, not measured", "zh": "模型推算，并非实测"},
    "plot.not.measured": {"en": "not measured", "zh": "未测量"},
    "plot.mean": {"en": "geometric mean", "zh": "几何平均"},
}


class Text:
    """The texts of one language: `text("note.kvm", kvm="ok")`."""

    def __init__(self, language):
        if language not in LANGUAGES:
            raise ValueError(f"no texts in language {language!r}")
        self.language = language

    def __call__(self, key, **values):
        return TEXTS[key][self.language].format(**values)

    def group(self, name):
        """A class of workloads; classes that later versions add keep their own name."""
        if not name:
            return self("class.other")
        return self(f"class.{name}") if f"class.{name}" in TEXTS else name

    def between(self, low, high):
        """'3', or '3 to 9'."""
        return str(low) if low == high else self("range", low=low, high=high)
