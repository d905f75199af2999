# SPDX-License-Identifier: GPL-2.0-or-later
"""The lecture's comparison of the four techniques, as data: edit the wording here and nowhere else.

`low` and `high` are the claimed band in per cent of native speed; `plus` says that the lecture
writes a '+' after it, 'this or better'. Every text is given in English and Chinese. lecture.py
puts what was measured beside the claim.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Technique:
    """One row of the comparison."""

    key: str  # as in the results file
    low: float
    high: float
    plus: bool
    name: dict
    claim: dict
    mode: dict
    pros: dict
    cons: dict
    trend: dict


EMULATE = Technique(
    key="emulate",
    low=1,
    high=30,
    plus=False,
    name={"en": "hardware emulation", "zh": "硬件仿真"},
    claim={"en": "below 30 % of native, at times 100x slower", "zh": "低于原生的 30 %，有时慢 100 倍"},
    mode={
        "en": "Software fetches, decodes and carries out every guest instruction, and models "
        "CPU, MMU and devices; the guest is unmodified.",
        "zh": "由软件逐条取指、译码并执行每一条客户机指令，并模拟 CPU、MMU 与设备；客户机操作系统无需修改。",
    },
    pros={
        "en": "Any guest ISA on any host, even hardware that does not exist yet; full control: "
        "tracing, determinism, snapshots; needs no privilege and no CPU support.",
        "zh": "任何指令集的客户机都可在任何主机上运行，包括尚不存在的硬件；完全可控：可跟踪、可重现、可做快照；不需要特权，也不需要 CPU 支持。",
    },
    cons={
        "en": "Slowest: tens of host instructions for one of the guest's; every memory access "
        "goes through a software TLB. Translating blocks helps, but not to native speed.",
        "zh": "最慢：一条客户机指令要花数十条主机指令；每次访存都要经过软件 TLB。按块翻译可以加速，但达不到原生速度。",
    },
    trend={
        "en": "Stays where the ISA differs or insight matters: embedded and chip development, "
        "debugging, security analysis (QEMU TCG, Bochs).",
        "zh": "用于指令集不同或需要深入观察之处：嵌入式与芯片开发、调试、安全分析（QEMU TCG、Bochs）。",
    },
)

FULL = Technique(
    key="full",
    low=30,
    high=80,
    plus=True,
    name={"en": "full virtualization", "zh": "全虚拟化"},
    claim={"en": "30 to 80 % of native and more", "zh": "原生的 30 % 至 80 % 以上"},
    mode={
        "en": "The guest kernel runs deprivileged and unmodified; its sensitive instructions trap "
        "to the VMM or are translated; user code runs directly; shadow page tables.",
        "zh": "客户机内核未经修改，在降低的特权级运行；敏感指令陷入 VMM 或被二进制翻译；用户代码直接在 CPU 上运行；使用影子页表。",
    },
    pros={
        "en": "Unmodified guests, closed-source ones included, near native speed for computing, "
        "without any CPU support.",
        "zh": "可运行未经修改（包括闭源）的操作系统；计算类负载接近原生速度；无需 CPU 提供支持。",
    },
    cons={
        "en": "System calls, page-table changes and I/O are costly; classical x86 has sensitive "
        "instructions that do not trap, so a complex translator is needed; same ISA only.",
        "zh": "系统调用、页表修改和 I/O 开销大；传统 x86 有不会陷入的敏感指令，因此需要复杂的翻译器；只限同一指令集。",
    },
    trend={
        "en": "Replaced by hardware assist on servers; the translator's technique lives on in "
        "emulators, sandboxes and instrumentation tools.",
        "zh": "在服务器上已被硬件辅助取代；二进制翻译技术仍用于仿真器、沙箱和插桩工具。",
    },
)

PARA = Technique(
    key="para",
    low=80,
    high=100,
    plus=True,
    name={"en": "paravirtualization", "zh": "半虚拟化"},
    claim={"en": "80 % of native and more", "zh": "原生的 80 % 以上"},
    mode={
        "en": "The guest kernel is modified: it knows of the hypervisor and asks it by hypercalls, "
        "batched; event channels instead of interrupts; split drivers over shared rings.",
        "zh": "修改客户机内核：内核知道虚拟机监控器的存在，以（可批量的）超级调用代替敏感指令，以事件通道代替中断，以共享环的前后端驱动完成 I/O。",
    },
    pros={
        "en": "Fast without CPU support; few exits; no instruction to decode and no device to "
        "emulate; simple hypervisor.",
        "zh": "没有 CPU 支持也很快；退出次数少；不必译码指令，也不必仿真设备；虚拟机监控器简单。",
    },
    cons={
        "en": "The guest's source must be changed and maintained, so closed systems are left out; "
        "guest and hypervisor depend on one interface.",
        "zh": "必须修改并长期维护客户机源码，闭源系统无法使用；客户机与虚拟机监控器绑定于同一接口。",
    },
    trend={
        "en": "As a CPU technique giving way to hardware assist; its I/O (virtio, rings) and "
        "hints (clock, steal time, TLB flush) are everywhere; returns for nested clouds.",
        "zh": "作为 CPU 虚拟化技术已让位于硬件辅助；其 I/O（virtio、共享环）与提示（时钟、被窃时间、TLB 刷新）无处不在；在嵌套云中重新出现。",
    },
)

HWASSIST = Technique(
    key="hwassist",
    low=80,
    high=100,
    plus=True,
    name={"en": "hardware-assisted virtualization", "zh": "硬件辅助虚拟化"},
    claim={"en": "80 % of native and more", "zh": "原生的 80 % 以上"},
    mode={
        "en": "The CPU has a root and a non-root mode (VT-x; AMD-V: host and guest mode): the "
        "guest runs in its own rings, events listed in the VMCS exit; EPT translates twice.",
        "zh": "CPU 提供根模式与非根模式（VT-x；AMD-V 为主机与客户机模式）：客户机在自己的特权级"
        "运行，VMCS 指定的事件引起 VM 退出；EPT 完成二级地址转换。",
    },
    pros={
        "en": "Unmodified guests near native speed; system calls and page faults need no exit; a "
        "small VMM; isolation enforced by hardware.",
        "zh": "未经修改的客户机接近原生速度；系统调用和缺页无需退出；VMM 精简；由硬件保证隔离。",
    },
    cons={
        "en": "Needs CPU support and privilege; each exit costs a thousand cycles or more; a TLB "
        "miss walks two tables (up to 24 references); nesting multiplies exits.",
        "zh": "需要 CPU 支持和特权；每次退出耗费上千个周期或更多；TLB 缺失要走两级页表（最多 24 次访存）；嵌套时退出次数倍增。",
    },
    trend={
        "en": "The standard in clouds and desktops; exits fall further with posted interrupts, "
        "SR-IOV with an IOMMU, and confidential VMs (TDX, SEV-SNP) build on it.",
        "zh": "云与桌面的标准方案；借助 posted interrupt、SR-IOV 与 IOMMU 进一步减少退出；机密虚拟机（TDX、SEV-SNP）以其为基础。",
    },
)

TECHNIQUES = (EMULATE, FULL, PARA, HWASSIST)
