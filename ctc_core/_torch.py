"""The only door to torch and timm: `from ctc_core._torch import nn, timm, torch`.

timm imports torchvision whether it needs it or not, and torchvision from PyPI is built for CUDA. Beside a CPU build of
torch its operators cannot be loaded, and `import torchvision` ends in `operator torchvision::nms does not exist`
(pytorch#157648, vision#9077): it describes two operators to the compiler without asking whether they exist
(`torchvision/_meta_registrations.py`). Declaring those two, without an implementation, is enough; nothing calls them.
Where the two builds match, nothing is declared.

OpenMP's threads are told to sleep when they wait. By default they spin, which takes the cores from whatever else
computes: TensorFlow in the same process, or another program.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is imported

import torch
from torch import nn

OPERATORS = ("nms", "qnms")


def torchvision_version() -> str:
    """Text of the installed `torchvision/version.py`, found without importing it; empty where there is none."""
    spec = find_spec("torchvision")
    path = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return path.read_text() if path and path.is_file() else ""


def builds_differ(torch_cuda: str | None, version_text: str) -> bool:
    """True for a CPU torch (`torch.version.cuda` is None) beside a torchvision built for CUDA (`+cu130`)."""
    return torch_cuda is None and re.search(r"__version__ = '[^']*\+cu\d+'", version_text) is not None


def declare_operators() -> torch.library.Library:
    """Declare what `import torchvision` insists on. The declaration lives as long as the returned object."""
    library: torch.library.Library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library


_library = (
    declare_operators()
    if "torchvision" not in sys.modules and builds_differ(torch.version.cuda, torchvision_version())
    else None
)

import timm  # noqa: E402  (must follow the declaration)

__all__ = ["nn", "timm", "torch"]
