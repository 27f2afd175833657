"""What computes the networks of this process: numbers differ in their last digits, or in more, where this differs.

It is written into every bundle, and finished frames of one archive are only put together where it is the same.
"""

from __future__ import annotations

import functools
import platform
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ctc_core.settings import Runtime

Arithmetic = dict[str, str]
"""runtime, precision, instructions of the processor, and the version of each package that computes."""

COMMON = ("numpy", "scipy", "scikit-image", "stardist")
EXACT, FAST = ("tensorflow", "keras", "torch", "timm"), ("openvino",)

INSTRUCTIONS = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8",
    "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip
"""Sets that libraries choose their code by; the second line is of ARM."""


@functools.cache
def arithmetic(runtime: Runtime) -> Arithmetic:
    """Of this process. Equal answers do not promise equal last digits where processors differ in their caches."""
    from ctc_core._openvino import precision

    known = _flags(Path("/proc/cpuinfo"))
    instructions = [platform.machine(), *(name for name in INSTRUCTIONS if name in known)]
    return {
        "runtime": str(runtime),
        "precision": "f32" if runtime is Runtime.EXACT else precision(),
        "instructions": " ".join(instructions),
        **{name: _version(name) for name in (*(EXACT if runtime is Runtime.EXACT else FAST), *COMMON)},
    }


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What of `one` is not so in `other`, in words."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return ", ".join(f"{name} {one.get(name, 'unknown')} (not {other.get(name, 'unknown')})" for name in names)


def outliers(found: Mapping[str, Arithmetic]) -> tuple[Arithmetic, dict[str, str]]:
    """What most have of some machines by address, and how the others differ from it."""
    counts = Counter(tuple(sorted(one.items())) for one in found.values())
    usual = dict(counts.most_common(1)[0][0])
    return usual, {where: differences(one, usual) for where, one in found.items() if one != usual}


def _flags(cpuinfo: Path) -> set[str]:
    """Instruction sets as Linux names them; none where it does not say."""
    if not cpuinfo.exists():
        return set()
    named = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    return next((set(names.split()) for key, _, names in named if key.strip() in ("flags", "Features")), set())


def _version(name: str) -> str:
    for candidate in (name, f"{name}-cpu"):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return "none"
