"""Model folders: ids follow the weights, and a changed file is refused."""

import shutil
from pathlib import Path

import pytest

from ctc_core.errors import ModelError
from ctc_core.models import load_config, model_folder, model_id, write_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "w.bin").write_bytes(b"weights")
    write_config(tmp_path, {"kind": "encoder", "name": "m", "input_px": 48}, ["w.bin"])
    return tmp_path


def test_config_names_the_hash_of_the_weights(folder: Path) -> None:
    digest = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"  # printf weights | sha256sum
    expected = {"kind": "encoder", "name": "m", "input_px": 48, "sha256": {"w.bin": digest}}
    assert load_config(folder) == expected


def test_other_weights_give_another_id(folder: Path) -> None:
    first = model_id(folder)
    (folder / "w.bin").write_bytes(b"other")
    write_config(folder, {"kind": "encoder", "name": "m"}, ["w.bin"])
    assert first != model_id(folder)
    assert first.startswith("m-") and len(first) == len("m-") + 12


def test_changed_weights_are_refused(folder: Path) -> None:
    (folder / "w.bin").write_bytes(b"tampered")
    with pytest.raises(ModelError, match=r"w\.bin: its SHA-256 is not the one in config\.json, so it was changed"):
        load_config(folder)


def test_missing_weights_are_refused(folder: Path) -> None:
    (folder / "w.bin").unlink()
    with pytest.raises(ModelError, match=r"w\.bin: missing"):
        load_config(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"sha256": 3',
        '{"kind": "encoder", "name": "m", "sha256": {}}',
        '{"kind": "encoder", "name": "m", "sha256": ["w.bin"]}',
        '{"kind": "encoder", "name": "m", "sha256": {"w.bin": 3}}',
        '{"kind": "encoder", "name": "m", "sha256": {"../w.bin": "00"}}',
        '{"kind": "encoder", "name": 7, "sha256": {"w.bin": "00"}}',
        '{"kind": "encoder", "sha256": {"w.bin": "00"}}',
    ],
)
def test_a_broken_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match="not a model's config"):
        load_config(folder)


def test_an_unknown_model_lists_the_known_ones(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folder, data / "models" / "mine", ignore=lambda path, names: ["data"])
    with pytest.raises(ModelError, match=r"no model of this name and no folder with a config\.json\. Models: .*mine"):
        model_folder("nothing-of-the-kind", data)
    with pytest.raises(ModelError, match=r"Models: ctc-"):
        model_folder("mine")


def test_a_path_is_as_good_as_a_name(folder: Path) -> None:
    assert model_folder(str(folder)) == folder


def test_a_data_folder_has_models_too_but_a_shipped_name_stays_the_shipped_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, data = tmp_path / "shipped", tmp_path / "data"
    for to in (shipped / "a", data / "models" / "a", data / "models" / "b"):
        to.mkdir(parents=True)
        shutil.copy(folder / "config.json", to)
    monkeypatch.setattr("ctc_core.models.SHIPPED", shipped)
    assert model_folder("a", data) == shipped / "a"
    assert model_folder("b", data) == data / "models" / "b"
    with pytest.raises(ModelError, match=r"b: no model .* Models: a\."):
        model_folder("b")
