"""The commands that measure encoders: what they ask for, what they print."""

import json

import pytest

from ctc_core.cli import main
from ctc_core.models import SHIPPED
from ctc_core.settings import Runtime, Settings

ENCODER = str(SHIPPED / Settings().encoder)


@pytest.fixture
def asked(monkeypatch):
    """Replaces the measurements by ones that note what they were asked."""
    calls = []

    def note(kind):
        def measure(*words, progress, **options):
            progress(1, 2, "half")
            calls.append((*words, options))
            return {"kind": kind}

        return measure

    monkeypatch.setattr("ctc_core.encoder.evaluate.evaluate", note("simulated"))
    monkeypatch.setattr("ctc_core.encoder.evaluate_flow.evaluate_flow", note("flow"))
    monkeypatch.setattr("ctc_core.encoder.compare_sizes.compare_sizes", note("sizes"))
    for name in ("simulated", "flow", "sizes"):
        monkeypatch.setattr(f"ctc_core.encoder.tables.{name}", lambda result: ["a table", str(result["kind"])])
    return calls


def run(*words):
    with pytest.raises(SystemExit) as caught:
        main(["encoder", *words])
    return caught.value.code or 0


def test_evaluate_on_simulated_patients(asked, capsys):
    assert run("evaluate", "--seeds", "2", "--patients", "3", "--json") == 0
    printed = capsys.readouterr()
    assert (json.loads(printed.out), printed.err) == ({"kind": "simulated"}, "evaluate: 1/2 half\n")
    assert asked == [(ENCODER, {"seeds": 2, "n_patients": 3, "threads": 0, "runtime": Runtime.OPENVINO})]


def test_evaluate_on_flow_cells_prints_a_table(asked, capsys, tmp_path):
    assert run("evaluate", ENCODER, "--flow", str(tmp_path / "some.npz"), "--adapted", ENCODER) == 0
    assert capsys.readouterr().out == "a table\nflow\n"
    assert asked == [(ENCODER, tmp_path / "some.npz", {"adapted": ENCODER, "seeds": 10, "threads": 0})]


def test_sizes(asked, capsys):
    assert run("sizes", "--px", "48", "--px", "96", "--crops", "32") == 0
    assert capsys.readouterr().out == "a table\nsizes\n"
    assert asked == [(ENCODER, {"sizes": [48, 96], "crops": 32, "seeds": 6, "threads": 0})]


def test_a_file_that_holds_no_flow_cells_ends_in_a_sentence(capsys, tmp_path):
    path = tmp_path / "some.npz"
    path.write_text("nothing")
    assert run("adapt", ENCODER, str(path), str(tmp_path / "out"), "--steps", "1") == 2
    assert capsys.readouterr().err.startswith(f"{path}: not flow cells (")
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_is_not_there_ends_in_a_sentence(capsys):
    assert run("evaluate", "no-such-encoder") == 2
    assert "no-such-encoder: no model of this name" in capsys.readouterr().err
