import sys
from importlib.machinery import ModuleSpec

import pytest

from ctc_core import _torch

CUDA_WHEEL = "__version__ = '0.28.0+cu130'\ngit_version = '8fb8'\n"
CPU_WHEEL = "__version__ = '0.28.0+cpu'\ngit_version = '8fb8'\n"


@pytest.mark.parametrize(
    ("torch_cuda", "version_text", "differ"),
    [
        (None, CUDA_WHEEL, True),
        (None, CPU_WHEEL, False),
        ("13.0", CUDA_WHEEL, False),
        ("13.0", CPU_WHEEL, False),
        (None, "", False),
        (None, "__version__ = '0.28.0'\n# built without +cu130\n", False),
    ],
)
def test_only_a_cpu_torch_beside_a_cuda_torchvision_needs_the_declaration(torch_cuda, version_text, differ):
    assert _torch.builds_differ(torch_cuda, version_text) is differ


def test_the_version_is_read_from_the_file_without_importing(tmp_path, monkeypatch):
    (tmp_path / "version.py").write_text(CUDA_WHEEL)
    spec = ModuleSpec("torchvision", loader=None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_torch, "find_spec", lambda name: {"torchvision": spec}[name])
    assert _torch.torchvision_version() == CUDA_WHEEL


def test_no_torchvision_is_no_version(monkeypatch):
    monkeypatch.setattr(_torch, "find_spec", lambda _name: None)
    assert _torch.torchvision_version() == ""


def test_timm_and_torchvision_are_imported_whatever_the_builds():
    assert {"timm", "torchvision"} <= set(sys.modules)
    assert "xcit_nano_12_p8_224" in _torch.timm.list_models("xcit_nano*")
