"""What this process computes with, and how machines differ."""

from pathlib import Path

from ctc_core import arithmetic
from ctc_core.arithmetic import COMMON, differences, outliers
from ctc_core.networks import Networks
from ctc_core.settings import Runtime, Settings

PLAIN = {"runtime": "openvino", "precision": "f32", "openvino": "1"}


def test_this_machine_says_what_it_has() -> None:
    found, exact = (arithmetic.arithmetic(runtime) for runtime in (Runtime.OPENVINO, Runtime.EXACT))
    assert list(found) == ["runtime", "precision", "instructions", "openvino", *COMMON]
    assert found["precision"] in ("f32", "bf16") and "none" not in found.values()
    assert list(exact) == ["runtime", "precision", "instructions", "tensorflow", "keras", "torch", "timm", *COMMON]
    assert (exact["runtime"], exact["precision"]) == ("exact", "f32") and "none" not in exact.values()


def test_networks_add_what_they_are_computed_in() -> None:
    found = Networks(Settings(runtime=Runtime.EXACT)).arithmetic
    assert found.items() > arithmetic.arithmetic(Runtime.EXACT).items() and found["precision of encoder"] == "f32"


def test_instruction_sets_are_read_as_linux_names_them(tmp_path: Path) -> None:
    (tmp_path / "x86").write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512f\nbugs\t: none\nflags\t\t: other\n")
    (tmp_path / "arm").write_text("Features\t: fp asimd bf16\n")
    assert arithmetic._flags(tmp_path / "x86") == {"fpu", "avx2", "avx512f"}
    assert arithmetic._flags(tmp_path / "arm") == {"fp", "asimd", "bf16"}
    assert arithmetic._flags(tmp_path / "none") == set()


def test_differences_in_words() -> None:
    assert differences(PLAIN, PLAIN) == ""
    other = {"runtime": "openvino", "precision": "bf16"}
    assert differences(other, PLAIN) == "precision bf16 (not f32), openvino unknown (not 1)"


def test_the_fewer_are_the_outliers() -> None:
    bf16, new = {**PLAIN, "precision": "bf16"}, {**PLAIN, "openvino": "2"}
    assert outliers({"a": PLAIN, "b": bf16, "c": PLAIN, "d": new, "e": PLAIN}) == (
        PLAIN,
        {"b": "precision bf16 (not f32)", "d": "openvino 2 (not 1)"},
    )
    assert outliers({"a": PLAIN}) == (PLAIN, {})
