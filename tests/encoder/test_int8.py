"""Networks in 8-bit integers: which form belongs to which weights, when it is used, and that nobody is told of it.

What NNCF does to a network is measured by `encoder quantise`; here the network itself lies where its form would be.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from ctc_core import int8, quantise
from ctc_core._openvino import core, openvino, precision
from ctc_core.bench.machine import computed_in
from ctc_core.encoder import Embedder
from ctc_core.encoder.openvino import build, recipe
from ctc_core.errors import ModelError, UserError
from ctc_core.models import model_folder, write_config
from ctc_core.settings import Runtime, Settings
from ctc_core.types import silent
from tests.commands import run

WEIGHTS = "weights.safetensors"
FIGURES = {"f1": 0.9, "f1_exact": 0.9015, "times_faster": 1.3, "p_max": 0.01}


@pytest.fixture(scope="module")
def weights():
    return safetensors.torch.load_file(model_folder(Settings.model_fields["encoder"].default) / WEIGHTS)


@pytest.fixture
def folder(tmp_path, weights):
    """A model folder."""
    made = tmp_path / "m"
    made.mkdir()
    safetensors.torch.save_file(weights, made / WEIGHTS)
    write_config(made, {"kind": "encoder", "name": "m", "input_px": 48}, [WEIGHTS])
    return made


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 255, (19, 3, 48, 48)).astype(np.uint8)


@pytest.fixture
def quantised(folder, monkeypatch):
    """What `encoder quantise` answers; its form is the network itself, its figures are `FIGURES`."""
    monkeypatch.setattr(quantise, "_crops", lambda count, seed: np.zeros((1, 3, 48, 48), np.uint8))
    monkeypatch.setattr(quantise, "in_integers", lambda graph, batches, layers: graph)
    monkeypatch.setattr(quantise, "measure", lambda exact, floating, integers, tested: FIGURES)
    monkeypatch.setattr(int8, "pays_here", lambda: True)
    return quantise.quantise_encoder(folder, tested=64, progress=silent)


def embedder(folder: Path, runtime: Runtime = Runtime.OPENVINO) -> Embedder:
    return Embedder(folder, threads=1, runtime=runtime)


def test_a_form_is_made_once_and_used_where_it_agrees(folder, quantised, crops, monkeypatch):
    form = int8.find(folder / WEIGHTS, recipe(48))
    assert quantised == {"encoder": embedder(folder).id, "form": form.precision, **FIGURES, "used": True}
    assert form.precision == embedder(folder).precision == f"int8-{form.digest[:12]}"
    assert sorted(path.name for path in form.folder.iterdir()) == ["config.json", "model.bin", "model.xml"]
    np.testing.assert_allclose(embedder(folder).embed(crops), embedder(folder, Runtime.FLOAT).embed(crops), atol=1e-4)
    monkeypatch.setattr(quantise, "in_integers", None)  # not called again
    assert quantise.quantise_encoder(folder, tested=64, progress=silent) == quantised


def test_nobody_says_integers_who_has_begun_without(folder, crops, request):
    """A worker whose network was compiled before its form was made: its bundles must not name the form."""
    running = embedder(folder)
    running.embed(crops)
    request.getfixturevalue("quantised")
    assert embedder(folder).precision.startswith("int8-") and running.precision == precision()


def test_a_folder_that_cannot_be_written_ends_in_a_sentence(folder, monkeypatch):
    monkeypatch.setattr(quantise, "_crops", lambda count, seed: np.zeros((1, 3, 48, 48), np.uint8))
    monkeypatch.setattr(quantise, "in_integers", lambda graph, batches, layers: graph)
    (folder / int8.FOLDER).write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        quantise.quantise_encoder(folder, tested=64, progress=silent)


def test_the_bench_says_what_is_computed_in(folder, quantised):
    assert computed_in(Settings(encoder=str(folder))) == f"{precision()}, encoder at 48 px in {quantised['form']}"
    assert computed_in(Settings(encoder=str(folder), runtime=Runtime.EXACT)) == "f32"


def test_one_setting_goes_back_to_floating_point(folder, quantised):
    runtimes = (Runtime.FLOAT, Runtime.EXACT)
    assert [embedder(folder, runtime).precision for runtime in runtimes] == [precision(), "f32"]
    assert [embedder(folder, runtime).form for runtime in runtimes] == [None, None]


def test_the_form_is_what_is_computed(folder, quantised, crops):
    """Another network in its place, with a config that names its hash, gives other vectors."""
    place = int8.form_folder(folder / WEIGHTS, recipe(48))
    openvino().save_model(build(folder, 64), place / "model.xml", compress_to_fp16=False)
    write_config(place, int8.about(int8.Form(place, "", agrees=True)), ["model.xml", "model.bin"])
    assert embedder(folder).precision != quantised["form"]
    apart = embedder(folder).embed(crops) - embedder(folder, Runtime.FLOAT).embed(crops)
    assert np.abs(apart).max() > 0.01


@pytest.mark.parametrize("change", [{"agrees": False}, {"agrees": "yes"}])
def test_a_form_that_does_not_agree_is_not_used(folder, quantised, change):
    path = int8.form_folder(folder / WEIGHTS, recipe(48)) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert embedder(folder).precision == precision()


def test_nor_is_one_of_other_weights_or_sizes_or_where_it_gains_nothing(folder, quantised, weights, monkeypatch):
    larger = embedder(folder)
    larger.input_px = 64
    assert larger.form is None
    monkeypatch.setattr(int8, "pays_here", lambda: False)
    assert embedder(folder).form is None
    monkeypatch.setattr(int8, "pays_here", lambda: True)
    assert embedder(folder).form is not None
    safetensors.torch.save_file({**weights, "cls_token": weights["cls_token"] + 1}, folder / WEIGHTS)
    write_config(folder, {"kind": "encoder", "name": "m", "input_px": 48}, [WEIGHTS])
    assert embedder(folder).form is None


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_changed_form_is_never_loaded(folder, quantised, crops, name):
    path = int8.form_folder(folder / WEIGHTS, recipe(48)) / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=rf"{name}: its SHA-256 is not the one in config.json"):
        embedder(folder).embed(crops)


def test_something_else_in_its_place_is_refused(folder, quantised):
    place = int8.form_folder(folder / WEIGHTS, recipe(48))
    write_config(place, {"kind": "encoder", "name": "m"}, ["model.xml"])
    with pytest.raises(ModelError, match="not a network in integers"):
        assert embedder(folder).form
    (place / "model.xml").write_text("<net/>")
    write_config(place, {"kind": "int8", "name": "m", "agrees": True}, ["model.xml", "model.bin"])
    with pytest.raises(ModelError, match="OpenVINO cannot read it"):
        embedder(folder).embed(np.zeros((1, 3, 48, 48), np.uint8))


@pytest.mark.parametrize(
    ("figures", "used"),
    [
        ({"f1": 0.9, "f1_exact": 0.9019, "times_faster": 1.05}, True),
        ({"f1": 0.904, "f1_exact": 0.9019, "times_faster": 2.0}, False),
        ({"f1": 0.9, "f1_exact": 0.9, "times_faster": 1.04}, False),
    ],
)
def test_limits(figures, used):
    assert quantise.agrees(figures) is used


def test_perceptrons_as_convolutions_are_the_same_network(folder, crops):
    plain, other = (build(folder, 48, convolutions=way) for way in (False, True))
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    found, expected = (core().compile_model(graph, "CPU", hint)([crops])[0] for graph in (other, plain))
    assert len([node for node in other.get_ops() if node.get_type_name() == "Convolution"]) == 3 + 2 * 12
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_without_nncf_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UserError, match="Only making integers needs it"):
        quantise.nncf()


def test_the_command_says_what_it_measured(folder, monkeypatch, capsys, tmp_path):
    def note(*words, progress, **options):
        return {"asked": [str(word) for word in words], **options}

    monkeypatch.setattr(quantise, "quantise_encoder", note)
    found = run(capsys, tmp_path, "encoder", "quantise", str(folder), "--crops", "64", "--input-px", "224")
    assert found == {"asked": [str(folder)], "tested": 64, "input_px": 224, "threads": 0}


def test_nncf_makes_integers_of_the_named_layers_only_and_reports_to_nobody():
    """In a process of its own: beside pytest, NNCF is silent by itself."""
    pytest.importorskip("nncf")
    script = """
import sys
import numpy as np
from ctc_core import quantise
from ctc_core._openvino import constant, openvino
from tests.commands import run
ops = openvino().opset13
page = ops.parameter([-1, 4, 8], np.float32)
layers = []
layer = page
for name in ("a", "b"):
    layer = ops.convolution(layer, constant(np.random.default_rng(0).normal(0, 1, (4, 4, 1))), [1], [0], [0], [1])
    layer.set_friendly_name(name)
samples = np.random.default_rng(1).normal(0, 1, (16, 4, 8)).astype(np.float32)
made = quantise.in_integers(openvino().Model([layer], [page]), [samples], ["b"])
layers = [node for node in made.get_ordered_ops() if node.get_type_name() == "Convolution"]
assert [node.input_value(0).get_node().get_type_name() for node in layers] == ["Parameter", "FakeQuantize"]
import nncf.telemetry
assert type(nncf.telemetry.telemetry).__name__ == "MagicMock"
assert sys.modules["openvino_telemetry"] is None
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
