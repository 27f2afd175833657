"""The list of models: what is verified, what is refused, and that the shipped cards say what they must."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer

from ctc_core import cli_registry
from ctc_core.console import Session
from ctc_core.inventory import inventory
from ctc_core.models import SHIPPED, load_config, sha256, write_config
from ctc_core.settings import Settings


def make(place: Path, name: str, kind: str, **config: Any) -> Path:
    """A model folder with a card."""
    folder = place / name
    folder.mkdir(parents=True)
    (folder / "w.bin").write_bytes(name.encode())
    write_config(folder, {"kind": kind, "name": name, **config}, ["w.bin"])
    (folder / "README.md").write_text(f"# {name}\nSHA-256 {sha256(folder / 'w.bin')}\n")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A shipped segmenter and encoder; an encoder and a classifier in the data folder."""
    shipped, data = tmp_path / "shipped", tmp_path / "data"
    make(shipped, "seg", "stardist2d", licence="Apache-2.0")
    make(shipped, "enc", "encoder")
    make(data / "models", "imported", "encoder")
    (make(data / "models", "svm-1", "classifier") / "README.md").unlink()
    monkeypatch.setattr("ctc_core.models.SHIPPED", shipped)
    return Settings(data_dir=data, segmenter="seg", encoder="imported")


def listed(settings: Settings) -> list[tuple[Any, ...]]:
    models, _ = inventory(settings)
    return [(m.name, m.kind, m.where, m.verified, m.card, m.active, len(m.problems)) for m in models]


def test_all_models_with_what_the_settings_name(settings: Settings) -> None:
    assert listed(settings) == [
        ("enc", "encoder", "shipped", True, True, False, 0),
        ("seg", "segmenter", "shipped", True, True, True, 0),
        ("imported", "encoder", "data", True, True, True, 0),
        ("svm-1", "classifier", "data", True, False, False, 0),
    ]
    models, problems = inventory(settings)
    assert problems == []
    folder = settings.data_dir.parent / "shipped" / "seg"
    assert asdict(models[1]) == {
        "kind": "segmenter",
        "id": "seg-4918dea41eae",  # printf %s "$(printf seg | sha256sum | cut -c-64)" | sha256sum
        "name": "seg",
        "where": "shipped",
        "folder": str(folder),
        "bytes": 3,
        "licence": "Apache-2.0",
        "verified": True,
        "card": True,
        "active": True,
        "problems": (),
    }


def test_the_store_knows_which_classifier_is_in_use(settings: Settings) -> None:
    ids = {model.name: model.id for model in inventory(settings)[0]}
    models, _ = inventory(settings, active=[ids["svm-1"] or ""])
    assert [model.name for model in models if model.active] == ["seg", "imported", "svm-1"]


def test_a_model_elsewhere_is_listed_where_the_settings_name_it(settings: Settings, tmp_path: Path) -> None:
    folder = make(tmp_path / "elsewhere", "mine", "encoder")
    settings = settings.model_copy(update={"encoder": str(folder)})
    assert listed(settings)[-1] == ("mine", "encoder", "settings", True, True, True, 0)


def test_a_folder_that_is_being_written_is_not_listed(settings: Settings) -> None:
    (settings.data_dir / "models" / ".import-x").mkdir()
    assert len(listed(settings)) == 4


def no_models(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "verified", "message"),
    [
        (lambda folder: (folder / "w.bin").write_bytes(b"x"), False, r"w\.bin: its SHA-256 is not the one in config"),
        (lambda folder: (folder / "w.bin").unlink(), False, r"w\.bin: missing\. Restore the model folder"),
        (lambda folder: (folder / "config.json").write_text("{"), False, r"config\.json: not a model's config"),
        (no_models, False, r"config\.json: not a model's config"),
        (lambda folder: (folder / "README.md").unlink(), True, r"README\.md: missing\. A model is used with its card"),
        (lambda folder: (folder / "README.md").write_text("# other"), True, r"does not name the SHA-256 of w\.bin"),
    ],
    ids=["changed", "weights missing", "config broken", "empty", "no card", "card of others"],
)
def test_what_is_wrong_with_a_model_is_said(settings: Settings, spoil: Any, verified: bool, message: str) -> None:
    folder = settings.data_dir / "models" / "imported"
    spoil(folder)
    settings = settings.model_copy(update={"encoder": "enc"})
    models, problems = inventory(settings)
    model = next(model for model in models if model.folder == str(folder))
    assert (model.name, model.verified, model.id is None) == ("imported", verified, not verified)
    assert list(model.problems) == problems
    assert re.search(message, problems[0])
    assert all(str(folder) in problem and problem.endswith(".") for problem in problems)


def test_settings_that_lead_nowhere_are_a_problem(settings: Settings) -> None:
    models, problems = inventory(settings.model_copy(update={"encoder": "gone"}))
    assert len(models) == 4
    assert problems == [
        "gone: no model of this name and no folder with a config.json. Models: enc, imported, seg, svm-1."
    ]


def test_stardists_own_layout_has_no_hash_to_check_and_no_card(settings: Settings) -> None:
    folder = settings.data_dir / "models" / "2D_versatile_fluo"
    folder.mkdir()
    (folder / "config.json").write_text('{"n_channel_in": 1, "n_classes": null}')
    (folder / "thresholds.json").write_text('{"prob": 0.5, "nms": 0.4}')
    (folder / "weights_best.h5").write_bytes(b"weights")
    settings = settings.model_copy(update={"segmenter": "2D_versatile_fluo"})
    models, problems = inventory(settings)
    model = next(model for model in models if model.active and model.kind == "segmenter")
    # printf weights | sha256sum
    assert (model.id, model.verified, model.card, problems) == ("2D_versatile_fluo-9a129038d9a0", None, False, [])
    (folder / "thresholds.json").write_text("{}")
    assert inventory(settings)[1][0].startswith(f"{folder}: config.json or thresholds.json cannot be read")


# ---- the command -----------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = 0
    try:
        cli_registry.models()
    except typer.Exit as end:
        code = end.exit_code
    return code, *capsys.readouterr()


@pytest.fixture
def session(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(Session, "settings", settings)
    monkeypatch.setattr(Session, "as_json", False)
    return settings


def test_a_table_for_the_eye(session: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    lines = [re.sub(r"-[0-9a-f]{12}", "-ID", line) for line in out.splitlines()]
    assert [line.split() for line in lines] == [
        ["active", "kind", "id", "where", "MB", "licence", "SHA-256", "card"],
        ["encoder", "enc-ID", "shipped", "0.0", "see", "card", "verified", "yes"],
        ["*", "segmenter", "seg-ID", "shipped", "0.0", "Apache-2.0", "verified", "yes"],
        ["*", "encoder", "imported-ID", "data", "0.0", "see", "card", "verified", "yes"],
        ["classifier", "svm-1-ID", "data", "0.0", "see", "card", "verified", "no"],
    ]
    assert len({line.index(word) for line, word in zip(out.splitlines(), ("id", "enc-", "seg-"), strict=False)}) == 1


def test_a_changed_file_ends_with_2_and_a_sentence(session: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    path = session.data_dir / "models" / "imported" / "w.bin"
    path.write_bytes(b"x")
    code, out, err = run(capsys)
    assert code == 2 and "imported (refused)" in out and "NOT VERIFIED" in out
    assert (
        err == f"{path}: its SHA-256 is not the one in config.json, so it was changed. Restore it; it is not loaded.\n"
    )


def test_json(session: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "as_json", True)
    code, out, _ = run(capsys)
    result = json.loads(out)
    assert (code, result["ok"], result["problems"], len(result["models"])) == (0, True, [], 4)
    (session.data_dir / "models" / "imported" / "README.md").unlink()
    code, out, err = run(capsys)
    result = json.loads(out)
    assert (code, result["ok"], result["problems"]) == (2, False, [err.strip()])


# ---- what ships ------------------------------------------------------------------------------------------------------

FOLDERS = sorted(path.parent for path in SHIPPED.glob("*/config.json"))


def test_every_shipped_folder_is_verified_and_its_card_names_its_weights(tmp_path: Path) -> None:
    models, problems = inventory(Settings(data_dir=tmp_path))
    assert problems == []
    assert {model.kind for model in models if model.active} == {"segmenter", "encoder"}


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_weights_are_no_pickles_and_small(folder: Path) -> None:
    for name in load_config(folder)["sha256"]:
        assert Path(name).suffix in {".safetensors", ".h5", ".skops"}
        assert (folder / name).stat().st_size <= 20e6


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
@pytest.mark.parametrize(
    "words",
    [
        r"(?i)never tested on patient data",
        r"(?i)not a medical device",
        r"(?i)licen[cs]e",
        r"Apache-2\.0|CC0|CC BY|MIT|BSD",
        r"(?i)\bseed",
        r"(?i)simulated",
        r"(?i)95 %",
        r"n = \d+|\| *\d[\d,]* *\|",
        r"\d?\.\d+ \(\d?\.\d+ ?(?:-|to) ?\d?\.\d+\)",
        r"python -m ctc_core (?:encoder|segmenter) evaluate",
    ],
)
def test_a_card_says_data_licence_seed_and_figures_with_n_and_interval(folder: Path, words: str) -> None:
    text = (folder / "README.md").read_text()
    assert re.search(words, text)
    for digest in re.findall(r"\b[0-9a-f]{64}\b", text):
        assert digest in load_config(folder)["sha256"].values()
